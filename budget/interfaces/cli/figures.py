"""Figures as people read them: exact money, counts in groups of three, times by a clock, bars and sparklines."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from budget.domain import instants

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TICKS: Final = "▁▂▃▄▅▆▇█"


def dollars(amount: Decimal | float) -> str:
    """Every digit, and at least cents.

    >>> dollars(Decimal("1234.5")), dollars(Decimal("0.00000000001")), dollars(-1)
    ('$1,234.50', '$0.00000000001', '-$1.00')
    """
    whole, _, rest = f"{abs(Decimal(amount)):f}".partition(".")
    return f"{'-' if amount < 0 else ''}${int(whole):,}.{rest.rstrip('0').ljust(2, '0')}"


def clock(text: str, zone: str) -> str:
    """An instant of the service by the clocks of a zone.

    >>> clock("2026-11-24T10:28:08.123456Z", "Europe/Berlin")
    '2026-11-24 11:28:08 CET'
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return visible(text)
    if moment.tzinfo is None:
        return visible(text)
    return f"{moment.astimezone(_zone(zone)):%Y-%m-%d %H:%M:%S %Z}"


def _zone(name: str) -> ZoneInfo:
    return instants.time_zone(name if instants.zone_exists(name) else "UTC")


def span(seconds: float) -> str:
    """How long, in its two largest units.

    >>> span(90_061), span(59), span(-5)
    ('1d 1h', '59s', '0s')
    """
    left = max(int(seconds), 0)
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def visible(text: str) -> str:
    r"""Text from elsewhere without what would steer a terminal.

    >>> visible("a\x1b[31mb")
    'a·[31mb'
    """
    return _CONTROL.sub("·", text)


def bar(used: float, held: float, width: int = 20, *, plain: bool = False) -> str:
    """Used, held and free of a limit, as shares of it; what is not nothing shows.

    >>> bar(0.5, 0.25, 8), bar(0.01, 0, 4, plain=True), bar(2, 1, 4)
    ('████▒▒░░', '#...', '████')
    """
    full, half, empty = "#=." if plain else "█▒░"
    first = min(_cells(used, width), width)
    second = min(_cells(held, width), width - first)
    return full * first + half * second + empty * (width - first - second)


def _cells(share: float, width: int) -> int:
    return max(round(share * width), 1) if share > 0 else 0


def sparkline(values: Sequence[Any]) -> str:
    """How values went, from the lowest tick for 0 to the highest for the greatest.

    >>> sparkline([0, 1, 2, 4]), sparkline([0, 0])
    ('▁▃▅█', '▁▁')
    """
    most = max(values, default=0)
    return "".join(_TICKS[round(float(value / most) * (len(_TICKS) - 1)) if most else 0] for value in values)
