"""Hot statements: compiled once to SQL text, run with plain tuples on the driver's own cursor.

SQLAlchemy still owns the connection and the transaction; its way in costs 25 µs a statement, and a batch runs fifteen.
"""

import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import Insert

from budget.domain.errors import Unavailable

Row = Sequence[Any]

_TOGETHER = 100
"""Rows that share one INSERT where there are so many: a fifth cheaper than a statement for each."""


def run(connection: Connection, sql: str, parameters: Row = ()) -> list[Row]:
    """Run one statement; gives its rows, if it has any."""
    cursor = _cursor(connection)
    try:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        cursor.close()


def run_many(connection: Connection, sql: str, rows: Sequence[Row]) -> None:
    """Run one statement for each row of parameters."""
    cursor = _cursor(connection)
    try:
        cursor.executemany(sql, rows)
    finally:
        cursor.close()


def _cursor(connection: Connection) -> Any:
    raw = connection.connection.dbapi_connection
    if raw is None:
        raise Unavailable("the connection to the database is gone")
    return raw.cursor()


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows in the table's column order: whole ones, or all without the same last columns."""
    if not rows:
        return
    width, shared = len(rows[0]), len(rows) - len(rows) % _TOGETHER
    for at in range(0, shared, _TOGETHER):
        values = tuple(itertools.chain.from_iterable(rows[at : at + _TOGETHER]))
        run(connection, _insert(table, width, _TOGETHER), values)
    if shared < len(rows):
        run_many(connection, _insert(table, width), rows[shared:])


def insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert whole rows, passing over those whose key is there already."""
    if rows:
        run_many(connection, _insert(table) + " ON CONFLICT DO NOTHING", rows)


def replace_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert whole rows, or give the rows of the same primary key these values."""
    if rows:
        run_many(connection, _upsert(table, adds=False), rows)


def add_to_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert whole rows, or add their values to the rows of the same primary key."""
    if rows:
        run_many(connection, _upsert(table, adds=True), rows)


def update_rows(connection: Connection, table: Table, key: str, rows: Sequence[Row], keep: str = "") -> None:
    """Give the rows with these keys all the values given, but for the column `keep`."""
    if rows:
        run_many(connection, _update(table, key, keep), _update_values(table, key, keep, rows))


def select_in(
    connection: Connection,
    columns: str,
    table: str,
    column: str,
    values: Iterable[Any],
    where: str = "",
    *parameters: Any,
) -> list[Row]:
    """Rows whose column is one of many values; one statement text whatever their number."""
    sql = f"SELECT {columns} FROM {table} WHERE {column} IN (SELECT value FROM json_each(?)) {where}"
    return run(connection, sql, (as_json(values), *parameters))


def as_json(values: Iterable[Any]) -> str:
    """A list as one parameter."""
    return msgspec.json.encode(list(values)).decode()


def columns_of(table: Table) -> str:
    """All columns, in order."""
    return ", ".join(f'"{column.name}"' for column in table.columns)


@functools.cache
def _insert(table: Table, width: int = 0, rows: int = 1) -> str:
    names = [column.name for column in table.columns][: width or None]
    single = str(Insert(table).compile(dialect=sqlite.dialect(paramstyle="qmark"), column_keys=names))
    return single + f", ({', '.join('?' * len(names))})" * (rows - 1)


@functools.cache
def _upsert(table: Table, *, adds: bool) -> str:
    key = [column.name for column in table.primary_key]
    rest = [column.name for column in table.columns if column.name not in key]
    values = (
        f"{name} = {table.name}.{name} + excluded.{name}" if adds else f"{name} = excluded.{name}" for name in rest
    )
    return f"{_insert(table)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(values)}"


@functools.cache
def _update(table: Table, key: str, keep: str) -> str:
    names = [column.name for column in table.columns if column.name not in (key, keep)]
    assignments = ", ".join(f'"{name}" = ?' for name in names)
    return f'UPDATE {table.name} SET {assignments} WHERE "{key}" = ?'


def _update_values(table: Table, key: str, keep: str, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    names = [column.name for column in table.columns]
    at = names.index(key)
    order = [index for index, name in enumerate(names) if name not in (key, keep)]
    return [(*(row[index] for index in order), row[at]) for row in rows]
