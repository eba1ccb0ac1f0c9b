"""Summaries, series and coverage: sums of rollups beside the limit that measures them (rule 11; wire contract 3.3)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from budget.domain import instants, money, periods
from budget.domain.budgets import Budget
from budget.domain.configuration import Configuration
from budget.domain.errors import Invalid, NotFound
from budget.domain.periods import Window
from budget.domain.policies import SCOPE_FIELDS, Policy
from budget.engine import buckets
from budget.engine.buckets import DAY, GROUPED, Question, asked_window, local_date, merged, owner_zone, plain, total_of
from budget.engine.queries import Filters, Source, budget_in, scope_filters, zone_for
from budget.storage.reports import Groups, Held, Sums

UNKNOWN = "unknown"
"""Stands where a usage names no model or provider."""

MOST_ROWS = 10_000
MOST_DAYS = 400
MOST_HOURLY_DAYS = 93
TOP = 5

_DEFAULT_DAYS = {"hourly": 1, "daily": 7, "weekly": 56, "monthly": 366}


class Limit(NamedTuple):
    """What a summary is measured by: dollars, and tokens where a policy limits them."""

    cost: Decimal
    is_default: bool
    tokens: int | None


# Summary rows


async def summary_rows(
    ledger: Source,
    period: str,
    *,
    budget_id: str | None = None,
    filters: Filters = {},  # noqa: B006 -- only read
    percent: bool = False,
) -> list[dict[str, Any]]:
    """One aggregate row for the current window of a period; by default of the default budget.

    With `percent`, usage is 0 to 100, else a ratio (wire contract 15.5).
    """
    configuration = await ledger.refresh()
    budget = _budget(configuration, budget_id)
    now = ledger.now()
    window = periods.window_at(_clock_period(period), budget.time_zone, now)
    question = Question(window, budget.budget_id, scope_filters(filters))
    total, held = await ledger.database.read(buckets.read_total, configuration, question, now)
    limit = limit_for(configuration, budget.budget_id, period, question.filters, ledger.default_limit)
    return [_summary_row(budget, period, question, total, held, limit, 100 if percent else 1)]


def _summary_row(
    budget: Budget, period: str, question: Question, total: Sums, held: Held, limit: Limit, scale: int
) -> dict[str, Any]:
    cost_limit = money.limit_nanocents(limit.cost)
    spent, limit_dollars = money.to_dollars(total.cost), plain(limit.cost)
    return {
        "budget_id": budget.budget_id,
        "name": budget.name,
        "period": period,
        "tier": question.filters.get("tier"),
        "provider": question.filters.get("provider"),
        "model": question.filters.get("model"),
        "component": question.filters.get("component"),
        "task_type": question.filters.get("task_type"),
        "total_tokens_allocated": held.tokens_allocated,
        "total_tokens_used": total.total_tokens,
        "input_tokens": total.input_tokens,
        "output_tokens": total.output_tokens,
        "token_limit": limit.tokens,
        "token_usage_percentage": None if limit.tokens is None else _share(total.total_tokens, limit.tokens, scale),
        "total_cost": spent,
        "cost_limit": limit_dollars,
        "cost_usage_percentage": _share(total.cost, cost_limit, scale),
        "active_allocations": held.holds,
        "start_time": instants.iso(question.window.start),
        "end_time": instants.iso(question.window.end),
        "remaining_tokens": None if limit.tokens is None else limit.tokens - total.total_tokens - held.tokens,
        "remaining_cost": money.to_dollars(cost_limit - total.cost - held.cost),
        "token_limit_exceeded": limit.tokens is not None and total.total_tokens >= limit.tokens,
        "cost_limit_exceeded": total.cost >= cost_limit,
        "spent": spent,
        "limit": limit_dollars,
        "limit_is_default": limit.is_default,
        "request_count": total.count,
        "coverage": coverage(total, held),
    }


def limit_for(
    configuration: Configuration, budget_id: str | None, period: str, filters: Mapping[str, str], default: Decimal
) -> Limit:
    """The period's smallest limit above 0 with just this scope, else with none, else `BUDGET_LIMIT` (rule 11.4)."""
    candidates = [
        policy
        for policy in configuration.policies.values()
        if policy.enabled and policy.period == period and policy.budget_id in (None, budget_id)
    ]
    cost = tokens = None
    for scope in ({field: filters.get(field) for field in SCOPE_FIELDS}, dict.fromkeys(SCOPE_FIELDS)):
        fitting = [policy for policy in candidates if _has_scope(policy, scope)]
        costs = [policy.cost_limit for policy in fitting if policy.cost_limit]
        counts = [policy.token_limit for policy in fitting if policy.token_limit]
        cost = min(costs, default=None) if cost is None else cost
        tokens = min(counts, default=None) if tokens is None else tokens
    return Limit(default if cost is None else cost, cost is None, tokens)


