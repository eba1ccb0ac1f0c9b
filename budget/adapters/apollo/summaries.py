"""What Apollo's tiers have used of their limits."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec

from budget.adapters.apollo import policies, words
from budget.client.account import Account
from budget.client.exchange import Reply
from budget.domain.periods import CLOCK_PERIODS
from budget.domain.policies import TIERS


class BudgetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A tier in the current window of a period."""

    period: str
    tier: str
    component: str | None
    task_type: str | None
    total_allocated: int
    total_used: int
    limit: int
    usage_percentage: float
    active_allocations: int
    start_time: dt.datetime
    end_time: dt.datetime

    @property
    def remaining(self) -> int:
        """What is left of the limit."""
        return max(0, self.limit - self.total_used)

    @property
    def is_exceeded(self) -> bool:
        """Whether more than the limit is used."""
        return self.total_used > self.limit


def summaries(
    account: Account, tier: str | None, period: str, component: str | None, task_type: str | None
) -> list[BudgetSummary]:
    """One for each tier that has a limit for the period; sessions and tasks have no window of their own now."""
    if period not in CLOCK_PERIODS:
        return []
    found = [policy for policy in policies.every(account) if policy["enabled"] and policy["period"] == period]
    wanted = TIERS if tier is None else (tier,)
    limits = {each: _limit(found, each, component, task_type) for each in wanted}
    return [
        _summary(account, row(account, period, each, component, task_type), limit)
        for each, limit in limits.items()
        if limit is not None
    ]


def row(
    account: Account, period: str, tier: str | None, component: str | None = None, task_type: str | None = None
) -> Reply:
    """What was used in the current window."""
    (found,) = account.call("list_summaries", period=period, tier=tier, component=component, task_type=task_type)
    only: Reply = found
    return only


def status(account: Account, period: str, tier: str | None) -> dict[str, dict[str, Any]]:
    """Every tier and all of them together, or the one that was asked for, by their short names."""
    wanted = [tier] if tier else [*TIERS, None]
    return {"all" if each is None else words.SHORT[each]: _status(row(account, period, each)) for each in wanted}


def _limit(found: Iterable[Reply], tier: str, component: str | None, task_type: str | None) -> int | None:
    """The smallest one that counts what was asked for."""
    limits = [
        policy["token_limit"]
        for policy in found
        if policy["tier"] in (None, tier)
        and policy["component"] in (None, component)
        and policy["task_type"] in (None, task_type)
    ]
    return min(limits, default=None)


def _summary(account: Account, used: Reply, limit: int) -> BudgetSummary:
    tokens = used["total_tokens_used"]
    return BudgetSummary(
        period=used["period"],
        tier=used["tier"],
        component=used["component"],
        task_type=used["task_type"],
        total_allocated=used["total_tokens_allocated"],
        total_used=tokens,
        limit=limit,
        usage_percentage=tokens / limit if limit else 0.0,
        active_allocations=used["active_allocations"],
        start_time=account.local(used["start_time"]),
        end_time=account.local(used["end_time"]),
    )


def _status(used: Reply) -> dict[str, Any]:
    share = used["token_usage_percentage"]
    return {
        "allocated": used["total_tokens_allocated"],
        "used": used["total_tokens_used"],
        "remaining": used["remaining_tokens"],
        "limit": used["token_limit"],
        "usage_percentage": None if share is None else float(share),
        "limit_exceeded": used["token_limit_exceeded"],
    }
