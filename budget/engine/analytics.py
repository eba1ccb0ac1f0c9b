"""Usage broken down by provider and model, component and task type, with a series over time (wire contract 5.1)."""

from collections.abc import Callable, Iterable
from typing import Any

from budget.domain import instants, money, periods
from budget.domain.errors import Invalid
from budget.domain.periods import Window
from budget.engine import buckets
from budget.engine.buckets import DAY, GROUPED, Question, merged, owner_zone, total_of
from budget.engine.queries import Filters, Source, scope_filters, zone_for
from budget.engine.summaries import UNKNOWN
from budget.storage.reports import Groups, Sums

FEWEST_FOR_A_SERIES = 10
MOST_DAYS = 367
MOST_HOURLY_DAYS = 2
"""Above this a series is by the day."""


async def breakdown(
    ledger: Source,
    period: str,
    *,
    budget_id: str | None = None,
    filters: Filters = {},  # noqa: B006 -- only read
    start: str | None = None,
    end: str | None = None,
    include_overlap: bool = False,
) -> dict[str, Any]:
    """Of the current window of the period, or of `start` to `end`; of all budgets unless one is named."""
    configuration = await ledger.refresh()
    zone = zone_for(configuration, budget_id)
    is_custom = start is not None or end is not None
    window = _window(zone, period, ledger.now(), start, end)
    question = Question(window, budget_id, scope_filters(filters), include_overlap)
    groups = await ledger.database.read(buckets.read_groups, configuration, question, GROUPED)
    total = total_of(groups)
    series = None
    if total.count >= FEWEST_FOR_A_SERIES:
        hourly = window.end - window.start <= MOST_HOURLY_DAYS * DAY
        found = await ledger.database.read(buckets.read_series, configuration, question, hourly=hourly)
        series = _series(
            found,
            lambda at, owner: instants.iso(at) if hourly else buckets.local_date(owner_zone(configuration, owner), at),
        )
    return {
        "period": "custom" if is_custom else period,
        "start_date": instants.iso(window.start),
        "end_date": instants.iso(window.end),
        "total_input_tokens": total.input_tokens,
        "total_output_tokens": total.output_tokens,
        "total_tokens": total.total_tokens,
        "total_cost": money.to_dollars(total.cost),
        "record_count": total.count,
        "providers": {
            name: {**buckets.shown(sums), "models": _models(groups, name)}
            for name, sums in merged(groups, lambda key: key[0] or UNKNOWN)
        },
        "components": {name: buckets.shown(sums) for name, sums in merged(groups, lambda key: key[2])},
        "task_types": {name: buckets.shown(sums) for name, sums in merged(groups, lambda key: key[3])},
        "time_series": series,
        "budget_id": budget_id,
    }


def _window(zone: str, period: str, now: int, start: str | None, end: str | None) -> Window:
    if start is None and end is None:
        if period not in periods.CLOCK_PERIODS:
            raise Invalid("period", f"{period!r} has no analytics; these have: {', '.join(periods.CLOCK_PERIODS)}")
        return periods.window_at(period, zone, now)
    window = buckets.between(zone, now, start, end, ("start_date", "end_date"))
    if window.end - window.start > MOST_DAYS * DAY:
        raise Invalid("start_date", f"at most {MOST_DAYS} days can be asked for")
    return window


def _models(groups: Groups, provider: str) -> dict[str, Any]:
    own = {key: sums for key, sums in groups.items() if (key[0] or UNKNOWN) == provider}
    return {name: buckets.shown(sums) for name, sums in merged(own, lambda key: key[1] or UNKNOWN)}


def _series(found: Groups, label: Callable[[int, str], str]) -> dict[str, list[Any]]:
    points: dict[str, Sums] = {}
    for (at, owner, *_), sums in found.items():
        points.setdefault(label(at, owner), Sums()).add(sums)
    ordered: Iterable[tuple[str, Sums]] = sorted(points.items(), key=lambda point: point[0])
    rows = [
        (name, sums.input_tokens, sums.output_tokens, money.to_dollars(sums.cost), sums.count) for name, sums in ordered
    ]
    names = ("labels", "input_tokens", "output_tokens", "costs", "counts")
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}
