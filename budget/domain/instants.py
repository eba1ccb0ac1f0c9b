"""Instants: whole microseconds since 1970-01-01T00:00:00Z, and the time zones they are read in.

One integer compares, subtracts and stores the same everywhere, and has no zone to lose. Instants run from the start of
1970 to the end of 2999. The zones are those of the `tzdata` package and never the machine's own, so that two replicas,
and a rebuild years later, cut the same windows.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

MICROSECONDS_PER_SECOND = 1_000_000
EARLIEST = 0
END_OF_TIME = 32_503_680_000 * MICROSECONDS_PER_SECOND
"""The start of the year 3000: the first instant that is out of range."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME = re.compile(
    r"""[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]
        (?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?
        (?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?""",
    re.VERBOSE,
)


def from_datetime(moment: datetime) -> int:
    """The instant of an aware datetime, exactly (no float between).

    >>> from_datetime(datetime(2026, 11, 24, 11, 28, 8, 123456, tzinfo=time_zone("Europe/Berlin")))
    1795516088123456
    """
    if moment.utcoffset() is None:
        message = f"{moment.isoformat()} has no UTC offset"
        raise ValueError(message)
    return checked((moment - _EPOCH) // _MICROSECOND)


def to_datetime(instant: int) -> datetime:
    """The instant as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=checked(instant))


def iso(instant: int) -> str:
    """The instant as RFC 3339 text in UTC, always with six decimals, so that text sorts as time does.

    >>> iso(1795516088123456)
    '2026-11-24T10:28:08.123456Z'
    """
    return to_datetime(instant).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_instant(text: str, zone: str) -> int:
    """The instant that ISO 8601 text names: `YYYY-MM-DD`, or date and time with or without an offset.

    Without an offset the text is local time in `zone`. A date is the first instant of that local day. A local time
    that occurs twice is the first of the two; one that a clock change skips is read with the offset before the change
    (RFC 5545, 3.3.5: 02:30 in a skipped hour is 03:30). Digits beyond microseconds are cut off.

    >>> iso(parse_instant("2026-11-24", "Europe/Berlin"))
    '2026-11-23T23:00:00.000000Z'
    """
    if _DATE.fullmatch(text):
        return checked(start_of_day(date.fromisoformat(text), zone))
    if not _DATE_TIME.fullmatch(text):
        message = f"{text[:40]!r} is not an ISO 8601 date (YYYY-MM-DD) or date and time"
        raise ValueError(message)
    moment = datetime.fromisoformat(text.upper().replace(",", "."))
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=time_zone(zone)))


def checked(instant: int) -> int:
    """The instant itself when it lies in the years 1970 to 2999; `ValueError` otherwise."""
    if EARLIEST <= instant < END_OF_TIME:
        return instant
    message = "the time must lie in the years 1970 to 2999"
    raise ValueError(message)


def start_of_day(day: date, zone: str) -> int:
    """The first instant whose local date is `day` or a later one.

    That is local midnight; the first of two where it occurs twice (Havana); the end of the gap where a clock change
    skips it (São Paulo, Beirut, Cairo); and for a day that never was (Apia, 2011-12-30) the start of the next.
    """
    local_zone = time_zone(zone)
    midnight = datetime(day.year, day.month, day.day, tzinfo=local_zone)
    before = _microseconds(midnight)
    after = _microseconds(midnight.replace(fold=1))
    if after >= before:
        return before
    # Midnight is skipped: with the old offset it comes at or after the change, with the new one before it.
    return first_change(after, before, lambda at: local_time(at, local_zone).date() >= day)


def first_change(low: int, high: int, changed: Callable[[int], bool]) -> int:
    """The first whole second in (low, high] for which `changed` holds, where it holds at `high` and not at `low`."""
    low_second, high_second = low // MICROSECONDS_PER_SECOND, high // MICROSECONDS_PER_SECOND
    while high_second - low_second > 1:
        middle = (low_second + high_second) // 2
        if changed(middle * MICROSECONDS_PER_SECOND):
            high_second = middle
        else:
            low_second = middle
    return high_second * MICROSECONDS_PER_SECOND


def local_time(instant: int, zone: tzinfo) -> datetime:
    """The instant on the clocks of a zone. Unlike `to_datetime` it takes the edges just outside the range, too."""
    return (_EPOCH + timedelta(microseconds=instant)).astimezone(zone)


def zone_exists(name: str) -> bool:
    """Whether this is the exact name of a zone of the IANA database, upper and lower case included."""
    return name in _zone_names()


@cache  # bounded: an unknown name raises, and what raises is not kept
def time_zone(name: str) -> ZoneInfo:
    """The zone of that name; `ValueError` when there is none."""
    if not zone_exists(name):
        message = f"{name[:60]!r} is not the name of an IANA time zone, such as UTC or Europe/Berlin"
        raise ValueError(message)
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@cache
def _zone_names() -> frozenset[str]:
    listed = resources.files("tzdata").joinpath("zones").read_text("utf-8").split()
    return frozenset(listed) - {"Factory"}


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
