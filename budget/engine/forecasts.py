"""The forecast report: what a period will have used at its end, by fields, and what that means for its limits."""

from collections.abc import Mapping
from typing import Any, Final

from budget.domain import forecast, instants
from budget.domain.errors import Invalid
from budget.domain.forecast import MOST_DAYS, Past
from budget.engine import buckets, limits, outlook, reports
from budget.engine.queries import Source
from budget.engine.reports import Answer, Asked, Report

PERIODS: Final = ("daily", "weekly", "monthly")
"""What days can forecast; an hourly limit has its own forecast in `/limits`."""

Days = dict[int, int]
"""What was used on which day, by its place in the series."""


async def forecasts(ledger: Source, asked: Asked, period: str, unit: str) -> Answer:
    """Used so far in the current window and expected at its end: of each group, and in all."""
    if period not in PERIODS:
        raise Invalid("period", f"{period[:40]!r} has no forecast report; these have: {', '.join(PERIODS)}")
    configuration = await ledger.refresh()
    zone = reports.zone_of(configuration, asked.budget_id, asked.time_zone)
    now = ledger.now()
    whole = await reports.read(ledger, asked._replace(period=period))
    start, end = map(instants.iso, buckets.last_days(zone, now, MOST_DAYS + 1))
    series = await reports.read(ledger, asked._replace(start=start, end=end, bucket="day"))
    steps = forecast.steps_of(period, zone, now, whole.question.window.end)
    learnt = _days_by_group(series, unit)
    total: Days = {}
    for days in learnt.values():
        for at, amount in days.items():
            total[at] = total.get(at, 0) + amount

    def expected(days: Days, used: int) -> dict[str, Any]:
        past = _past(series, days)
        pace = forecast.pace_of(past)
        return outlook.view(forecast.forecast(pace, steps, used, None), pace, len(past), unit)

    rows = [
        {**reports.row(whole, key, sums), "forecast": expected(learnt.get(key[1:], {}), reports.measure(unit, sums))}
        for key, sums in reports.most_first(whole.found.groups, unit)
    ]
    wanted = limits.wanted_by(configuration, {"budget_id": asked.budget_id, "period": period})
    shown = await ledger.database.read(limits.rows_of, configuration, limits.limits_of(wanted, unit), {}, now)
    return {
        **reports.view(whole, rows),
        "period": period,
        "unit": unit,
        "forecast": expected(total, reports.measure(unit, whole.total)),
        "limits": shown,
    }


def _days_by_group(series: Report, unit: str) -> Mapping[tuple[Any, ...], Days]:
    found: dict[tuple[Any, ...], Days] = {}
    for (at, *key), sums in series.found.groups.items():
        found.setdefault(tuple(key), {})[at] = reports.measure(unit, sums)
    return found


def _past(series: Report, days: Days) -> list[Past]:
    """The days before today since the first that was used."""
    over = series.cut.windows[:-1]
    first = min(days, default=len(over))
    return [
        Past(forecast.weekday_of(series.zone, window.start), days.get(at, 0))
        for at, window in enumerate(over)
        if at >= first
    ]
