"""New identifiers: UUID version 7, which sort by the time they were made."""

import itertools
import secrets
from collections.abc import Callable

_POOLED = 200  # ids made of one draw of noise


class Ids:
    """Makes UUIDv7 texts (RFC 9562). Its source of noise comes from outside, so that a run can be repeated.

    74 bits follow the milliseconds: 34 from a counter that starts at random, then 40 at random. The counter
    comes first, so the ids of one process sort in the order in which they were made.
    """

    def __init__(self, noise: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._noise = noise
        self._counter = itertools.count(int.from_bytes(noise(4)) >> 2)
        self._now = self._high = -1
        self._prefix = ""
        self._pool: list[str] = []

    def new(self, now: int) -> str:
        """An id for an instant in µs.

        >>> Ids(lambda size: bytes(size)).new(1_764_000_000_000_000)
        '019ab697-e800-7000-8000-000000000000'
        """
        count = next(self._counter)
        if now != self._now or count >> 8 != self._high:  # all but the last 12 digits are the same for 256 ids
            self._now, self._high = now, count >> 8
            text = f"{(now // 1000) & 0xFFFFFFFFFFFF:012x}"
            self._prefix = f"{text[:8]}-{text[8:]}-7{(count >> 22) & 0xFFF:03x}-{0x8000 | (count >> 8) & 0x3FFF:04x}-"
        if not self._pool:
            noise = self._noise(5 * _POOLED).hex()
            self._pool = [noise[at : at + 10] for at in range(0, len(noise), 10)]
        return f"{self._prefix}{count & 0xFF:02x}{self._pool.pop()}"
