"""Local times as the old managers wrote them, read in one zone: instants, and the month on that zone's clocks."""

import re

from budget.domain import instants

_NAIVE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{6})?")
_HOUR = 3600 * instants.MICROSECONDS_PER_SECOND
_REMEMBERED = 10_000


class LocalTimes:
    """Reads times in a zone. In the hour that autumn repeats they are the first of the two."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._hours: dict[str, int | None] = {}

    def read(self, text: object) -> tuple[int, str]:
        """The instant in µs, and the month; `ValueError` for anything that is no time."""
        if not isinstance(text, str):
            raise ValueError("is no text")  # noqa: TRY004 -- one kind of error, whatever is wrong with it
        if _NAIVE.fullmatch(text):
            start = self._hour(text[:13])
            if start is not None:
                seconds = int(text[14:16]) * 60 + int(text[17:19])
                rest = int(text[20:]) if len(text) > 19 else 0  # noqa: PLR2004 -- without a fraction
                return start + seconds * instants.MICROSECONDS_PER_SECOND + rest, text[:7]
        at = instants.parse_instant(text, self._zone)
        local = instants.local_time(at, instants.time_zone(self._zone))
        return at, f"{local:%Y-%m}"

    def _hour(self, text: str) -> int | None:
        """When an hour on the clocks begins; None when it is not one whole hour."""
        if text not in self._hours:
            start, end = (instants.parse_instant(text + rest, self._zone) for rest in (":00", ":59:59.999999"))
            if len(self._hours) >= _REMEMBERED:
                self._hours.clear()
            self._hours[text] = start if end - start == _HOUR - 1 else None
        return self._hours[text]