def _has_scope(policy: Policy, scope: Mapping[str, str | None]) -> bool:
    return all(getattr(policy, field) == wanted for field, wanted in scope.items())


def _share(part: int, whole: int, scale: int) -> float:
    return round(scale * part / whole, 6) if whole else 0.0


# The usage summary


async def usage_summary(
    ledger: Source,
    period: str,
    *,
    budget_id: str | None = None,
    filters: Filters = {},  # noqa: B006 -- only read
    start: str | None = None,
    end: str | None = None,
    days: int | None = None,
    include_overlap: bool = False,
) -> dict[str, Any]:
    """Totals, groups and a daily series: of `start` to `end`, else of the last `days`, else of the current window."""
    configuration = await ledger.refresh()
    zone = zone_for(configuration, budget_id)
    now = ledger.now()
    window = asked_window(zone, _clock_period(period), now, start, end, days)
    question = Question(window, budget_id, scope_filters(filters), include_overlap)
    groups, days_used, held = await ledger.database.read(buckets.read_usage, configuration, question, now)
    total = total_of(groups)
    daily = limit_for(configuration, _limit_budget(configuration, budget_id), "daily", {}, ledger.default_limit)
    by_model = merged(groups, lambda key: (key[0] or UNKNOWN, key[1] or UNKNOWN))
    return {
        "period": period,
        "budget_id": budget_id,
        **{field: question.filters.get(field) for field in ("provider", "component", "model", "task_type", "tier")},
        "start_time": instants.iso(window.start),
        "end_time": instants.iso(window.end),
        "total_input_tokens": total.input_tokens,
        "total_output_tokens": total.output_tokens,
        "input_tokens": total.input_tokens,
        "output_tokens": total.output_tokens,
        "total_tokens": total.total_tokens,
        "total_cost": money.to_dollars(total.cost),
        "total_input_cost": money.to_dollars(total.input_cost),
        "total_output_cost": money.to_dollars(total.output_cost),
        "count": total.count,
        "request_count": total.count,
        "groups": {name: _groups(groups, at) for at, name in enumerate(GROUPED)},
        "providers": [
            {"name": name, "provider": name, **_part(sums, total)}
            for name, sums in merged(groups, lambda key: key[0] or UNKNOWN)
        ],
        "models": [
            {"name": model, "model": model, "provider": provider, **_part(sums, total)}
            for (provider, model), sums in by_model
        ],
        "components": [
            {"name": name, "component": name, **_part(sums, total)} for name, sums in merged(groups, lambda key: key[2])
        ],
        "daily_usage": _daily(configuration, zone, window, days_used, daily.cost),
        "coverage": coverage(total, held),
    }


def _daily(
    configuration: Configuration, zone: str, window: Window, used: Groups, limit: Decimal
) -> list[dict[str, Any]]:
    costs: dict[str, int] = {}
    if window.end - window.start <= MOST_DAYS * DAY:
        day = periods.window_at("daily", zone, window.start)
        while day.start < window.end:
            costs[local_date(zone, day.start)] = 0
            day = periods.next_window("daily", zone, day)
    for (start, budget_id), sums in used.items():
        date = local_date(owner_zone(configuration, budget_id), start)
        costs[date] = costs.get(date, 0) + sums.cost
    shown = plain(limit)
    return [
        {"date": date, "cost": money.to_dollars(cost), "limit": shown}
        for date, cost in sorted(costs.items())[-MOST_ROWS:]
    ]


def _groups(groups: Groups, at: int) -> dict[str, dict[str, Any]]:
    return {key: buckets.shown(sums) for key, sums in merged(groups, lambda key: key[at] or UNKNOWN)}


def _part(sums: Sums, total: Sums) -> dict[str, Any]:
    percentage = (
        _share(sums.cost, total.cost, 100) if total.cost else _share(sums.total_tokens, total.total_tokens, 100)
    )
    return {"tokens": sums.total_tokens, "cost": money.to_dollars(sums.cost), "percentage": percentage}


