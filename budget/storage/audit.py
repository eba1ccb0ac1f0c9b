"""The entries by which somebody changed something, newest first: a partial index holds them, so usage slows nothing."""

from typing import Any, Final

from sqlalchemy import Connection

from budget.domain.entries import Entry
from budget.storage import journal, statements, tables

KINDS: Final = tables.AUDITED

_FILTERS: Final = {"kind": "kind = ?", "subject": "subject = ?", "caller": "caller = ?"}


def changes(
    connection: Connection, filters: dict[str, str | None], before: int, start: int, end: int, limit: int
) -> list[Entry]:
    """The newest changes with a number below `before`, made from `start` up to, not including, `end`."""
    given = {name: value for name, value in filters.items() if value is not None}
    where = " AND ".join((tables.AUDITED_SQL, "seq < ?", "at >= ?", "at < ?", *(_FILTERS[name] for name in given)))
    columns = statements.columns_of(tables.entries)
    sql = f"SELECT {columns} FROM entries WHERE {where} ORDER BY seq DESC LIMIT ?"
    values: list[Any] = [before, start, end, *given.values(), limit]
    return [journal.entry_of(row) for row in statements.run(connection, sql, tuple(values))]
