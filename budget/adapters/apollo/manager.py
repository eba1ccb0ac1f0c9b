"""Apollo's `TokenBudgetManager` on Budget: its methods, arguments and results, translated one by one."""

import asyncio
import contextlib
import datetime as dt
import threading
import weakref
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final, Self

from budget.adapters.apollo import allocations, policies, summaries, tiers, words
from budget.adapters.apollo.allocations import BudgetAllocation
from budget.adapters.apollo.callbacks import Callback, Callbacks
from budget.adapters.apollo.enhanced import Enhanced
from budget.adapters.apollo.policies import BudgetPolicy
from budget.adapters.apollo.summaries import BudgetSummary
from budget.client import BudgetClient
from budget.client.account import MOST_PAGES, Account, Backend
from budget.client.errors import BudgetError, Gone, Refused
from budget.client.exchange import Reply
from budget.client.in_process import InProcess
from budget.engine.ledger import Ledger
from budget.log import get_logger

log = get_logger("apollo_adapter")

NAME: Final = "Apollo Budget"
OWNER: Final = "apollo"
FILE: Final = "budget.db"


class TokenBudgetManager(Enhanced):
    """Tokens, allocations and limits of the budget "Apollo Budget": in process, or over HTTP when a `url` is given.

    Without either a running service is used, else a ledger in this process; `data_dir` gives that one a file of its own
    in this folder, beside the old files, which are never read: `policy_file` is for the migration. `ledger` is one that
    nobody has started. Every `cleanup_interval` seconds after `start` those who asked hear of expired allocations.
    """

    def __init__(
        self,
        data_dir: str | None = None,
        policy_file: str | None = None,  # noqa: ARG002 -- Apollo's argument
        cleanup_interval: float = 3600.0,
        *,
        url: str | None = None,
        api_key: str | None = None,
        ledger: Ledger | None = None,
        backend: Backend | None = None,
    ) -> None:
        if backend is None and url is not None:
            backend = BudgetClient(url, api_key=api_key)
        elif backend is None and ledger is not None:
            backend = InProcess(ledger)
        elif backend is None:
            path = None if data_dir is None else Path(data_dir).expanduser() / FILE
            # Asked for by name: adapters do not know the wiring.
            backend = resolve_name("budget.drop_in:connect")(path)
        self._own = Account(backend, NAME, OWNER)
        self._interval = cleanup_interval
        self._old_folder = None if data_dir is None else str(Path(data_dir).expanduser().absolute())
        self._callbacks = Callbacks()
        self._changing = threading.RLock()
        self._is_ready = False
        self._heard_seq: int | None = None
        self._watching: asyncio.Task[None] | None = None
        self._given: weakref.WeakValueDictionary[str, BudgetAllocation] = weakref.WeakValueDictionary()

    # Life

    async def start(self) -> None:
        """Make the budget with Apollo's limits where there is none, and begin to watch for expired allocations."""
        await asyncio.to_thread(self._begin)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="apollo-expiry")

    async def stop(self) -> None:
        """Watch no more. There is nothing to save: what was answered is in the ledger."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
            self._watching = None

    def close(self) -> None:
        """Let go of Budget; a ledger in this process stops when nobody else uses it."""
        self._own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Allocations

    async def allocate_budget(  # noqa: PLR0913, PLR0917 -- Apollo's arguments
        self,
        context_id: str,
        component: str,
        task_type: str = "default",
        provider: str | None = None,
        model: str | None = None,
        priority: int = words.TaskPriority.NORMAL,
        token_count: int | None = None,
        expiration: dt.datetime | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> BudgetAllocation | None:
        """Hold tokens for a context, in the place of what it held; None where a hard limit refuses."""
        asked: dict[str, Any] = {
            "context_id": context_id,
            "component": component,
            "task_type": task_type,
            "provider": provider,
            "model": model,
            "priority": words.priority(priority),
            "tokens_allocated": allocations.default_size(task_type, priority, token_count),
        }
        try:
            made = await asyncio.to_thread(self.hold, expiration=expiration, metadata=metadata, **asked)
        except Refused as refused:
            await self._exceeded(limit["policy_id"] for limit in refused.limits)
            return None
        allocation = self._shown(made)
        await self._callbacks.tell("on_allocation_created", allocation)
        if self._callbacks.wanted("on_budget_exceeded"):
            await self._exceeded(await asyncio.to_thread(self._passed, made))
        return allocation

    def hold(
        self, *, expiration: dt.datetime | None = None, metadata: dict[str, Any] | None = None, **asked: Any
    ) -> Reply:
        """The same as Budget answers it; raises `Refused`, which says what would fit."""
        with self._changing:
            return allocations.allocate(self.account, expiration=expiration, metadata=metadata, **asked)

    def record_usage(
        self,
        context_id: str,
        tokens: int,
        usage_type: str = "total",
        operation_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> int:
        """Book tokens on a context's allocation, cut to what remains of it; gives how many were counted."""
        with self._changing:
            counted, hold = allocations.record(self.account, context_id, tokens, usage_type, operation_id, metadata)
        if hold is not None:
            self._callbacks.tell_now("on_allocation_updated", self._shown(hold))
        return counted

    def get_allocation(self, context_id: str) -> BudgetAllocation | None:
        """A context's allocation, used up or not; None without one, or when its time is over."""
        found = allocations.newest(self.account, context_id)
        return None if found is None else self._shown(found)

    def update_allocation(
        self,
        context_id: str,
        additional_tokens: int | None = None,
        extend_expiration: dt.timedelta | None = None,
        is_active: bool | None = None,  # noqa: FBT001 -- Apollo's argument
    ) -> BudgetAllocation | None:
        """Give an allocation more tokens or time, or end it; None without one, or where a hard limit refuses."""
        with self._changing:
            try:
                changed = allocations.update(self.account, context_id, additional_tokens, extend_expiration, is_active)
            except Refused as refused:
                for policy in self._policies(limit["policy_id"] for limit in refused.limits):
                    self._callbacks.tell_now("on_budget_exceeded", policy)
                return None
        if changed is None:
            return None
        allocation = self._shown(changed)
        self._callbacks.tell_now("on_allocation_updated", allocation)
        return allocation

    def get_budget_summary(
        self,
        tier: str | None = None,
        period: str = words.Period.DAILY,
        component: str | None = None,
        task_type: str | None = None,
    ) -> list[BudgetSummary]:
        """What each tier has used of its limit, or one of them."""
        wanted = None if tier is None else words.tier(tier)
        return summaries.summaries(self.account, wanted, words.period(period), component, task_type)

    # Policies

    def add_policy(self, policy: Any) -> str:
        """Make a policy; gives its id."""
        with self._changing:
            made = policies.add(self.account, policies.read(policy))
        self._callbacks.tell_now("on_policy_updated", made)
        return made.policy_id

    def get_policy(self, policy_id: str) -> BudgetPolicy | None:
        """A policy as it stands."""
        found = policies.find(self.account, policy_id)
        return None if found is None else policies.shown(self.account, found)

    def update_policy(self, policy_id: str, **fields: Any) -> BudgetPolicy | None:
        """Change what is given of a policy; None without one."""
        with self._changing:
            changed = policies.update(self.account, policy_id, fields)
        if changed is not None:
            self._callbacks.tell_now("on_policy_updated", changed)
        return changed

    def delete_policy(self, policy_id: str) -> bool:
        """Take a policy away; whether there was one."""
        with self._changing:
            gone = policies.delete(self.account, policy_id)
        if gone is not None:
            self._callbacks.tell_now("on_policy_updated", gone)
        return gone is not None

    # Tiers

    def get_model_tier(self, model: str) -> str:
        """The tier of a model."""
        return tiers.of_model(self.account, model)

    def set_model_tier(self, model: str, tier: str) -> None:
        """Say it."""
        tiers.set_model(self.account, model, tier)

    def get_component_tier(self, component: str) -> str | None:
        """The tier of a component, if it has one of its own."""
        return tiers.of_component(self.account, component)

    def set_component_tier(self, component: str, tier: str) -> None:
        """Say it."""
        tiers.set_component(self.account, component, tier)

    def get_provider_tier(self, provider: str) -> str:
        """The tier of a provider."""
        return tiers.of_provider(self.account, provider)

    def set_provider_tier(self, provider: str, tier: str) -> None:
        """Say it."""
        tiers.set_provider(self.account, provider, tier)

    # Callbacks

    def register_callback(self, event_type: str, callback: Callback) -> None:
        """Call it with the allocation or policy that an event is about; it may be a coroutine function."""
        self._callbacks.register(event_type, callback)

    async def cleanup(self) -> None:
        """Tell of the allocations that expired since this was last asked; `start` has it done again and again."""
        for shown in await asyncio.to_thread(self._expired):
            await self._callbacks.tell("on_allocation_expired", self._shown(shown))

    async def migrate_from_apollo(self) -> dict[str, Any]:
        """Take over the old folder, once; `budget migrate apollo` tells more of it, and shows its progress."""
        found, errors = await asyncio.to_thread(self.account.migrate, OWNER, self._old_folder)
        await asyncio.to_thread(policies.drop_defaults, self.account)
        return {
            "success": not errors,
            "budgets_migrated": int(any(found.values())),
            "policies_migrated": found.get("policies", 0),
            "allocations_migrated": found.get("allocations", 0),
            "errors": errors,
        }

    # What they share

    @property
    def account(self) -> Account:
        """The budget, made when it is first needed."""
        self._begin()
        return self._own

    def _begin(self) -> None:
        with self._changing:
            if not self._is_ready:
                self._own.budget()
                if self._own.was_made:
                    policies.make_defaults(self._own)
                else:
                    policies.drop_defaults(self._own)
                self._heard_seq = self._own.call("list_events", types="allocation.expired", limit=1)["as_of_seq"]
                self._is_ready = True

    def _shown(self, shown: Reply) -> BudgetAllocation:
        """The one object for an allocation, as Apollo's callers kept it."""
        known = self._given.get(shown["allocation_id"])
        if known is None:
            known = self._given[shown["allocation_id"]] = BudgetAllocation(self._own, shown, self.record_usage)
        else:
            known.refresh(shown)
        return known

    def _passed(self, hold: Reply) -> list[str]:
        """The limits that are exceeded already, of those that count an allocation."""
        scope = ("tier", "component", "task_type")
        return [
            limit["policy_id"]
            for limit in self._own.each("list_limits", context_id=hold["context_id"])
            if limit["exceeded"] and all(limit[field] in (None, hold[field]) for field in scope)
        ]

    async def _exceeded(self, policy_ids: Any) -> None:
        for policy in await asyncio.to_thread(self._policies, policy_ids):
            await self._callbacks.tell("on_budget_exceeded", policy)

    def _policies(self, policy_ids: Any) -> list[BudgetPolicy]:
        found = (policies.find(self._own, policy_id) for policy_id in policy_ids)
        return [policies.shown(self._own, policy) for policy in found if policy is not None]

    def _expired(self) -> list[Reply]:
        with self._changing:
            after: int | None = self._heard_seq
            found: list[Reply] = []
            for _ in range(MOST_PAGES):
                try:
                    page = self.account.call("list_events", types="allocation.expired", after=after)
                except Gone as gone:
                    after = gone.oldest_seq - 1
                    continue
                found += [event["data"]["allocation"] for event in page["items"]]
                after = self._heard_seq = page["next_after"]
                if after is None or after >= page["as_of_seq"]:
                    break
            return found

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.cleanup()
            except BudgetError as error:  # Budget is away: the next round tells of it all
                log.warning("expired allocations could not be asked for", error=error.message)