# Analytics and what is used most


async def usage_analytics(
    ledger: Source,
    period: str,
    *,
    budget_id: str | None = None,
    filters: Filters = {},  # noqa: B006 -- only read
    start: str | None = None,
    end: str | None = None,
    include_overlap: bool = False,
) -> list[dict[str, Any]]:
    """A row for each bucket of the period, provider, model and component, oldest first."""
    configuration = await ledger.refresh()
    zone = zone_for(configuration, budget_id)
    names, days = ("start_date", "end_date"), _DEFAULT_DAYS[_clock_period(period)]
    window = buckets.between(zone, ledger.now(), start, end, names, days)
    if period == "hourly" and window.end - window.start > MOST_HOURLY_DAYS * DAY:
        raise Invalid("start_date", f"by the hour at most {MOST_HOURLY_DAYS} days can be asked for")
    question = Question(window, budget_id, scope_filters(filters), include_overlap)
    found = await ledger.database.read(buckets.read_series, configuration, question, hourly=period == "hourly")
    rows: dict[tuple[str, str, str, str], Sums] = {}
    for (bucket, owner, provider, model, component), sums in found.items():
        own_zone = owner_zone(configuration, owner)
        bucket_start = periods.window_at(period, own_zone, bucket).start
        date = instants.iso(bucket_start) if period == "hourly" else local_date(own_zone, bucket_start)
        rows.setdefault((date, provider or UNKNOWN, model or UNKNOWN, component), Sums()).add(sums)
    if len(rows) > MOST_ROWS:
        raise Invalid("start_date", f"more than {MOST_ROWS} rows; ask for fewer days, or for one provider or component")
    return [
        {
            "date": date,
            "provider": provider,
            "model": model,
            "component": component,
            "request_count": sums.count,
            "input_tokens": sums.input_tokens,
            "output_tokens": sums.output_tokens,
            "total_tokens": sums.total_tokens,
            "total_cost": money.to_dollars(sums.cost),
        }
        for (date, provider, model, component), sums in sorted(rows.items(), key=lambda row: row[0])
    ]


async def top_usage(ledger: Source, filters: Filters, days: int = 30) -> list[dict[str, Any]]:
    """The models that cost most in the last days."""
    configuration = await ledger.refresh()
    budget_id = filters.get("budget_id")
    zone = zone_for(configuration, budget_id)
    window = asked_window(zone, "daily", ledger.now(), None, None, days)
    question = Question(window, budget_id, scope_filters(filters))
    groups = await ledger.database.read(buckets.read_groups, configuration, question, ("provider", "model"))
    return [
        {
            "model": model,
            "provider": provider,
            "requests": sums.count,
            "tokens": sums.total_tokens,
            "cost": money.to_dollars(sums.cost),
        }
        for (provider, model), sums in merged(groups, lambda key: (key[0] or UNKNOWN, key[1] or UNKNOWN))[:TOP]
    ]


# Coverage


def coverage(total: Sums, held: Held) -> dict[str, Any]:
    """How far the figures can be trusted; ratios are of tokens, 1 and 0 where nothing was used."""
    tokens = total.total_tokens
    unpriced = total.unpriced_tokens / tokens if tokens else float(total.unpriced_count > 0)
    estimated = total.estimated_tokens / tokens if tokens else float(total.estimated_count > 0)
    return {
        "priced_ratio": round(1 - unpriced, 6),
        "estimated_ratio": round(estimated, 6),
        "held_tokens": held.tokens,
        "held_cost": money.to_dollars(held.cost),
        "unresolved_count": total.provisional_count,
        "unresolved_cost": money.to_dollars(total.provisional_cost),
    }


def _budget(configuration: Configuration, budget_id: str | None) -> Budget:
    if budget_id is not None:
        return budget_in(configuration, budget_id)
    if configuration.default_budget is None:
        raise NotFound("there is no default budget")
    return configuration.default_budget


def _limit_budget(configuration: Configuration, budget_id: str | None) -> str | None:
    default = configuration.default_budget
    return budget_id or (None if default is None else default.budget_id)


def _clock_period(period: str) -> str:
    if period not in periods.CLOCK_PERIODS:
        raise Invalid("period", f"{period!r} has no summary; these have: {', '.join(periods.CLOCK_PERIODS)}")
    return period
