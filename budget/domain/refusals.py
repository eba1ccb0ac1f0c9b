"""A hard limit's verdict and what a refusal says: the arithmetic, when it fits again, what would fit now (rules 5, 10).

No grant takes used + held past a limit in a unit of which it asks more than 0, and none is refused that fits.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import msgspec

from budget.domain import commands, instants, money
from budget.domain.balances import Balance
from budget.domain.configuration import FOREVER, Line


class Expiry(NamedTuple):
    """A hold that will free something by itself, and when."""

    at: int
    tokens: int
    cost: int


class Limit(msgspec.Struct, kw_only=True):
    """One limit that refuses: in its own unit, tokens or nanocents."""

    policy_id: str
    version: int
    period: str
    window: str
    window_start: int
    window_end: int
    unit: str
    limit: int
    used: int
    held: int
    asked: int
    line: Any = None

    @property
    def missing(self) -> int:
        """How much would have to be freed for the request to fit."""
        return self.used + self.held + self.asked - self.limit


class Refusal(msgspec.Struct, kw_only=True):
    """Why a grant was refused; when it fits again is filled in by `complete`, which offers that too."""

    code: str
    message: str
    limits: list[Limit]
    operation: str
    request: dict[str, Any]
    decision_id: str | None = None
    as_of_seq: int = 0
    decided_at: int = 0
    retry_at: int | None = None
    retryable: bool = False
    waits_for_others: bool = False
    """Whether it would fit if nothing were held: 429 rather than 402."""
    offers: list[dict[str, Any]] = []
    budget_id: str | None = None
    component: str | None = None
    tier: str | None = None
    estimated_cost: int = 0
    estimated_tokens: int = 0
    allocation_id: str | None = None
    """The hold that asked for more, in an increase: it does not wait for itself."""
    not_applied: list[dict[str, str]] = []
    """The session and task policies that did not apply, and why (rule 2.6)."""
    until: int | None = None
    """When that hold, or one of its windows, ends: nothing can be granted to it from then on."""


def refusing_limits(lines: Iterable[tuple[Line, Balance]], tokens: int, cost: int) -> list[Limit]:
    """The hard limits that a grant of so many tokens and nanocents would pass; empty when it fits."""
    refusing = []
    for line, balance in lines:
        policy = line.policy
        if tokens > 0 and balance.used_tokens + balance.held_tokens + tokens > policy.hard_tokens:
            refusing.append(_limit(line, balance, "tokens", tokens))
        if cost > 0 and balance.used_cost + balance.held_cost + cost > policy.hard_cost:
            refusing.append(_limit(line, balance, "cost", cost))
    return refusing


def _limit(line: Line, balance: Balance, unit: str, asked: int) -> Limit:
    policy = line.policy
    in_tokens = unit == "tokens"
    return Limit(
        policy_id=policy.policy_id,
        version=policy.version,
        period=policy.period,
        window=balance.window_key,
        window_start=line.start,
        window_end=line.end,
        unit=unit,
        limit=policy.hard_tokens if in_tokens else policy.hard_cost,
        used=balance.used_tokens if in_tokens else balance.used_cost,
        held=balance.held_tokens if in_tokens else balance.held_cost,
        asked=asked,
        line=line,
    )


def sentence(limits: list[Limit]) -> str:
    """The refusal in words, its arithmetic included."""
    first = limits[0]
    show = _tokens if first.unit == "tokens" else dollars
    more = f" (and {len(limits) - 1} more)" if len(limits) > 1 else ""
    return (
        f"the {first.period.replace('_', ' ')} {first.unit.removesuffix('s')} limit of {show(first.limit)}{more} "
        f"would be passed: {show(first.used)} used + {show(first.held)} held + {show(first.asked)} asked"
    )


def _tokens(amount: int) -> str:
    return f"{amount:,} tokens"


def dollars(amount: int) -> str:
    """An amount of nanocents for people."""
    return f"${money.to_dollars(amount):f}"


class Outlook(Protocol):
    """What is known of the time to come."""

    def expiries(self, limit: Limit, without: str | None) -> list[Expiry]:
        """The holds in a limit's window that end by themselves, but for one."""

    def opens(self, limit: Limit) -> int:
        """When a later window of the limit begins in which the request fits."""

    def keeps_its_price(self, refusal: Refusal, at: int) -> bool:
        """Whether the request holds at that instant what it holds now, by the prices that are known."""


def complete(refusal: Refusal, now: int, outlook: Outlook) -> None:
    """Say whether and when retrying helps (rule 10.2), and offer that. Started, undrawn holds free nothing."""
    limits = refusal.limits
    refusal.waits_for_others = bool(limits) and all(limit.used + limit.asked <= limit.limit for limit in limits)
    moments = [_fits_at(limit, outlook, refusal.allocation_id) for limit in limits]
    known = [max(moment, now + 1) for moment in moments if moment is not None]
    if not known or len(known) < len(limits) or (refusal.until is not None and max(known) >= refusal.until):
        refusal.retryable = False
        refusal.retry_at = None
        return
    refusal.retryable = True
    refusal.retry_at = max(known)
    if not outlook.keeps_its_price(refusal, refusal.retry_at):
        return
    # An expiry of its own would have passed by then.
    request = {name: value for name, value in refusal.request.items() if name != "expiration_time"}
    refusal.offers.append(
        {"kind": "later", "not_before": instants.iso(refusal.retry_at), "request": request, "saving": None}
    )


def _fits_at(limit: Limit, outlook: Outlook, without: str | None) -> int | None:
    if limit.asked > limit.limit:
        return None
    freed = _freed_at(limit, outlook.expiries(limit, without))
    if limit.window_end >= FOREVER:
        return freed
    return freed if freed is not None and freed < limit.window_end else outlook.opens(limit)


def _freed_at(limit: Limit, expiries: list[Expiry]) -> int | None:
    freed = 0
    for expiry in sorted(expiries):
        freed += expiry.tokens if limit.unit == "tokens" else expiry.cost
        if freed >= limit.missing:
            return expiry.at
    return None


def most_tokens(fits: Callable[[int], bool], least: int, asked: int) -> int | None:
    """The most tokens that fit, at least `least` and below `asked`; asking more never makes it fit."""
    if least >= asked or not fits(least):
        return None
    low, high = least, asked
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def with_fewer_tokens(command: commands.Allocate, tokens: int) -> commands.Allocate:
    """The same request for fewer tokens: first the unassigned ones go, then output, never the input (rule 4.5)."""
    output = command.max_output_tokens
    if output is not None:
        output = min(output, tokens - (command.input_tokens or 0))
    return msgspec.structs.replace(
        command,
        tokens_allocated=tokens,
        max_output_tokens=output,
        min_tokens=None if command.min_tokens is None else min(command.min_tokens, tokens),
        request_id=None,
        expected_tokens_used=None
        if command.expected_tokens_used is None
        else min(command.expected_tokens_used, tokens),
    )


def least_tokens(command: commands.Allocate) -> int:
    """The fewest tokens worth offering: `min_tokens`, else a tenth of what was asked, and all of the input."""
    least = command.min_tokens if command.min_tokens is not None else -(-command.tokens_allocated // 10)
    return max(least, command.input_tokens or 0, 1)


def request_of(command: commands.Command) -> dict[str, Any]:
    """A command as the body to send, without its key."""
    body: dict[str, Any] = msgspec.to_builtins(command)
    body.pop("request_id", None)
    return body
