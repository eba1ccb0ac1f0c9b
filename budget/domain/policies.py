"""A policy: a limit on tokens, on cost or on both, per period, for what its scope matches (rules 2)."""

import bisect
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from budget.domain import money

TIERS = ("local_lightweight", "local_midweight", "remote_heavyweight")
TYPES = ("ignore", "warn", "soft_limit", "hard_limit")
PERIODS = ("hourly", "daily", "weekly", "monthly", "per_session", "per_task")
SCOPE_FIELDS = ("tier", "provider", "model", "component", "task_type", "user_id", "key_id")

UNLIMITED = 1 << 200
"""Above every amount the ledger can hold, so that one comparison serves limits that are not set."""

Amounts = tuple[int, int, int, int]
"""Used tokens, held tokens, used nanocents, held nanocents."""


class Scope(NamedTuple):
    """What a usage or a hold is, as policies see it; frozen in the record."""

    budget_id: str
    tier: str
    provider: str | None
    model: str | None
    component: str
    task_type: str
    user_id: str | None
    key_id: str | None


class Opening(NamedTuple):
    """When a policy began to count, and in which zone its windows lie from then on (rule 2.5)."""

    at: int
    time_zone: str
    closed_at: int | None = None
    """When the policy was disabled, where that ended it."""


class Threshold(NamedTuple):
    """One alert level of a policy: the amount at which it fires and what it says."""

    amount: int
    ratio: Decimal
    severity: str
    exceeded: bool


