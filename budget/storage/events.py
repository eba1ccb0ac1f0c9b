"""The journal read forward: what came after a number, and how far back events are kept."""

from sqlalchemy import Connection

from budget.domain import events
from budget.domain.entries import Entry
from budget.domain.events import Event
from budget.storage import holdings, statements

_COLUMNS = "seq, at, kind, caller, subject, postings, rollups, flags, data"


def after(connection: Connection, seq: int, limit: int) -> list[Event]:
    """The next events after a number, in order and without gaps."""
    sql = f"SELECT {_COLUMNS} FROM entries WHERE seq > ? ORDER BY seq LIMIT ?"
    entries = [
        Entry(
            seq=row[0],
            at=row[1],
            kind=row[2],
            caller=row[3],
            subject=row[4],
            postings=row[5],
            rollups=row[6],
            flags=row[7],
            data=row[8],
        )
        for row in statements.run(connection, sql, (seq, limit))
    ]
    record_ids, hold_ids = events.needed_records(entries), events.needed_holds(entries)
    records = {record.record_id: record for record in holdings.records(connection, record_ids)} if record_ids else {}
    holds = {hold.allocation_id: hold for hold in holdings.holds(connection, hold_ids)} if hold_ids else {}
    return [events.project(entry, records, holds) for entry in entries]


def newest(connection: Connection) -> int:
    """The number of the last event; 0 when there is none."""
    (row,) = statements.run(connection, "SELECT seq FROM journal_head WHERE id = 1")
    seq: int = row[0]
    return seq


def oldest_since(connection: Connection, instant: int) -> int:
    """The number of the first entry not older than an instant; the next number when all are.

    Entries are in the order of their times, so halving finds it without an index on them.
    """
    low, high = 1, newest(connection) + 1
    while low < high:
        middle = (low + high) // 2
        (row,) = statements.run(connection, "SELECT at FROM entries WHERE seq = ?", (middle,))
        if row[0] < instant:
            low = middle + 1
        else:
            high = middle
    return low


def bounds(connection: Connection, kept_since: int) -> tuple[int, int]:
    """The oldest and the newest number that can be asked for."""
    return oldest_since(connection, kept_since), newest(connection)
