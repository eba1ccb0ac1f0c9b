"""What was or will be sent to receivers: one row for each event and receiver, written before sending."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection

from budget.domain.notifications import DEAD, PENDING, Delivery
from budget.storage import statements, tables
from budget.storage.lists import Listed

_COLUMNS: Final = statements.columns_of(tables.deliveries)
FILTERS: Final = ("receiver_id", "state", "type")


def add(connection: Connection, deliveries: Sequence[Delivery], most_waiting: int) -> None:
    """Add those that are new; for a receiver for whom too many wait they are dead from the start."""
    waiting = dict(_counts(connection))
    rows = []
    for delivery in deliveries:
        count = waiting.get(delivery.receiver_id, 0)
        waiting[delivery.receiver_id] = count + 1
        refused = {"state": DEAD, "error": f"{most_waiting:,} others wait for this receiver"}
        kept = msgspec.structs.replace(delivery, **refused) if count >= most_waiting else delivery
        rows.append(msgspec.structs.astuple(kept))
    statements.insert_new(connection, tables.deliveries, rows)


def save(connection: Connection, delivery: Delivery) -> None:
    """Write a delivery as it is now."""
    statements.replace_rows(connection, tables.deliveries, [msgspec.structs.astuple(delivery)])


def note_try(connection: Connection, before: Delivery, after: Delivery) -> None:
    """Write what became of a try, unless somebody has changed the delivery meanwhile."""
    statements.run(
        connection,
        "UPDATE deliveries SET state = ?, attempts = ?, next_at = ?, delivered_at = ?, status = ?, error = ? "
        "WHERE delivery_id = ? AND state = ? AND attempts = ? AND next_at = ?",
        (
            *(after.state, after.attempts, after.next_at, after.delivered_at, after.status, after.error),
            *(before.delivery_id, before.state, before.attempts, before.next_at),
        ),
    )


def waiting(connection: Connection) -> list[tuple[str, int]]:
    """Each receiver for whom something waits, and when the first of that is due."""
    sql = "SELECT receiver_id, MIN(next_at) FROM deliveries WHERE state = 'pending' GROUP BY receiver_id"
    return [(row[0], row[1]) for row in statements.run(connection, sql)]


def due(connection: Connection, receiver_id: str, now: int, limit: int) -> list[Delivery]:
    """What is to be sent to a receiver now, the longest due first."""
    sql = (
        f"SELECT {_COLUMNS} FROM deliveries WHERE state = 'pending' AND receiver_id = ? AND next_at <= ? "
        "ORDER BY next_at, seq LIMIT ?"
    )
    return [_delivery(row) for row in statements.run(connection, sql, (receiver_id, now, limit))]


def find(connection: Connection, delivery_id: str) -> Delivery | None:
    """One delivery."""
    row = statements.first(connection, f"SELECT {_COLUMNS} FROM deliveries WHERE delivery_id = ?", (delivery_id,))
    return None if row is None else _delivery(row)


def page(connection: Connection, filters: Mapping[str, str | None], number: int, limit: int) -> Listed[Delivery]:
    """A page of deliveries, newest first."""
    given = {name: value for name, value in filters.items() if value is not None}
    where = " AND ".join(("1 = 1", *(f"{name} = ?" for name in given)))
    values = tuple(given.values())
    total = statements.value(connection, f"SELECT COUNT(*) FROM deliveries WHERE {where}", values)
    sql = f"SELECT {_COLUMNS} FROM deliveries WHERE {where} ORDER BY created_at DESC, delivery_id DESC LIMIT ? OFFSET ?"
    rows = statements.run(connection, sql, (*values, limit, (number - 1) * limit))
    return Listed([_delivery(row) for row in rows], total, total_exact=True)


def give_up(connection: Connection, receiver_id: str, reason: str) -> None:
    """Send a receiver nothing of what waits."""
    sql = "UPDATE deliveries SET state = 'dead', error = ? WHERE receiver_id = ? AND state = 'pending'"
    statements.run(connection, sql, (reason, receiver_id))


def drop(connection: Connection, before: int) -> None:
    """Forget what is over and was made before an instant."""
    statements.run(connection, "DELETE FROM deliveries WHERE created_at < ? AND state <> ?", (before, PENDING))


def _counts(connection: Connection) -> list[tuple[str, int]]:
    sql = "SELECT receiver_id, COUNT(*) FROM deliveries WHERE state = 'pending' GROUP BY receiver_id"
    return [(row[0], row[1]) for row in statements.run(connection, sql)]


def _delivery(row: statements.Row) -> Delivery:
    return Delivery(**dict(zip(Delivery.__struct_fields__, row, strict=True)))
