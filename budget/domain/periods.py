"""Periods and their windows: which stretch of time a limit counts, in a budget's own zone (rules.md 3, promise P11).

A window is computed from an instant, so nothing needs to reset it. Windows are half-open, `[start, end)`; every instant
lies in exactly one of each clock period, and the next begins where it ends. Across clock changes that means:

- A day begins at its first instant (see `instants.start_of_day`) and, once begun, goes on: where clocks go back over
  midnight the repeated hour belongs to the new day. Weeks (from Monday) and months are made of such days.
- An hour is a real hour: the instants that share both the hour on the clock and the offset from UTC. The hour that
  occurs twice is two windows; an hour that a half-hour change cuts (Lord Howe) is a shorter one. None is longer than an
  hour, and none crosses the start of a day.
"""

from datetime import date, timedelta
from typing import Final, NamedTuple

from budget.domain import instants
from budget.domain.instants import zone_exists as zone_exists  # noqa: PLC0414 -- offered here for those who cut windows

CLOCK_PERIODS: Final = ("hourly", "daily", "weekly", "monthly")
PERIODS: Final = (*CLOCK_PERIODS, "per_session", "per_task")

_SECOND: Final = instants.MICROSECONDS_PER_SECOND
_HOUR: Final = 3600 * _SECOND
_REMEMBERED: Final = 8  # windows kept per period and zone: now, and a few that late usage falls into


class Window(NamedTuple):
    """One stretch of time, `[start, end)`, in microseconds since the Unix epoch."""

    start: int
    end: int

    @property
    def key(self) -> str:
        """The window's name in a balance's key: its bounds in seconds, so zones that agree on them share it."""
        return f"{self.start // _SECOND}-{self.end // _SECOND}"


_recent: dict[tuple[str, str], tuple[Window, ...]] = {}
"""The windows computed last, newest first; at most four periods for each of some 600 zones. A value is replaced whole,
so threads may share it: the worst that a race costs is computing a window twice."""


def window_at(period: str, zone: str, at: int) -> Window:
    """The window of a clock period that contains the instant `at`, by the clocks of `zone`.

    >>> window_at("daily", "America/New_York", instants.parse_instant("2026-03-08T12:00", "America/New_York")).key
    '1772946000-1773028800'
    """
    remembered = _recent.get((period, zone), ())
    for window in remembered:
        if window[0] <= at < window[1]:
            return window
    window = _compute(period, zone, instants.checked(at))
    _recent[period, zone] = (window, *remembered[: _REMEMBERED - 1])
    return window


def next_window(period: str, zone: str, window: Window) -> Window:
    """The window that begins where this one ends."""
    return window_at(period, zone, window.end)


def day_and_hour_buckets(zone: str, at: int) -> tuple[int, int]:
    """Where the day and the hour that contain `at` begin: the keys of its rollups (rules.md 11.1)."""
    return window_at("daily", zone, at).start, window_at("hourly", zone, at).start


def _compute(period: str, zone: str, at: int) -> Window:
    if period == "hourly":
        return _hour(zone, at)
    day = instants.local_time(at, instants.time_zone(zone)).date()
    first, following = _days(period, day)
    window = Window(instants.start_of_day(first, zone), instants.start_of_day(following, zone))
    if at < window.end:
        return window
    # Clocks went back over midnight: the local date is yesterday's again, but today has begun.
    first, following = _days(period, following)
    return Window(window.end, instants.start_of_day(following, zone))


def _days(period: str, day: date) -> tuple[date, date]:
    """The first day of the period that contains `day`, and the first day after it."""
    match period:
        case "daily":
            return day, day + timedelta(days=1)
        case "weekly":
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(weeks=1)
        case "monthly":
            first = day.replace(day=1)
            return first, (first + timedelta(days=31)).replace(day=1)
        case _:
            message = f"{period!r} is not a period of the clock; these are: {', '.join(CLOCK_PERIODS)}"
            raise ValueError(message)


def _hour(zone: str, at: int) -> Window:
    local_zone = instants.time_zone(zone)

    def offset_at(instant: int) -> timedelta | None:
        return instants.local_time(instant, local_zone).utcoffset()

    local = instants.local_time(at, local_zone)
    offset = local.utcoffset()
    start = at - (local.minute * 60 + local.second) * _SECOND - local.microsecond
    end = start + _HOUR
    if offset_at(start) != offset:
        start = instants.first_change(start, at, lambda instant: offset_at(instant) == offset)
    if offset_at(end - _SECOND) != offset:
        end = instants.first_change(at, end, lambda instant: offset_at(instant) != offset)
    return Window(start, end)
