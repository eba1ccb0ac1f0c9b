"""Hot statements: compiled once to SQL text, run with plain tuples on the driver's own cursor.

SQLAlchemy still owns the connection and the transaction; its way in costs 25 µs a statement, and a batch runs fifteen.
Parameters are written `?` everywhere; what else differs between SQLite and PostgreSQL stands at the end.
"""

import functools
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql

from budget.domain.errors import Unavailable

Row = Sequence[Any]

_TOGETHER = 100
"""Rows that share one INSERT where there are so many: a fifth cheaper than a statement for each."""


def run(connection: Connection, sql: str, parameters: Row = ()) -> list[Row]:
    """Run one statement; gives its rows, if it has any."""
    cursor = _cursor(connection)
    try:
        cursor.execute(_native(connection, sql), parameters)
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        cursor.close()


def first(connection: Connection, sql: str, parameters: Row = ()) -> Row | None:
    """The first row of a statement, if it has any."""
    rows = run(connection, sql, parameters)
    return rows[0] if rows else None


def value(connection: Connection, sql: str, parameters: Row = ()) -> Any:
    """The one value of a statement that gives one."""
    return run(connection, sql, parameters)[0][0]


def run_many(connection: Connection, sql: str, rows: Sequence[Row]) -> None:
    """Run one statement for each row of parameters."""
    cursor = _cursor(connection)
    try:
        cursor.executemany(_native(connection, sql), rows)
    finally:
        cursor.close()


def _cursor(connection: Connection) -> Any:
    raw = connection.connection.dbapi_connection
    if raw is None:
        raise Unavailable("the connection to the database is gone")
    return raw.cursor()


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows in the table's column order: whole ones, or all without the same last columns."""
    _insert(connection, table, rows, "")


def insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert whole rows, passing over those whose key is there already."""
    _insert(connection, table, rows, "ON CONFLICT DO NOTHING")


def replace_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert whole rows, or give the rows of the same primary key these values; each key comes once."""
    _insert(connection, table, rows, _on_conflict(table, adds=False))


def add_to_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert whole rows, or add their values to the rows of the same primary key; each key comes once."""
    _insert(connection, table, rows, _on_conflict(table, adds=True))


def update_rows(connection: Connection, table: Table, key: str, rows: Sequence[Row], keep: str = "") -> None:
    """Give the rows with these keys all the values given, but for the column `keep`."""
    if not rows:
        return
    if shares(connection):
        run(connection, _update_from_arrays(table, key, keep), tuple(zip(*rows, strict=True)))
    else:
        run_many(connection, _update(table, key, keep), _update_values(table, key, keep, rows))


def _insert(connection: Connection, table: Table, rows: Sequence[Row], ending: str) -> None:
    if not rows:
        return
    width = len(rows[0])
    if shares(connection):
        run(connection, f"{_insert_from_arrays(table, width)} {ending}", tuple(zip(*rows, strict=True)))
        return
    together = len(rows) - len(rows) % _TOGETHER
    for at in range(0, together, _TOGETHER):
        values = tuple(itertools.chain.from_iterable(rows[at : at + _TOGETHER]))
        run(connection, f"{_insert_values(table, width, _TOGETHER)} {ending}", values)
    if together < len(rows):
        run_many(connection, f"{_insert_values(table, width)} {ending}", rows[together:])


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
    condition, wanted = among(connection, column, values)
    return run(connection, f"SELECT {columns} FROM {table} WHERE {condition} {where}", (wanted, *parameters))


def columns_of(table: Table) -> str:
    """All columns, in order."""
    return ", ".join(f'"{column.name}"' for column in table.columns)


def _names(table: Table, width: int) -> str:
    return ", ".join(f'"{column.name}"' for column in itertools.islice(table.columns, width))


@functools.cache
def _insert_values(table: Table, width: int, rows: int = 1) -> str:
    row = f"({', '.join('?' * width)})"
    return f"INSERT INTO {table.name} ({_names(table, width)}) VALUES {', '.join([row] * rows)}"


@functools.cache
def _on_conflict(table: Table, *, adds: bool) -> str:
    key = [column.name for column in table.primary_key]
    rest = [column.name for column in table.columns if column.name not in key]
    values = (
        f"{name} = {table.name}.{name} + excluded.{name}" if adds else f"{name} = excluded.{name}" for name in rest
    )
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(values)}"


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


# What differs between the databases


CHANNEL: Final = "budget_journal"
"""Where PostgreSQL's replicas hear of each other's commits."""


_MIGRATING: Final = 0x62756467  # "budg"


def shares(connection: Connection) -> bool:
    """Whether other writers share the database, so that what is read must be locked to stay true."""
    return connection.dialect.name == "postgresql"


def take_turns(connection: Connection) -> None:
    """Let no other replica past here until this is committed; for what locks no row yet."""
    if shares(connection):
        run(connection, "SELECT pg_advisory_xact_lock(?)", (_MIGRATING,))


def among(connection: Connection, column: str, values: Iterable[Any]) -> tuple[str, Any]:
    """A condition that a column is one of many values, and its parameter."""
    if shares(connection):
        return f"{column} = ANY(?)", list(values)
    return f"{column} IN (SELECT value FROM json_each(?))", _as_json(values)


def pairs(connection: Connection, values: Iterable[tuple[str, str]]) -> tuple[str, Row]:
    """A table `wanted` with the columns a and b, and its parameters."""
    if shares(connection):
        wanted = list(values)
        columns = [pair[0] for pair in wanted], [pair[1] for pair in wanted]
        return "unnest(CAST(? AS text[]), CAST(? AS text[])) AS wanted (a, b)", columns
    table = "SELECT json_extract(value, '$[0]') AS a, json_extract(value, '$[1]') AS b FROM json_each(?)"
    return f"({table}) AS wanted", (_as_json(values),)


def text_of(connection: Connection, column: str) -> str:
    """The text that a JSON object in a column has under a name, which is the expression's one parameter."""
    if shares(connection):
        return f"(CAST({column} AS json) ->> CAST(? AS text))"
    return f"(SELECT value FROM json_each({column}) WHERE key = ?)"


def telling(connection: Connection, column: str) -> str:
    """The end of an UPDATE that lets the other replicas hear of a column's new value once it is committed."""
    return f" RETURNING pg_notify('{CHANNEL}', CAST({column} AS text))" if shares(connection) else ""


# A column as one array: PostgreSQL runs one statement for all rows, in a third of the time of one for each.


@functools.cache
def _insert_from_arrays(table: Table, width: int) -> str:
    return f"INSERT INTO {table.name} ({_names(table, width)}) SELECT * FROM {_arrays(table, width)}"


@functools.cache
def _update_from_arrays(table: Table, key: str, keep: str) -> str:
    names = [column.name for column in table.columns if column.name not in (key, keep)]
    assignments = ", ".join(f'"{name}" = given."{name}"' for name in names)
    width = len(table.columns)
    source = f"{_arrays(table, width)} AS given ({_names(table, width)})"
    return f'UPDATE {table.name} SET {assignments} FROM {source} WHERE {table.name}."{key}" = given."{key}"'


def _arrays(table: Table, width: int) -> str:
    types = (column.type.compile(_POSTGRESQL) for column in itertools.islice(table.columns, width))
    return f"unnest({', '.join(f'CAST(? AS {kind}[])' for kind in types)})"


_POSTGRESQL: Final = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own


def _as_json(values: Iterable[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()


def _native(connection: Connection, sql: str) -> str:
    return _numbered(sql) if shares(connection) else sql


@functools.lru_cache(1000)
def _numbered(sql: str) -> str:
    numbers = itertools.count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", sql)
