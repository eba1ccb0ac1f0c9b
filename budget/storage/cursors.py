"""How far those who pass events on have come; one replica at a time has each of these tasks."""

from typing import NamedTuple

from sqlalchemy import Connection

from budget.storage import journal, statements, tables


class Cursor(NamedTuple):
    """Everything up to this number was passed on, and all that falls due up to this instant."""

    seq: int
    at: int


def take(connection: Connection, name: str, owner: str, now: int, lease: int) -> Cursor | None:
    """Take or keep a task for `lease` µs, a new one from the journal's head on; None while another replica has it."""
    start = journal.head(connection).seq
    statements.insert_new(connection, tables.cursors, [(name, start, now, owner, now + lease)])
    statements.run(
        connection,
        "UPDATE cursors SET owner = ?, leased_until = ? WHERE name = ? AND (owner = ? OR leased_until <= ?)",
        (owner, now + lease, name, owner, now),
    )
    (row,) = statements.run(connection, "SELECT seq, at, owner FROM cursors WHERE name = ?", (name,))
    return Cursor(row[0], row[1]) if row[2] == owner else None


def move(connection: Connection, name: str, owner: str, cursor: Cursor) -> None:
    """Remember how far a task has come, if it is still its owner's."""
    statements.run(
        connection, "UPDATE cursors SET seq = ?, at = ? WHERE name = ? AND owner = ?", (*cursor, name, owner)
    )


def release(connection: Connection, name: str, owner: str) -> None:
    """Let another replica have the task at once."""
    statements.run(connection, "UPDATE cursors SET leased_until = 0 WHERE name = ? AND owner = ?", (name, owner))