class Policy(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One version of a policy. Limits: tokens as a whole number, cost in dollars as an exact decimal."""

    policy_id: str
    version: int = 1
    budget_id: str | None
    """None makes it global: it applies to every budget."""
    type: str
    period: str
    tier: str | None = None
    provider: str | None = None
    model: str | None = None
    component: str | None = None
    task_type: str | None = None
    user_id: str | None = None
    key_id: str | None = None
    token_limit: int | None = None
    cost_limit: Decimal | None = None
    warning_threshold: Decimal = Decimal("0.8")
    action_threshold: Decimal = Decimal("0.95")
    thresholds: tuple[Decimal, ...] = ()
    enabled: bool = True
    openings: tuple[Opening, ...] = ()
    """One for each time it was enabled, and for each change of its zone; the last is in force while it is enabled."""
    created_at: int
    updated_at: int
    end_date: int | None = None
    metadata: dict[str, Any] = {}

    @cached_property
    def cost_limit_nanocents(self) -> int | None:
        """The cost limit as the ledger compares it; a whole number passes a limit exactly when it passes its floor."""
        return None if self.cost_limit is None else money.limit_nanocents(self.cost_limit)

    @cached_property
    def hard_tokens(self) -> int:
        """The most tokens used and held together that a grant may reach."""
        return self.token_limit if self.is_hard and self.token_limit is not None else UNLIMITED

    @cached_property
    def hard_cost(self) -> int:
        """The most nanocents used and held together that a grant may reach."""
        limit = self.cost_limit_nanocents
        return limit if self.is_hard and limit is not None else UNLIMITED

    @cached_property
    def is_hard(self) -> bool:
        """Whether it refuses grants."""
        return self.type == "hard_limit" and self.enabled

    @cached_property
    def token_thresholds(self) -> tuple[Threshold, ...]:
        """Alert levels in tokens, rising."""
        return () if self.token_limit is None else self._thresholds(Decimal(self.token_limit))

    @cached_property
    def cost_thresholds(self) -> tuple[Threshold, ...]:
        """Alert levels in nanocents, rising."""
        return () if self.cost_limit is None else self._thresholds(self.cost_limit * money.NANOCENTS_PER_DOLLAR)

    def _thresholds(self, limit: Decimal) -> tuple[Threshold, ...]:
        if self.type == "ignore":
            return ()
        levels = dict.fromkeys(self.thresholds, ("warning", False))
        levels |= {ratio: ("error", True) for ratio in self.thresholds if ratio >= 1}
        levels[self.warning_threshold] = ("warning", self.warning_threshold >= 1)
        levels[self.action_threshold] = ("error", self.action_threshold >= 1)
        levels[Decimal(1)] = ("error", True)
        if limit == 0:  # the first use of anything is already too much
            levels = {Decimal(1): ("error", True)}
        return tuple(
            Threshold(max(_ceiling(limit * ratio), 1), ratio, severity, exceeded)
            for ratio, (severity, exceeded) in sorted(levels.items())
        )

    @cached_property
    def identity(self) -> tuple[Any, ...]:
        """What makes two policies the same one (rule 2.3)."""
        scope = tuple(getattr(self, field) for field in SCOPE_FIELDS)
        return (self.budget_id, self.period, self.type, scope, self.token_limit is None, self.cost_limit is None)

    @property
    def keyed(self) -> bool:
        """Whether its windows are sessions or tasks rather than hours and days."""
        return self.period in ("per_session", "per_task")

    def matches(self, scope: Scope) -> bool:
        """Whether every field of its scope that is given equals the usage's own."""
        return self.budget_id in (None, scope.budget_id) and all(
            wanted is None or wanted == getattr(scope, field)
            for field in SCOPE_FIELDS
            if (wanted := getattr(self, field)) is not None
        )


def crossed(thresholds: tuple[Threshold, ...], before: int, after: int) -> Iterator[Threshold]:
    """The levels that an amount going from `before` to `after` reaches."""
    start = bisect.bisect_right(thresholds, before, key=lambda level: level.amount)
    for level in thresholds[start:]:
        if level.amount > after:
            return
        yield level


def next_level(thresholds: tuple[Threshold, ...], amount: int) -> int:
    """The lowest level above `amount`, or UNLIMITED."""
    at = bisect.bisect_right(thresholds, amount, key=lambda level: level.amount)
    return thresholds[at].amount if at < len(thresholds) else UNLIMITED


def same_identity(policies: Iterable[Policy], wanted: Policy) -> Policy | None:
    """The stored policy that a new one stands for: the oldest enabled one, else the oldest (rule 2.3)."""
    same = [policy for policy in policies if policy.identity == wanted.identity]
    return min(same, key=lambda policy: (not policy.enabled, policy.created_at, policy.policy_id), default=None)


def matching_sum(contents: Iterable[tuple[Scope, Amounts]], policy: Policy) -> Amounts:
    """What a policy counts of a session or task, from the sums of what it contains by scope (rule 2.6)."""
    used_tokens = held_tokens = used_cost = held_cost = 0
    for scope, amounts in contents:
        if policy.matches(scope):
            used_tokens += amounts[0]
            held_tokens += amounts[1]
            used_cost += amounts[2]
            held_cost += amounts[3]
    return used_tokens, held_tokens, used_cost, held_cost


def not_applied(policy: Policy) -> dict[str, str]:
    """What a decision says of a session's or task's policy when the request names none (rule 2.6)."""
    field = "context_id" if policy.period == "per_session" else "task_id"
    return {"policy_id": policy.policy_id, "period": policy.period, "reason": f"the request has no {field}"}


def _ceiling(amount: Decimal) -> int:
    whole = int(amount)
    return whole if whole == amount else whole + 1


# What Tekton's managers gave every new budget (wire contract, section 10).
_DEFAULT_TOKENS = {
    "local_lightweight": (1_000_000, 10_000_000, 50_000_000, 200_000_000, 8_000),
    "local_midweight": (500_000, 5_000_000, 25_000_000, 100_000_000, 16_000),
    "remote_heavyweight": (100_000, 1_000_000, 5_000_000, 20_000_000, 32_000),
}
_DEFAULT_COSTS = {"hourly": "0.5", "daily": "5", "weekly": "25", "monthly": "100"}


def default_policies() -> Iterator[dict[str, Any]]:
    """The 19 policies of a new budget, as fields; the per_session ones only count (rule 1.3)."""
    for tier, limits in _DEFAULT_TOKENS.items():
        for period, limit in zip(PERIODS, limits, strict=False):
            kind = "ignore" if period == "per_session" else "warn"
            yield {"type": kind, "period": period, "tier": tier, "token_limit": limit}
    for period, cost in _DEFAULT_COSTS.items():
        yield {"type": "warn", "period": period, "cost_limit": Decimal(cost)}
