"""Where usage is heading: by its pace, by weekday where there is enough of it, and not at all where there is little.

The rule: a forecast needs 7 whole days since the first usage, of which at most the last 56 count. From 28 days on each
weekday has a mean of its own, before that all days have one. Hours are forecast from the last 168, alike. Intervals
hold four times in five if days vary as they did. Figures are estimates, so deviations are floats; means are exact.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from budget.domain import instants, periods
from budget.domain.periods import Window
from budget.domain.reports import windows_of

LEAST_DAYS: Final = 7
WEEKDAY_DAYS: Final = 28
MOST_DAYS: Final = 56
LEAST_HOURS: Final = 24 * LEAST_DAYS

RUN_RATE: Final = "run_rate"
WEEKDAY: Final = "weekday"

_WIDTH: Final = 1.2816
"""Standard deviations on each side that hold four of five."""


class Past(NamedTuple):
    """What was used in a whole day or hour that is over, and which weekday it was (an hour: 0)."""

    weekday: int
    amount: int


class Step(NamedTuple):
    """A day or an hour to come, or the rest of one: its weekday, its bounds, and how much of a whole one it is."""

    weekday: int
    start: int
    end: int
    share: Fraction


class Pace(NamedTuple):
    """What is to be expected of each weekday, how far whole days lie from that, and what it was learnt from."""

    method: str
    means: Mapping[int, Fraction]
    deviation: float
    days: int


class Forecast(NamedTuple):
    """What will be used by the end, within which bounds; and when a limit is reached, if before the end."""

    projected: int | None = None
    low: int | None = None
    high: int | None = None
    exhausts_at: int | None = None
    earliest: int | None = None
    latest: int | None = None


def steps_of(period: str, zone: str, now: int, end: int) -> list[Step]:
    """The days (in an hourly window: the hours) from now to the end of a window."""
    if now >= end:
        return []
    bucket, whole_period = ("hour", "hourly") if period == "hourly" else ("day", "daily")
    steps = []
    for window in windows_of(bucket, zone, Window(now, end)):
        whole = periods.window_at(whole_period, zone, window.start)
        weekday = 0 if period == "hourly" else weekday_of(zone, whole.start)
        steps.append(Step(weekday, *window, Fraction(window.end - window.start, whole.end - whole.start)))
    return steps


def weekday_of(zone: str, day_start: int) -> int:
    """The weekday of a day that begins then, Monday 0."""
    return instants.local_time(day_start, instants.time_zone(zone)).weekday()


def pace_of(history: Sequence[Past], least: int = LEAST_DAYS) -> Pace | None:
    """What the past says of the future; None where it is too short.

    >>> pace = pace_of([Past(day % 7, 10) for day in range(14)])
    >>> pace.method, pace.means[3], pace.deviation
    ('run_rate', Fraction(10, 1), 0.0)
    """
    if len(history) < least:
        return None
    weekdays: dict[int, list[int]] = {}
    for past in history:
        weekdays.setdefault(past.weekday, []).append(past.amount)
    by_weekday = len(history) >= WEEKDAY_DAYS and len(weekdays) == LEAST_DAYS
    if by_weekday:
        means = {day: Fraction(sum(amounts), len(amounts)) for day, amounts in weekdays.items()}
    else:
        means = dict.fromkeys(range(7), Fraction(sum(past.amount for past in history), len(history)))
    squares = sum((past.amount - means[past.weekday]) ** 2 for past in history)
    free = len(history) - (len(weekdays) if by_weekday else 1)
    return Pace(WEEKDAY if by_weekday else RUN_RATE, means, math.sqrt(squares / free), len(history))


def forecast(pace: Pace | None, steps: Sequence[Step], used: int, room: int | None) -> Forecast:
    """What is used at the end of the steps, and when there is no `room` left (None: there is no limit)."""
    if room is not None and room <= 0 and steps:
        now = steps[0].start
        reached = Forecast(exhausts_at=now, earliest=now, latest=now)
    else:
        reached = Forecast()
    if pace is None or not steps:
        return reached
    expected = sum((pace.means[step.weekday] * step.share for step in steps), Fraction(0))
    spread = _spread(pace, sum((step.share for step in steps), Fraction(0)))
    made = reached._replace(
        projected=used + round(expected),
        low=used + max(0, round(expected - Fraction(spread))),
        high=used + round(expected + Fraction(spread)),
    )
    if room is None or room <= 0:
        return made
    return made._replace(
        exhausts_at=_crossing(pace, steps, room, 0),
        earliest=_crossing(pace, steps, room, 1),
        latest=_crossing(pace, steps, room, -1),
    )


def _spread(pace: Pace, days: Fraction) -> float:
    """Half the interval after so many days: they vary, and so does the mean that was learnt."""
    return _WIDTH * pace.deviation * math.sqrt(days + days * days / pace.days)


def _crossing(pace: Pace, steps: Sequence[Step], room: int, side: int) -> int | None:
    """When what was expected, or a bound of it, first comes to `room`; None if not by the end."""
    days = expected = before = Fraction(0)
    for step in steps:
        days += step.share
        expected += pace.means[step.weekday] * step.share
        after = expected + side * Fraction(_spread(pace, days))
        if after >= room:
            reached = (room - before) / (after - before) if after > before else Fraction(0)
            return step.start + math.ceil(reached * (step.end - step.start))
        before = after
    return None
