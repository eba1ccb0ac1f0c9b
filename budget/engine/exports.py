"""Exports: records streamed page by page from one snapshot, in constant memory however many there are."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Final, NamedTuple

from budget.domain.configuration import Configuration
from budget.domain.errors import Unavailable
from budget.domain.periods import Window
from budget.domain.records import Record
from budget.domain.reports import Question
from budget.engine.buckets import counted_budgets
from budget.engine.queries import Source, span_of, zone_for
from budget.storage import exports
from budget.storage.database import Connection
from budget.storage.lists import Span
from budget.storage.snapshots import LONG_READERS

WAIT_SECONDS: Final = 5.0
"""For another export to end."""


class Asked(NamedTuple):
    """Which records: booked from `start` to `end` (as text, a date as end included), of a budget or of all."""

    start: str | None
    end: str | None
    budget_id: str | None = None
    component: str | None = None
    include_overlap: bool = False
    superseded: bool = False


class Export(NamedTuple):
    """Which records, found to be sensible before anything is sent."""

    configuration: Configuration
    booked: Span
    budget_ids: tuple[str, ...] | None
    component: str | None
    superseded: bool


class Exports:
    """The exports of a ledger; only a few at once, for each keeps a snapshot."""

    def __init__(self, ledger: Source) -> None:
        self._ledger = ledger
        self._places = asyncio.Semaphore(LONG_READERS)

    async def plan(self, asked: Asked) -> Export:
        """What to export; `Invalid` for what cannot be."""
        configuration = await self._ledger.refresh()
        booked = span_of(zone_for(configuration, asked.budget_id), asked.start, asked.end, ("from", "to"))
        every = Question(Window(0, 0), asked.budget_id, {}, asked.include_overlap)
        total, counted = counted_budgets(configuration, every)
        budget_ids = tuple(budget.budget_id for budget in counted)
        whole = asked.budget_id is None and len(counted) == total
        return Export(configuration, booked, None if whole else budget_ids, asked.component, asked.superseded)

    async def pages(self, export: Export) -> AsyncGenerator[list[Record]]:
        """The records, oldest first, as they were when the first page was read."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable(f"{LONG_READERS} exports are under way; try again when one has ended") from None
        try:
            async with self._ledger.database.snapshot() as read:
                after = exports.START
                while page := await read(_reading(export, after)):
                    yield page
                    after = exports.Place(page[-1].booked_at, page[-1].seq)
        finally:
            self._places.release()


def _reading(export: Export, after: exports.Place) -> Callable[[Connection], list[Record]]:
    def read(connection: Connection) -> list[Record]:
        filters = {"component": export.component}
        return exports.records(
            connection, export.booked, export.budget_ids, filters, after, superseded=export.superseded
        )

    return read
