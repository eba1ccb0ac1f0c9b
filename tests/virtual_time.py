"""Time in a test's hand: sleepers wake when the test moves the clock on, and not before."""

import asyncio
import heapq
import itertools

from budget.engine.clock import Clock

START = 1_764_000_000_000_000
PATIENCE_SECONDS = 20


class VirtualTime(Clock):
    """A clock, and the `sleep` of those who live by it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> int:
        return START + int(self.seconds * 1_000_000)

    def steady(self) -> int:
        return int(self.seconds * 1_000_000)

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.seconds + seconds, next(self._numbers), woken))
        await woken

    async def settle(self, sleepers: int) -> None:
        """Wait until so many sleep again."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self._live()) < sleepers:  # noqa: ASYNC110 -- whoever sleeps next tells nobody
                await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Move on, and let everyone who wakes do what there is to do until they sleep again."""
        until = self.seconds + seconds
        count = len(self._live())
        while self._live() and self._sleepers[0][0] <= until:
            self.seconds, _, woken = heapq.heappop(self._sleepers)
            woken.set_result(None)
            await self.settle(count)
        self.seconds = until

    def leap(self, seconds: float) -> None:
        """Move on and wake who is due, without waiting for what they do."""
        self.seconds += seconds
        for sleeper in self._live():
            if sleeper[0] <= self.seconds:
                sleeper[2].set_result(None)

    def _live(self) -> list[tuple[float, int, asyncio.Future[None]]]:
        if any(woken.done() for *_, woken in self._sleepers):
            self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[2].done()]
            heapq.heapify(self._sleepers)
        return self._sleepers
