"""Rhetor's `BudgetManager` on Budget: its methods, arguments and results, translated one by one."""

import asyncio
import threading
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final, Self

from budget.adapters.rhetor import checks, limits, models, usage, words
from budget.adapters.rhetor.usage import Moment
from budget.client import BudgetClient
from budget.client.account import Account, Backend
from budget.client.errors import NotFound
from budget.client.in_process import InProcess
from budget.domain.configuration import GENERATED
from budget.engine.ledger import Ledger

NAME: Final = "Rhetor Budget"
OWNER: Final = "rhetor"


class BudgetManager:
    """Costs and limits of the budget "Rhetor Budget": in process, or over HTTP when a `url` is given.

    Without either a running service is used, else a ledger in this process; `db_path` gives that one a file of its own,
    beside the old database, which is never opened. `ledger` is one that nobody has started.
    """

    def __init__(
        self,
        db_path: str | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        ledger: Ledger | None = None,
        backend: Backend | None = None,
        default_policy: str | None = None,
        default_limits: Mapping[str, float] | None = None,
        all_limits_only_warn: bool = False,
    ) -> None:
        # Both asked for by name: adapters do not know the wiring.
        connect, variables = (resolve_name(f"budget.drop_in:{name}") for name in ("connect", "rhetor_variables"))
        policy, limits_set = variables()
        self._default_policy = _valid(policy if default_policy is None else default_policy)
        self._default_limits = limits_set if default_limits is None else default_limits
        self._only_warn = all_limits_only_warn
        self._old_file = None if db_path is None else str(Path(db_path).expanduser().absolute())
        self._changing = threading.Lock()
        self._made_defaults = False
        if backend is None and url is not None:
            backend = BudgetClient(url, api_key=api_key)
        elif backend is None and ledger is not None:
            backend = InProcess(ledger)
        elif backend is None:
            backend = connect(_file_beside(db_path))
        self._account = Account(backend, NAME, OWNER)

    # Tokens and costs

    def count_tokens(self, text: str, model: str = "gpt-3.5-turbo") -> int:  # noqa: ARG002 -- Rhetor's signature
        """About how many tokens a text has, whatever the model."""
        return words.count_tokens(text)

    def calculate_cost(self, provider: str, model: str, input_text: str, output_text: str) -> dict[str, Any]:
        """What a call with these texts costs; nothing where the model has no price."""
        return self._cost(provider, model, words.count_tokens(input_text), words.count_tokens(output_text))

    def estimate_cost(
        self, provider: str, model: str, input_text: str, estimated_output_length: int = words.OUTPUT_CHARACTERS
    ) -> dict[str, Any]:
        """The same for an answer of so many characters."""
        return self.calculate_cost(provider, model, input_text, "a" * estimated_output_length)

    # Usage

    def record_usage(
        self,
        provider: str,
        model: str,
        component: str,
        task_type: str,
        input_tokens: int,
        output_tokens: int,
        cost: float | None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Book a usage at this cost; at Budget's own price where `cost` is None."""
        usage.record(
            self._ready(),
            provider=provider,
            model=model,
            component=component,
            task_type=task_type,
            input_tokens=input_tokens or 0,
            output_tokens=output_tokens or 0,
            cost=None if cost is None else words.dollars(cost, "cost"),
            metadata=metadata,
            context_id=usage.context_of(metadata),
        )

    def record_completion(
        self,
        provider: str,
        model: str,
        input_text: str,
        output_text: str,
        component: str = "unknown",
        task_type: str = "default",
        metadata: dict[str, Any] | None = None,
        context_id: str | None = None,
    ) -> dict[str, Any]:
        """Book a call by its texts, at Budget's price, and say what it cost."""
        account = self._ready()
        counts: dict[str, Any] = {
            "input_tokens": words.count_tokens(input_text),
            "output_tokens": words.count_tokens(output_text),
        }
        context = usage.context_of(metadata, context_id)
        booked = usage.record(
            account,
            provider=provider,
            model=model,
            component=component,
            task_type=task_type,
            metadata=metadata,
            context_id=context,
            **counts,
        )
        return {
            "provider": provider,
            "model": model,
            "component": component,
            "task_type": task_type,
            "timestamp": account.local_text(booked["timestamp"]),
            **words.costs(booked, **counts),
            "total_tokens": booked["total_tokens"],
            "record_id": booked["record_id"],
            "context_id": None if context.startswith(GENERATED) else context,
        }

    def get_usage(
        self,
        period: str = words.BudgetPeriod.DAILY,
        provider: str | None = None,
        start_date: Moment | None = None,
        end_date: Moment | None = None,
    ) -> list[dict[str, Any]]:
        """Every usage of a period, or of `custom` dates, oldest first."""
        return usage.rows(self._ready(), period, provider, start_date, end_date)

    def get_current_usage_total(self, period: str = words.BudgetPeriod.DAILY, provider: str | None = None) -> float:
        """What a period has cost so far."""
        found = usage.window(self._ready(), words.period(period), provider)
        return words.number(found["total_cost"])

    def get_usage_summary(self, period: str = words.BudgetPeriod.DAILY, group_by: str = "provider") -> dict[str, Any]:
        """The totals of a period, and those of each provider, model, component or task type."""
        return usage.summary(self._ready(), words.period(period), words.group(group_by))

    # Limits

    def get_budget_limit(self, period: str, provider: str = words.ALL) -> float:
        """A limit in dollars; 0 is none."""
        return limits.amount(limits.current(self._ready(), words.period(period), words.provider_of(provider)))

    def set_budget_limit(
        self, period: str, limit_amount: float | Decimal, provider: str = words.ALL, enforcement: str | None = None
    ) -> bool:
        """Set a limit; 0 or less is none."""
        asked = self._default_policy if enforcement is None else enforcement
        self._put(words.period(period), provider, asked, limit_amount)
        return True

    def get_enforcement_policy(self, period: str, provider: str = words.ALL) -> str:
        """What a limit does: ignore, warn or enforce."""
        found = limits.current(self._ready(), words.period(period), words.provider_of(provider))
        return self._default_policy if found is None else limits.enforcement(found)

    def set_enforcement_policy(self, period: str, policy: str, provider: str = words.ALL) -> bool:
        """Say what a limit does, or what a later one shall do."""
        self._put(words.period(period), provider, policy, None)
        return True

    def get_budget_settings(self) -> dict[str, list[dict[str, Any]]]:
        """All limits, by period."""
        return limits.settings(self._ready())

    def create_policy(
        self,
        name: str,
        max_cost: float | Decimal,
        period: str = words.BudgetPeriod.DAILY,
        description: str | None = None,
    ) -> dict[str, Any]:
        """Set a limit on all providers, as Rhetor's HTTP route meant to; names are not kept, one limit is."""
        period = words.period(period)
        self.set_budget_limit(period, max_cost)
        rows = self.get_budget_settings()[period]
        found = next(row for row in rows if row["provider"] == words.ALL)
        return {**found, "name": name, "max_cost": found["limit_amount"], "period": period, "description": description}

    # Before a call

    def check_budget(
        self,
        provider: str,
        model: str,
        input_text: str,
        component: str = "unknown",
        task_type: str = "default",
        context_id: str | None = None,
    ) -> tuple[bool, dict[str, Any]]:
        """Whether a call with this text may be made, and why."""
        account = self._ready()
        allowed, said = checks.check(account, _call(provider, model, component, task_type, context_id), input_text)
        if allowed:
            said["alternatives"] = models.alternatives(account, provider, model, said["cost_estimate"])
            said["context_id"] = context_id
        return allowed, said

    def get_model_tiers(self) -> dict[str, list[dict[str, Any]]]:
        """Every priced model, as free, low, medium or high."""
        return models.tiers(self._account)

    def find_cheaper_alternative(self, provider: str, model: str, task_type: str = "default") -> tuple[str, str] | None:
        """A model with a lower price, of the provider that suits the task; None for a free or unpriced one."""
        return models.cheaper(self._account, provider, model, task_type)

    def route_with_budget_awareness(
        self, input_text: str, task_type: str, default_provider: str, default_model: str, component: str = "unknown"
    ) -> tuple[str, str, list[str]]:
        """The model for a call: the default one while the limits allow it, else a cheaper one; never a refusal."""
        account = self._ready()
        asked = _call(default_provider, default_model, component, task_type, None)
        allowed, said = checks.check(account, asked, input_text)
        if allowed:
            return default_provider, default_model, said.get("warnings", [])
        tokens = {name: said["cost_estimate"][name] for name in ("input_tokens", "output_tokens")}
        return models.detour(account, asked, tokens)

    async def migrate_from_rhetor(self) -> dict[str, Any]:
        """Take over the old database, once; `budget migrate rhetor` tells more of it, and shows its progress."""
        found, errors = await asyncio.to_thread(self._account.migrate, OWNER, self._old_file)
        return {
            "success": not errors,
            "budgets_migrated": int(any(found.values())),
            "policies_migrated": found.get("policies", 0),
            "usage_records_migrated": found.get("usage", 0),
            "pricing_records_migrated": found.get("prices", 0),
            "errors": errors,
        }

    # Life

    def close(self) -> None:
        """Let go of Budget; a ledger in this process stops when nobody else uses it."""
        self._account.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What they share

    def _ready(self) -> Account:
        """The budget, with the limits of the environment where it has none."""
        with self._changing:
            if not self._made_defaults:
                for period, limit in self._default_limits.items():
                    found = limits.current(self._account, period, None)
                    if found is None:
                        self._set(period, None, self._default_policy, limit)
                self._made_defaults = True
        return self._account

    def _put(self, period: str, provider: str, asked: str, amount: float | Decimal | None) -> None:
        account = self._ready()
        with self._changing:
            wanted = words.provider_of(provider)
            if amount is None:
                amount = limits.amount(limits.current(account, period, wanted))
            self._set(period, wanted, asked, amount)

    def _set(self, period: str, provider: str | None, asked: str, amount: float | Decimal) -> None:
        limit = words.dollars(amount, "limit_amount")
        limits.put(self._account, period, provider, asked, limit, only_warn=self._only_warn)

    def _cost(self, provider: str, model: str, input_tokens: int, output_tokens: int) -> dict[str, Any]:
        counts: dict[str, Any] = {"input_tokens": input_tokens, "output_tokens": output_tokens}
        try:
            calculated = self._account.ask("calculate_cost", provider=provider, model=model, **counts)
        except NotFound:
            calculated = words.NO_COST
        return words.costs(calculated, **counts)


def _valid(policy: str | None) -> str:
    """A default policy; Rhetor took any text, and one that it does not know is a warning."""
    known = {each.value: each.value for each in words.BudgetPolicy}
    return known.get(policy or "", words.BudgetPolicy.WARN.value)


def _file_beside(db_path: str | None) -> Path | None:
    """Where the ledger lies for a caller who named a database: that one stays as it is, for the migration."""
    return None if db_path is None else Path(db_path).expanduser().with_suffix(".budget.db")


def _call(provider: str, model: str, component: str, task_type: str, context_id: str | None) -> dict[str, Any]:
    return {
        "provider": provider or None,
        "model": model or None,
        "component": component or "unknown",
        "task_type": task_type or "default",
        "context_id": usage.context_of(None, context_id),
    }
