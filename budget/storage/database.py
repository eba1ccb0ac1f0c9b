"""One database, reached in two ways: a single writer, and readers that never wait for it.

Functions that query take a SQLAlchemy `Connection` and are ordinary functions; where they run is each backend's affair:
on SQLite in threads (one for writing, a few for reading), on PostgreSQL on the event loop.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection as Connection  # noqa: PLC0414 -- what every storage function is given

from budget.storage.failures import Collided as Collided  # noqa: PLC0414 -- the ways in which a write fails
from budget.storage.failures import KeyTaken as KeyTaken  # noqa: PLC0414
from budget.storage.failures import Locked as Locked  # noqa: PLC0414
from budget.storage.failures import OutcomeUnknown as OutcomeUnknown  # noqa: PLC0414
from budget.storage.postgres import PostgreSQL
from budget.storage.snapshots import Reader
from budget.storage.sqlite import SQLite, file_of

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

READERS = 4


class Database:
    """An open database. `write` runs one function in one transaction, alone; `read` in a snapshot of its own."""

    def __init__(self, url: str, *, synchronous: str = "FULL") -> None:
        self.url = url
        self._backend: SQLite | PostgreSQL
        if url.startswith("postgresql"):
            self._backend = PostgreSQL(url, readers=READERS)
        else:
            self._backend = SQLite(url, readers=READERS, synchronous=synchronous)

    @staticmethod
    def file_of(url: str) -> Path:
        """The file of an SQLite URL."""
        return file_of(url)

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database."""
        return self._backend.path

    @property
    def is_shared(self) -> bool:
        """Whether other processes write to it too, so that a write waits for its turn."""
        return isinstance(self._backend, PostgreSQL)

    def lock(self) -> None:
        """Become an SQLite file's one writer, or raise `Locked` (rule 12.3); PostgreSQL has many."""
        self._backend.lock()

    async def write(
        self,
        function: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run in one transaction and commit it; raises `Unavailable` when the database cannot."""
        return await self._backend.write(lambda connection: function(connection, *args, **kwargs))

    async def read(
        self,
        function: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run on one snapshot; nothing it does can change the database."""
        return await self._backend.read(lambda connection: function(connection, *args, **kwargs))

    def snapshot(self) -> AbstractAsyncContextManager[Reader]:
        """One snapshot that several readings share: `async with database.snapshot() as read: await read(function)`.

        It holds a connection; whoever opens any sees to it that there are at most `LONG_READERS`.
        """
        return self._backend.snapshot()

    def write_now(
        self,
        function: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """`write`, for callers without an event loop."""
        return self._backend.write_now(lambda connection: function(connection, *args, **kwargs))

    def read_now(
        self,
        function: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """`read`, likewise."""
        return self._backend.read_now(lambda connection: function(connection, *args, **kwargs))

    async def listen(self, heard: Callable[[int], None]) -> None:
        """Tell `heard` the journal's newest number whenever another replica has written; until cancelled."""
        await self._backend.listen(heard)

    async def aclose(self) -> None:
        """Finish what runs, and let go of the database."""
        await self._backend.aclose()

    def close(self) -> None:
        """`aclose`, for callers without an event loop."""
        self._backend.close()
