"""A page of the stream, for those who ask instead of listening."""

from typing import NamedTuple

from budget.domain.events import Event, Filter
from budget.engine.bus import Bus, check_after

READ_AT_ONCE = 500
MOST_READ = 5_000
"""How many events one page looks at where a filter lets few pass."""


class Page(NamedTuple):
    """The events that pass; `next_after` is the last one looked at, where the next page begins."""

    events: list[Event]
    next_after: int
    as_of_seq: int


async def list_events(bus: Bus, wanted: Filter, after: int | None = None, limit: int = 100) -> Page:
    """The next events after a number, else from the oldest that is kept; raises as `Bus.subscribe` does."""
    oldest, newest = await bus.bounds()
    check_after(after, oldest, newest)
    at = oldest - 1 if after is None else after
    found: list[Event] = []
    last = min(newest, at + max(MOST_READ, limit))
    while at < last and len(found) < limit:
        for message in await bus.read(at, min(READ_AT_ONCE, last - at)):
            at = message.as_of_seq
            if wanted.passes(message.event):
                found.append(message.event)
                if len(found) == limit:
                    break
    return Page(found, at, newest)
