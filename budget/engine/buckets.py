"""Which buckets answer a question, and what they add up to: days where they fit, hours at the edges."""

from collections.abc import Callable, Iterable
from decimal import Context, Decimal
from typing import Any, NamedTuple

from budget.domain import instants, periods
from budget.domain.budgets import Budget
from budget.domain.configuration import Configuration
from budget.domain.errors import Invalid
from budget.domain.periods import Window
from budget.engine.queries import span_of
from budget.storage import reports
from budget.storage.database import Connection
from budget.storage.reports import START, Groups, Held, Stretch, Sums

DAY = 86_400 * instants.MICROSECONDS_PER_SECOND
MOST_GROUPS = 200
GROUPED = ("provider", "model", "component", "task_type")
_EXACT = Context(prec=200)


class Question(NamedTuple):
    """What to sum: over which instants, of which budget (None: all), narrowed by which fields."""

    window: Window
    budget_id: str | None
    filters: dict[str, str]
    include_overlap: bool = False
    """Whether what Apollo recorded counts in totals over all budgets: Rhetor may have seen the same (rule 11.4)."""

    @property
    def conditions(self) -> dict[str, str | None]:
        """The filters, the budget included."""
        return {**self.filters, "budget_id": self.budget_id}


def asked_window(zone: str, period: str, now: int, start: str | None, end: str | None, days: int | None) -> Window:
    if start is not None or end is not None:
        asked = span_of(zone, start, end, ("start_time", "end_time"))
        last = now if asked.end is None else asked.end
        first = max(last - (days or 30) * DAY, 0) if asked.start is None else asked.start
        if last < first:
            raise Invalid("start_time", "must not be after end_time")
        return whole_hours(zone, first, last)
    current = periods.window_at(period, zone, now)
    if days is None:
        return current
    today = periods.window_at("daily", zone, now)
    noon_then = today.start + DAY // 2 - (days - 1) * DAY
    return Window(periods.window_at("daily", zone, max(noon_then, 0)).start, today.end)


# Reading


def read_total(connection: Connection, configuration: Configuration, question: Question, now: int) -> tuple[Sums, Held]:
    window = question.window
    groups = reports.sums(connection, stretches(configuration, question), (), question.conditions)
    held = reports.held(connection, now, question.conditions, window.start, window.end)
    return total_of(groups), held


def read_usage(
    connection: Connection, configuration: Configuration, question: Question, now: int
) -> tuple[Groups, Groups, Held]:
    runs, window = stretches(configuration, question), question.window
    groups = reports.sums(connection, runs, GROUPED, question.conditions)
    series = reports.sums(connection, runs, (START, "budget_id"), question.conditions)
    return groups, series, reports.held(connection, now, question.conditions, window.start, window.end)


def read_series(connection: Connection, configuration: Configuration, question: Question, *, hourly: bool) -> Groups:
    runs = stretches(configuration, question, hourly=hourly)
    by = (START, "budget_id", "provider", "model", "component")
    return reports.sums(connection, runs, by, question.conditions)


def read_groups(
    connection: Connection, configuration: Configuration, question: Question, by: tuple[str, ...]
) -> Groups:
    return reports.sums(connection, stretches(configuration, question), by, question.conditions)


def stretches(configuration: Configuration, question: Question, *, hourly: bool = False) -> list[Stretch]:
    """The buckets that make up a window: days where whole days lie in it, hours at its ragged edges.

    Days are those of each budget's own zone, so there is one set of stretches for each zone.
    """
    zones: dict[str, list[str]] = {}
    asked = [budget for budget in configuration.budgets.values() if question.budget_id in (None, budget.budget_id)]
    counted = [budget for budget in asked if question.budget_id or question.include_overlap or not overlaps(budget)]
    for budget in counted:
        zones.setdefault(budget.time_zone, []).append(budget.budget_id)
    found: list[Stretch] = []
    for zone, budget_ids in zones.items():
        owners = None if len(zones) == 1 and counted == asked else tuple(budget_ids)
        found.extend(
            Stretch(grain, start, end, owners) for grain, start, end in _runs(zone, question.window, hourly=hourly)
        )
    return found


def overlaps(budget: Budget) -> bool:
    """Whether a budget holds records that Apollo left: each of its calls may be among Rhetor's, too."""
    imported = budget.metadata.get("imported")
    return isinstance(imported, dict) and imported.get("origin") == "apollo"


def _runs(zone: str, window: Window, *, hourly: bool) -> Iterable[tuple[str, int, int]]:
    start, end = window
    first = periods.window_at("daily", zone, start)
    first_day = start if first.start == start else first.end
    last_day = periods.window_at("daily", zone, min(end, instants.END_OF_TIME - DAY)).start
    if hourly or first_day >= last_day:
        yield "hour", start, end
        return
    if start < first_day:
        yield "hour", start, first_day
    yield "day", first_day, last_day
    if last_day < end:
        yield "hour", last_day, end


def whole_hours(zone: str, start: int, end: int) -> Window:
    """The hours that contain any of it: rollups know nothing finer."""
    first = periods.window_at("hourly", zone, start)
    return Window(first.start, max(periods.window_at("hourly", zone, max(end - 1, start)).end, first.end))


def total_of(groups: Groups) -> Sums:
    total = Sums()
    for sums in groups.values():
        total.add(sums)
    return total


def merged(groups: Groups, key_of: Callable[[tuple[Any, ...]], Any]) -> list[tuple[Any, Sums]]:
    merged: dict[Any, Sums] = {}
    for key, sums in groups.items():
        merged.setdefault(key_of(key), Sums()).add(sums)
    order = sorted(merged.items(), key=lambda item: (-item[1].cost, -item[1].total_tokens, item[0]))
    return order[:MOST_GROUPS]


def owner_zone(configuration: Configuration, budget_id: str) -> str:
    budget = configuration.budgets.get(budget_id)
    return configuration.rules.time_zone if budget is None else budget.time_zone


def local_date(zone: str, at: int) -> str:
    return instants.local_time(at, instants.time_zone(zone)).date().isoformat()


def plain(amount: Decimal) -> Decimal:
    """The same amount without trailing zeros or a positive exponent."""
    shorter = _EXACT.normalize(amount)
    return shorter.quantize(Decimal(1), context=_EXACT) if int(shorter.as_tuple().exponent) > 0 else shorter
