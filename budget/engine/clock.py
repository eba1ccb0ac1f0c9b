"""The only place that asks what time it is."""

import asyncio
import time

JUMP = 60 * 1_000_000
"""A difference between wall clock and steady clock that is worth an alert, in µs (rule 3.3)."""


class Clock:
    """The time in µs since 1970, UTC, and how far it jumped since it was last asked."""

    def __init__(self) -> None:
        self._wall = self._steady = 0

    def now(self) -> int:
        """The wall clock."""
        return time.time_ns() // 1000

    def steady(self) -> int:
        """A clock that nobody sets; only its differences mean something."""
        return time.monotonic_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        """Wait so long by this clock."""
        await asyncio.sleep(seconds)

    def jump(self) -> int:
        """How far the wall clock went beyond the steady clock since the last call; 0 below a minute."""
        wall, steady = self.now(), self.steady()
        jumped = (wall - self._wall) - (steady - self._steady) if self._wall else 0
        self._wall, self._steady = wall, steady
        return jumped if abs(jumped) > JUMP else 0
