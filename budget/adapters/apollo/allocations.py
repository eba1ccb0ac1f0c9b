"""Apollo's allocations as Budget's holds: one for each context, replaced by the next, and cut to what remains."""

import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from budget.adapters.apollo import words
from budget.client import exchange
from budget.client.account import Account
from budget.client.errors import Conflict, Invalid
from budget.client.exchange import Reply
from budget.domain import instants

LONGEST: Final = dt.timedelta(hours=24)
"""The longest life of a hold from now (rule 4.4)."""


class BudgetAllocation:
    """An allocation as Budget last told of it; the manager that gave it keeps it up to date with what it is told."""

    def __init__(self, account: Account, shown: Reply, record: Callable[[str, int], int]) -> None:
        self._account = account
        self._record = record
        self.refresh(shown)

    def refresh(self, shown: Reply) -> None:
        """Take over what Budget says now."""
        self._expires_at = instants.parse_instant(shown["expiration_time"], "UTC")
        self.allocation_id: str = shown["allocation_id"]
        self.context_id: str = shown["context_id"]
        self.component: str = shown["component"]
        self.tier: str = shown["tier"]
        self.provider: str | None = shown["provider"]
        self.model: str | None = shown["model"]
        self.task_type: str = shown["task_type"]
        self.priority: int = shown["priority"]
        self.tokens_allocated: int = shown["tokens_allocated"]
        self.tokens_used: int = shown["tokens_used"]
        self.creation_time = self._account.local(shown["creation_time"])
        self.expiration_time = self._account.local(shown["expiration_time"])
        self.is_active: bool = shown["is_active"]
        self.metadata: dict[str, Any] = shown["metadata"]

    @property
    def remaining_tokens(self) -> int:
        """What may still be used."""
        return max(0, self.tokens_allocated - self.tokens_used)

    @property
    def usage_percentage(self) -> float:
        """The share that is used, 0 to 1."""
        return self.tokens_used / self.tokens_allocated

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self._expires_at <= exchange.now()

    def record_usage(self, tokens: int) -> int:
        """Book tokens on it; gives how many were counted."""
        return self._record(self.context_id, tokens)


def active(account: Account, context_id: str) -> list[Reply]:
    """The active allocations of a context, newest first."""
    return list(account.each("list_allocations", context_id=context_id, is_active=True))


def newest(account: Account, context_id: str) -> Reply | None:
    """The allocation of a context, ended or not, unless its time is over."""
    found = account.call("list_allocations", context_id=context_id, limit=1)["items"]
    return found[0] if found and found[0]["state"] not in ("expired", "provisional") else None


def allocate(
    account: Account, *, expiration: dt.datetime | None, metadata: dict[str, Any] | None, **asked: Any
) -> Reply:
    """Hold tokens for a context in the place of what it held before; raises `Refused`."""
    if asked["tokens_allocated"] <= 0:
        raise ValueError(f"token_count must be above 0, not {asked['tokens_allocated']}")
    before = active(account, asked["context_id"])
    try:
        made: Reply = account.call(
            "allocate", expiration_time=expiry(account, expiration), metadata=metadata or {}, **asked
        )
    except Invalid as error:
        raise ValueError(error.message) from error
    for each in before:
        release(account, each["allocation_id"], "replaced")
    return made


def release(account: Account, allocation_id: str, reason: str | None = None) -> None:
    """Give back what is left; one that has ended has nothing left."""
    with contextlib.suppress(Conflict):
        account.ask("release_allocation", allocation_id=allocation_id, confirm_unused=True, reason=reason)


def expiry(account: Account, moment: dt.datetime | None) -> str | None:
    """When a hold ends: at the moment that was asked for, at most 24 hours from now."""
    if moment is None:
        return None
    asked = moment if moment.tzinfo is not None else moment.replace(tzinfo=account.zone)
    latest = dt.datetime.fromtimestamp(exchange.now() / instants.MICROSECONDS_PER_SECOND, dt.UTC) + LONGEST
    return None if asked >= latest else asked.isoformat()


def record(
    account: Account,
    context_id: str,
    tokens: int,
    usage_type: str,
    operation_id: str | None,
    metadata: dict[str, Any] | None,
) -> tuple[int, Reply | None]:
    """Book tokens on the active allocation of a context, cut to what remains; what was counted, and where."""
    found = active(account, context_id)
    counted = min(tokens, found[0]["remaining_tokens"]) if found else 0
    if counted <= 0:
        return 0, None
    hold = found[0]
    account.call(
        "record_usage",
        allocation_id=hold["allocation_id"],
        provider=hold["provider"] or "unknown",
        model=hold["model"] or "unknown",
        operation_id=operation_id,
        metadata={**(metadata or {}), "usage_type": usage_type},
        **_parts(usage_type, counted),
    )
    return counted, account.ask("get_allocation", allocation_id=hold["allocation_id"])


def _parts(usage_type: str, tokens: int) -> dict[str, Any]:
    """Tokens of a known side; of any other type the split is not known, and none is made up."""
    if usage_type in ("input", "output"):
        sides = {"input_tokens": 0, "output_tokens": 0}
        return {**sides, f"{usage_type}_tokens": tokens}
    return {"usage": {"total_tokens": tokens}, "usage_format": "openai_chat"}


def update(
    account: Account,
    context_id: str,
    additional_tokens: int | None,
    extend_expiration: dt.timedelta | None,
    is_active: bool | None,  # noqa: FBT001 -- Apollo's argument
) -> Reply | None:
    """Change the allocation of a context; None without one. One that has ended stays as it is. Raises `Refused`."""
    if additional_tokens is not None and additional_tokens < 0:
        raise ValueError(f"additional_tokens must not be below 0, but is {additional_tokens}")
    hold = newest(account, context_id)
    if hold is None or not hold["is_active"]:
        return hold
    allocation_id = hold["allocation_id"]
    if additional_tokens:
        account.ask("increase_allocation", allocation_id=allocation_id, tokens=additional_tokens)
    if extend_expiration:
        moment = dt.datetime.fromisoformat(hold["expiration_time"]) + extend_expiration
        account.ask("extend_allocation", allocation_id=allocation_id, expiration_time=expiry(account, moment))
    if is_active is False:
        release(account, allocation_id, "made inactive")
    changed: Reply = account.ask("get_allocation", allocation_id=allocation_id)
    return changed


def default_size(task_type: str, priority: int, token_count: int | None) -> int:
    """What was asked for, else what the task and the priority get."""
    return words.default_tokens(task_type, priority) if token_count is None else token_count
