"""Copy a whole ledger from one database into an empty one of either kind, in one transaction."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Boolean, Connection, Table

from budget.domain.errors import Conflict
from budget.storage import journal, migration, statements, tables

CHUNK = 2000
"""Rows in memory at a time."""


def copy(source: Connection, target: Connection) -> dict[str, int]:
    """Copy every table, and say how many rows each has; `Conflict` when the target is not empty."""
    if migration.current(source) != migration.newest():
        raise Conflict("the source has an older schema: start Budget on it once, or run `budget db upgrade`")
    migration.upgrade(target)
    journal.take_turn(target)
    if journal.head(target).seq:
        raise Conflict("the target has a ledger already: copy into an empty database")
    return {table.name: _copy_table(source, target, table) for table in tables.metadata.sorted_tables}


def _copy_table(source: Connection, target: Connection, table: Table) -> int:
    copied = 0
    for rows in _chunks(source, table):
        # `replace`: a new database has its one row of `configuration` and of `journal_head` already.
        statements.replace_rows(target, table, rows)
        copied += len(rows)
    return copied


def _chunks(source: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """The rows in the order of their key, each chunk from where the last one ended."""
    keys = [column.name for column in table.primary_key]
    places = [list(table.columns).index(column) for column in table.primary_key]
    flags = [at for at, column in enumerate(table.columns) if isinstance(column.type, Boolean)]
    key, marks = ", ".join(f'"{name}"' for name in keys), ", ".join("?" * len(keys))
    columns = statements.columns_of(table)
    after: tuple[Any, ...] = ()
    while True:
        where = f"WHERE ({key}) > ({marks})" if after else ""
        sql = f"SELECT {columns} FROM {table.name} {where} ORDER BY {key} LIMIT {CHUNK}"
        rows = [_native(row, flags) for row in statements.run(source, sql, after)]
        if not rows:
            return
        yield rows
        after = tuple(rows[-1][at] for at in places)


def _native(row: statements.Row, flags: list[int]) -> tuple[Any, ...]:
    # SQLite keeps a truth as 0 or 1, PostgreSQL will not take those for one.
    values = list(row)
    for at in flags:
        values[at] = bool(values[at])
    return tuple(values)
