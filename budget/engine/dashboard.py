"""Everything the first screen shows, from one snapshot: what events with a later number tell is all that it lacks."""

from typing import Any, Final, NamedTuple

from budget.domain import instants
from budget.domain.configuration import FOREVER, Configuration
from budget.domain.records import Alert, Hold
from budget.engine import buckets, limits, reports
from budget.engine.queries import Source
from budget.engine.reports import Asked, Plan, Report
from budget.engine.summaries import coverage
from budget.storage import events, lists
from budget.storage import reports as sums
from budget.storage.database import Connection
from budget.storage.lists import Listed
from budget.storage.reports import Groups, Held, Sums

MOST_LIMITS: Final = 100
MOST_ALERTS: Final = 20
MOST_HOLDS: Final = 20
TOP: Final = 10


class Screen(NamedTuple):
    """What is on it; `as_of_seq` is the last entry that its figures contain."""

    as_of_seq: int
    as_of: int
    limits: list[dict[str, Any]]
    limits_total: int
    today: Report
    month: Report
    trend: Report
    alerts: Listed[Alert]
    holds: Listed[Hold]
    held: Held


class _Wanted(NamedTuple):
    narrowed: dict[str, str | None]
    limits: list[limits.Limit]
    today: Plan
    month: Plan
    trend: Plan


async def screen(ledger: Source, asked: Asked) -> Screen:
    """Of a budget or of all; `by` cuts the trend."""
    configuration = await ledger.refresh()
    now = ledger.now()
    whole = asked._replace(by=())
    wanted = _Wanted(
        {**asked.filters, "budget_id": asked.budget_id},
        limits.limits_of(limits.of_the_clock(limits.wanted_by(configuration, {"budget_id": asked.budget_id}))),
        reports.plan(configuration, whole._replace(period="daily"), now),
        reports.plan(configuration, whole._replace(period="monthly"), now),
        reports.plan(configuration, asked._replace(bucket="day"), now),
    )
    return await ledger.database.read(_read, configuration, wanted, now)


def _read(connection: Connection, configuration: Configuration, wanted: _Wanted, now: int) -> Screen:
    return Screen(
        as_of_seq=events.newest(connection),
        as_of=now,
        limits=limits.rows_of(connection, configuration, wanted.limits[:MOST_LIMITS], {}, now),
        limits_total=len(wanted.limits),
        today=reports.answer(connection, configuration, wanted.today, now),
        month=reports.answer(connection, configuration, wanted.month, now),
        trend=reports.answer(connection, configuration, wanted.trend, now),
        alerts=lists.alerts(connection, wanted.narrowed, 1, MOST_ALERTS, acknowledged=False),
        holds=lists.holds(connection, wanted.narrowed, 1, MOST_HOLDS, now, is_active=True),
        held=sums.held(connection, now, wanted.narrowed, 0, FOREVER),
    )


def figures(report: Report) -> dict[str, Any]:
    """What was used in all, and how far that can be trusted."""
    window, total = report.question.window, report.total
    return {
        "start": instants.iso(window.start),
        "end": instants.iso(window.end),
        **buckets.shown(total),
        "coverage": coverage(total, report.held),
    }


def top(trend: Report) -> list[dict[str, Any]]:
    """What cost most over all days of the trend."""
    groups: Groups = {}
    for (_, *key), each in trend.found.groups.items():
        groups.setdefault((0, *key), Sums()).add(each)
    cut = trend.cut._replace(windows=(trend.question.window,))
    return reports.ranked(trend._replace(cut=cut, found=trend.found._replace(groups=groups)), "cost", TOP)
