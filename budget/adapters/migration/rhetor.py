"""Rhetor's database: its records and its limits, translated row by row."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from budget.adapters.migration import rhetor_limits, snapshots
from budget.adapters.migration.old_texts import real_path
from budget.adapters.migration.rhetor_usage import COLUMNS, Translator
from budget.domain.migrations import FoundPolicy, Holds, Rejected, SourceFailed, SourceMissing, Usage

TOGETHER = 5000
"""Rows in memory at a time."""

NAMES = ("budget.db", "rhetor.db")
_MAGIC = b"SQLite format 3\0"
_TABLES = {"usage": COLUMNS, "budget_settings": rhetor_limits.COLUMNS}


class Database:
    """A file that should be Rhetor's."""

    def __init__(self, path: str, *, named: bool = True) -> None:
        self.path = path
        self.named = named

    def open(self, zone: str, now: int) -> "Opened":
        """Copy it, and look whether it is whole and Rhetor's; `SourceFailed` when it is not."""
        del now
        path = Path(real_path(self.path))
        if not os.path.isfile(path):  # noqa: PTH113 -- unlike Path's it takes any text
            raise SourceMissing("there is no such file")
        with contextlib.ExitStack() as stack:
            try:
                copy = stack.enter_context(snapshots.private_copy(path))
                connection = sqlite3.connect(copy, check_same_thread=False)
            except OSError as error:
                raise SourceFailed(f"it cannot be read: {error.strerror}") from error
            stack.callback(connection.close)
            connection.text_factory = _text
            with _malformed():
                tables = _check(connection, copy)
            return Opened(connection, tables, zone, stack.pop_all())


class Opened:
    """The copy of a database of Rhetor's."""

    def __init__(
        self, connection: sqlite3.Connection, tables: set[str], zone: str, stack: contextlib.ExitStack
    ) -> None:
        self.notes: list[str] = []
        self.is_whole = True
        self._connection = connection
        self._tables = tables
        self._zone = zone
        self._stack = stack
        if not tables:
            self.notes.append("it has no tables: nothing was ever written to it")

    def usage(self) -> Iterator[tuple[str, list[Usage]]]:
        """The table `usage`, in the order of its ids, which is that of the clock but for one hour in autumn."""
        if "usage" not in self._tables:
            return
        translator = Translator(self._zone)
        cursor = self._connection.execute(f"SELECT {', '.join(COLUMNS)} FROM usage ORDER BY id")  # noqa: S608 -- ours
        while rows := self._fetch(cursor):
            yield "", [translator.translate(row) for row in rows]
        self.notes.extend(translator.notes())

    def _fetch(self, cursor: sqlite3.Cursor) -> list[Any]:
        with _malformed():
            return cursor.fetchmany(TOGETHER)

    def holds(self) -> Iterator[tuple[str, list[Holds]]]:
        """Rhetor had none."""
        return iter(())

    def policies(self) -> Iterable[FoundPolicy | Rejected]:
        """The table `budget_settings`: each row is a limit, or history."""
        if "budget_settings" not in self._tables:
            return
        columns = ", ".join(rhetor_limits.COLUMNS)
        with _malformed():
            rows = self._connection.execute(f"SELECT {columns} FROM budget_settings ORDER BY id").fetchall()  # noqa: S608 -- ours
        yield from rhetor_limits.translate(rows)

    def close(self) -> None:
        """Delete the copy."""
        self._stack.close()


def sources(paths: Sequence[str], default_places: Sequence[str]) -> list[Database]:
    """The databases at these paths, a folder standing for those in it; without any, the usual places."""
    if not paths:
        return [Database(place, named=False) for place in default_places]
    found: dict[str, Database] = {}
    for path in paths:
        inside = [f"{path}/{name}" for name in NAMES if os.path.isfile(real_path(f"{path}/{name}"))]  # noqa: PTH113
        for each in inside or [path]:
            found.setdefault(real_path(each), Database(each))
    return list(found.values())


def _check(connection: sqlite3.Connection, copy: Path) -> set[str]:
    """Rhetor's tables that are there."""
    with copy.open("rb") as file:
        head = file.read(len(_MAGIC))
    if head not in (b"", _MAGIC):  # SQLite takes a file of a few bytes for an empty database
        raise SourceFailed("it cannot be read: file is not a database")
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise SourceFailed(f"it is damaged: {verdict}")
    ours = tables & set(_TABLES)
    if not ours and tables - {"sqlite_sequence"}:
        raise SourceFailed(f"it is not Rhetor's: it has the tables {', '.join(sorted(tables)[:5])}")
    for table in ours:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if missing := set(_TABLES[table]) - columns:
            raise SourceFailed(f"it is not Rhetor's: table {table} has no {', '.join(sorted(missing))}")
    return ours


@contextlib.contextmanager
def _malformed() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise SourceFailed(f"it cannot be read: {error}") from error


def _text(raw: bytes) -> str:
    # What is no UTF-8 comes as halves of characters, which the translation notices.
    return raw.decode("utf-8", "surrogateescape")
