"""Hot statements, compiled once to SQL text and run with plain tuples: twice as fast as through the ORM's way in."""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import Insert

Row = Sequence[Any]


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert whole rows, in the table's column order."""
    if rows:
        connection.exec_driver_sql(_insert(table), _tuples(rows))


def insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert whole rows, passing over those whose key is there already."""
    if rows:
        connection.exec_driver_sql(_insert(table) + " ON CONFLICT DO NOTHING", _tuples(rows))


def replace_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert whole rows, or give the rows of the same primary key these values."""
    if rows:
        connection.exec_driver_sql(_upsert(table, adds=False), _tuples(rows))


def add_to_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert whole rows, or add their values to the rows of the same primary key."""
    if rows:
        connection.exec_driver_sql(_upsert(table, adds=True), _tuples(rows))


def update_rows(connection: Connection, table: Table, key: str, rows: Sequence[Row], keep: str = "") -> None:
    """Give the rows with these keys all the values given, but for the column `keep`."""
    if rows:
        connection.exec_driver_sql(_update(table, key, keep), _update_values(table, key, keep, rows))


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
    return list(connection.exec_driver_sql(sql, (as_json(values), *parameters)).fetchall())


def as_json(values: Iterable[Any]) -> str:
    """A list as one parameter."""
    return msgspec.json.encode(list(values)).decode()


def columns_of(table: Table) -> str:
    """All columns, in order."""
    return ", ".join(f'"{column.name}"' for column in table.columns)


def _tuples(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return rows if isinstance(rows, list) and isinstance(rows[0], tuple) else [tuple(row) for row in rows]


@functools.cache
def _insert(table: Table) -> str:
    return str(Insert(table).compile(dialect=sqlite.dialect(paramstyle="qmark")))


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
