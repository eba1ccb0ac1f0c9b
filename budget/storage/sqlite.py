"""SQLite: a file that one process owns, one connection that writes and a few that read."""

import asyncio
import contextlib
import contextvars
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy import exc as sqlalchemy_errors
from sqlalchemy.pool import QueuePool

from budget.domain.errors import Invalid, Unavailable
from budget.storage.failures import KeyTaken, Locked
from budget.storage.snapshots import LONG_READERS, Reader

Result = TypeVar("Result")

BUSY_TIMEOUT_SECONDS = 10
CACHE_KIBIBYTES = 32 * 1024


class SQLite:
    """A backend of `Database`: one thread writes, a few read."""

    def __init__(self, url: str, *, readers: int, synchronous: str) -> None:
        self.path = file_of(url)
        self._lock_file: IO[str] | None = None
        self._writer = _engine(self.path, synchronous, connections=1, writes=True)
        self._readers = _engine(self.path, synchronous, connections=readers + LONG_READERS, writes=False)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="budget-writer")
        self._reading = ThreadPoolExecutor(readers, thread_name_prefix="budget-reader")

    def lock(self) -> None:
        """Become the file's one writer, or raise `Locked` (rule 12.3)."""
        # SQLite opens a file that may not be written all the same, and says so at the first change only.
        if self.path.exists() and not os.access(self.path, os.W_OK):
            raise Unavailable(f"the database {self.path} is read-only for this user: give the right to write to it")
        lock_path = Path(f"{self.path}.lock")
        try:
            lock_path.parent.mkdir(parents=True, exist_ok=True)
            lock_file = lock_path.open("w")
        except OSError as error:
            raise Unavailable(f"cannot write {lock_path}: {error.strerror}") from error
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock_file.close()
            raise Locked(
                f"another Budget runs on {self.path}: stop it, or give this one a file of its own with BUDGET_DB_PATH"
            ) from None
        self._lock_file = lock_file

    async def write(self, function: Callable[[Connection], Result]) -> Result:
        """Run in a transaction that holds the file's lock from its start, and commit."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, self.write_now, function)

    async def read(self, function: Callable[[Connection], Result]) -> Result:
        """Run on one snapshot."""
        told = contextvars.copy_context()  # what the thread logs belongs to the same request
        return await asyncio.get_running_loop().run_in_executor(self._reading, told.run, self.read_now, function)

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Reader]:
        """One snapshot for several readings, on a connection that is theirs until the end."""
        loop = asyncio.get_running_loop()

        def run(function: Callable[[Connection], Result]) -> Result:
            with _clear_errors(self.path):
                return function(connection)

        def open_one() -> Connection:
            with _clear_errors(self.path):
                connection = self._readers.connect()
                connection.begin()
                return connection

        connection = await loop.run_in_executor(self._reading, open_one)
        try:
            yield lambda function: loop.run_in_executor(self._reading, run, function)
        finally:
            await loop.run_in_executor(self._reading, connection.close)

    def write_now(self, function: Callable[[Connection], Result]) -> Result:
        """`write`, in this thread."""
        with _clear_errors(self.path), self._writer.begin() as connection:
            return function(connection)

    def read_now(self, function: Callable[[Connection], Result]) -> Result:
        """`read`, in this thread."""
        with _clear_errors(self.path), self._readers.begin() as connection:
            return function(connection)

    async def listen(self, heard: Callable[[int], None]) -> None:
        """Nobody else writes to the file: there is nothing to hear."""

    async def aclose(self) -> None:
        """Finish what runs, and give the file back."""
        self.close()

    def close(self) -> None:
        """`aclose`, for callers without an event loop."""
        self._writing.shutdown()
        self._reading.shutdown()
        self._readers.dispose()
        self._writer.dispose()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None


def file_of(url: str) -> Path:
    """The file of an SQLite URL."""
    return Path(make_url(url).database or "budget.db").expanduser()


def _engine(path: Path, synchronous: str, *, connections: int, writes: bool) -> Engine:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"cannot make a folder for the database {path}: {error.strerror}") from error
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        # A checkpoint copies every changed page once more: seldom is cheaper, and 80 MB of log is little.
        cursor.execute("PRAGMA wal_autocheckpoint=20000")
        cursor.execute(f"PRAGMA cache_size={-CACHE_KIBIBYTES if writes else -CACHE_KIBIBYTES // 8}")
        if not writes:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # IMMEDIATE: the lock is taken before anything is read, so what was read stays true until the commit.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


_NO_DATABASE = ("not a database", "malformed")
"""What SQLite says of a file that is something else, or damaged."""


@contextlib.contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, sqlalchemy_errors.OperationalError, sqlalchemy_errors.TimeoutError) as error:
        raise Unavailable(f"the database {path} cannot answer now: {_cause(error)}") from error
    except sqlite3.IntegrityError as error:
        if "entries.idempotency_key" in str(error):
            raise KeyTaken from error
        if "whole_numbers" not in str(error):
            raise
        raise Invalid("cost", "sums cannot hold more than 92 million dollars or 2**63 - 1 tokens") from error
    except (sqlite3.DatabaseError, sqlalchemy_errors.DatabaseError) as error:
        if not any(sign in str(error) for sign in _NO_DATABASE):
            raise
        raise Unavailable(f"the database {path} cannot be read: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
