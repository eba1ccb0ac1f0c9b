"""Windows of the clock, worked out naively: from the data of time zones, and nothing else of the service's."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from budget.domain.instants import time_zone
from budget.simulator.clock import SECOND

QUARTER = 900
"""In seconds; every zone changes its clocks at a quarter of an hour."""


def clock_window(period: str, zone: str, at: int) -> tuple[int, int]:
    """The bounds of the window that contains an instant, in µs."""
    clock = time_zone(zone)
    if period == "hourly":
        return _hour(clock, at // SECOND)
    first = datetime.fromtimestamp(at // SECOND, clock).date()
    if period == "daily":
        last = first + timedelta(days=1)
    elif period == "weekly":
        first -= timedelta(days=first.weekday())
        last = first + timedelta(days=7)
    else:
        first = first.replace(day=1)
        last = (first + timedelta(days=32)).replace(day=1)
    return _midnight(first, clock), _midnight(last, clock)


def _hour(clock: ZoneInfo, second: int) -> tuple[int, int]:
    """The quarters around an instant in which a clock on the wall shows the same hour, by the same offset."""
    start = second // QUARTER * QUARTER
    end = start + QUARTER
    while _shown(clock, start - QUARTER) == _shown(clock, second):
        start -= QUARTER
    while _shown(clock, end) == _shown(clock, second):
        end += QUARTER
    return start * SECOND, end * SECOND


def _shown(clock: ZoneInfo, second: int) -> tuple[date, int, timedelta | None]:
    local = datetime.fromtimestamp(second, clock)
    return local.date(), local.hour, local.utcoffset()


def _midnight(day: date, clock: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=clock).timestamp()) * SECOND


def window_key(period: str, zone: str, at: int) -> str:
    """The key of the balance of the window that contains an instant."""
    start, end = clock_window(period, zone, at)
    return f"{start // SECOND}-{end // SECOND}"


def bounds(key: str) -> tuple[int, int]:
    """The bounds that a clock window's key names, in µs."""
    start, end = key.split("-")
    return int(start) * SECOND, int(end) * SECOND
