"""What the whole ledger holds at a moment, for /metrics."""

from typing import NamedTuple

from budget.domain.configuration import FOREVER
from budget.storage import reports
from budget.storage.database import Connection, Database


class Totals(NamedTuple):
    """Over all budgets: what is held, and what was booked without a price or for calls that went silent."""

    holds: int
    held_tokens: int
    held_nanocents: int
    records: int
    unpriced_records: int
    provisional_records: int


async def totals(database: Database, now: int) -> Totals:
    """The totals as of one snapshot; from the day rollups, so their cost does not grow with the ledger."""
    return await database.read(_read, now)


def _read(connection: Connection, now: int) -> Totals:
    held = reports.held(connection, now, {}, 0, FOREVER)
    days = reports.Stretch("day", 0, FOREVER, None)
    used = next(iter(reports.sums(connection, [days], (), {}).values()), reports.Sums())
    return Totals(held.holds, held.tokens, held.cost, used.count, used.unpriced_count, used.provisional_count)
