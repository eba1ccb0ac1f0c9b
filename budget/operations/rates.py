"""How many requests a minute an address and a key may send: off unless set, counted by this process alone."""

import math
import time
from collections.abc import Callable
from typing import Final, NamedTuple

WINDOW_SECONDS: Final = 60
_MOST_REMEMBERED: Final = 20_000


class Taken(NamedTuple):
    """What a request left of a rate."""

    policy: str
    """`key` or `address`."""
    limit: int
    left: int
    """Below 0 when the request is one too many."""
    reset_seconds: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The fields of the IETF's draft for rate limits."""
        given = (self.policy, self.limit, WINDOW_SECONDS)
        left = (self.policy, max(self.left, 0), self.reset_seconds)
        return [
            (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (given[0].encode(), *given[1:])),
            (b"ratelimit", b'"%b";r=%d;t=%d' % (left[0].encode(), *left[1:])),
        ]


class Rate:
    """One rate: so many requests in a minute for each name."""

    def __init__(self, policy: str, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._limit = limit
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}

    def take(self, name: str) -> Taken:
        """Count one request."""
        now = self._clock()
        start, count = self._seen.get(name, (now, 0))
        if now - start >= WINDOW_SECONDS:
            start, count = now, 0
        if len(self._seen) >= _MOST_REMEMBERED and name not in self._seen:
            self._forget(now)
        self._seen[name] = (start, count + 1)
        return Taken(self._policy, self._limit, self._limit - count - 1, math.ceil(start + WINDOW_SECONDS - now))

    def _forget(self, now: float) -> None:
        over = [name for name, (start, _) in self._seen.items() if now - start >= WINDOW_SECONDS]
        for name in over or list(self._seen)[: _MOST_REMEMBERED // 2]:
            del self._seen[name]
