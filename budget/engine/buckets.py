"""Which buckets answer a question, and what they add up to: days where they fit, hours at the edges."""

from collections.abc import Callable, Iterable
from decimal import Context, Decimal
from typing import Any

from budget.domain import instants, money, periods
from budget.domain.budgets import Budget
from budget.domain.configuration import Configuration
from budget.domain.errors import Invalid
from budget.domain.periods import Window
from budget.domain.reports import Question as Question  # noqa: PLC0414 -- what is asked of buckets
from budget.engine.queries import span_of
from budget.storage import reports
from budget.storage.database import Connection
from budget.storage.reports import START, Groups, Held, Stretch, Sums

DAY = 86_400 * instants.MICROSECONDS_PER_SECOND
DEFAULT_DAYS = 30
MOST_GROUPS = 200
GROUPED = ("provider", "model", "component", "task_type")
_EXACT = Context(prec=200)


def asked_window(zone: str, period: str, now: int, start: str | None, end: str | None, days: int | None) -> Window:
    """From `start` to `end`, else the last `days` of a zone, else the current window of a period."""
    if start is not None or end is not None:
        return between(zone, now, start, end, ("start_time", "end_time"), days or DEFAULT_DAYS)
    return periods.window_at(period, zone, now) if days is None else last_days(zone, now, days)


def between(
    zone: str, now: int, start: str | None, end: str | None, names: tuple[str, str], days: int = DEFAULT_DAYS
) -> Window:
    """The whole hours from `start`, else from some days before the end, to `end`, else to now."""
    asked = span_of(zone, start, end, names)
    last = now + 1 if asked.end is None else asked.end
    first = max(last - days * DAY, 0) if asked.start is None else asked.start
    if last < first:
        raise Invalid(names[0], f"must not be after {names[1]}")
    return whole_hours(zone, first, last)


def last_days(zone: str, now: int, days: int) -> Window:
    """So many days of a zone, today the last of them."""
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
    asked, counted = counted_budgets(configuration, question)
    for budget in counted:
        zones.setdefault(budget.time_zone, []).append(budget.budget_id)
    found: list[Stretch] = []
    for zone, budget_ids in zones.items():
        owners = None if len(zones) == 1 and len(counted) == asked else tuple(budget_ids)
        found.extend(
            Stretch(grain, start, end, owners) for grain, start, end in runs(zone, question.window, hourly=hourly)
        )
    return found


def counted_budgets(configuration: Configuration, question: Question) -> tuple[int, list[Budget]]:
    """How many budgets are asked for, and those of them that count (rule 11.4)."""
    asked = [budget for budget in configuration.budgets.values() if question.budget_id in (None, budget.budget_id)]
    keeps_all = question.budget_id is not None or question.include_overlap
    return len(asked), [budget for budget in asked if keeps_all or not overlaps(budget)]


def overlaps(budget: Budget) -> bool:
    """Whether a budget holds records that Apollo left: each of its calls may be among Rhetor's, too."""
    imported = budget.metadata.get("imported")
    return isinstance(imported, dict) and imported.get("origin") == "apollo"


def runs(zone: str, window: Window, *, hourly: bool = False) -> Iterable[tuple[str, int, int]]:
    """Grain, start and end of the buckets that make up a window by the clocks of one zone."""
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


def shown(sums: Sums) -> dict[str, Any]:
    """Usage as every report shows it; money in dollars."""
    return {
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "total_tokens": sums.total_tokens,
        "cost": money.to_dollars(sums.cost),
        "count": sums.count,
    }


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
