"""PostgreSQL through asyncpg: one connection writes, a few read, one listens; every replica has these."""

import asyncio
import contextlib
import importlib.util
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, event, make_url
from sqlalchemy import exc as sqlalchemy_errors
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from budget.domain.errors import Invalid, NotFound, Unavailable
from budget.storage.failures import Collided, KeyTaken, OutcomeUnknown
from budget.storage.snapshots import LONG_READERS, Reader
from budget.storage.statements import CHANNEL

Result = TypeVar("Result")

CONNECT_TIMEOUT_SECONDS: Final = 5
COMMAND_TIMEOUT_SECONDS: Final = 30
"""A statement that takes longer is given up, so that a database that went silent is noticed."""

LISTEN_CHECK_SECONDS: Final = 5
CLOSE_SECONDS: Final = 5

_WRITER: Final = {
    # A plan made while a table was empty reads all of it, and would be kept when it has a million rows.
    "enable_seqscan": "off",
    "jit": "off",
    "lock_timeout": "20s",
    "idle_in_transaction_session_timeout": "60s",
}


_DRIVER_ERRORS: Final = (AsyncAdapt_asyncpg_dbapi.Error, sqlalchemy_errors.DBAPIError)
"""What the driver says of a statement, bare or wrapped by SQLAlchemy."""


class PostgreSQL:
    """A backend of `Database`: what runs in a transaction is an ordinary function, and the loop goes on while it waits.

    It runs on the loop rather than in a thread: a thread that wakes twenty times in a batch waits each time until the
    loop lets it run, which cost more than the batch.
    """

    path = None

    def __init__(self, url: str, *, readers: int) -> None:
        if importlib.util.find_spec("asyncpg") is None:
            raise Unavailable("PostgreSQL needs the extra: pip install 'tekton-budget[postgres]'")
        self._url = url
        self._readers_count = readers
        self._writer: AsyncEngine | None = None
        self._writes: set[asyncio.Task[Any]] = set()
        self._readers: AsyncEngine | None = None

    def lock(self) -> None:
        """Replicas share the database; the locks of each transaction keep them apart (rule 6.2)."""

    async def write(self, function: Callable[[Connection], Result]) -> Result:
        """Run in a transaction that sees what others commit, and commit: to the end, though the caller be cancelled."""
        if self._writer is None:
            self._writer = _engine(self._url, connections=1, writes=True)
        # A transaction that is cut leaves a useless connection, and a commit that may still come after the next.
        writing = asyncio.create_task(_write(self._writer, function))
        self._writes.add(writing)
        writing.add_done_callback(self._writes.discard)
        return await asyncio.shield(writing)

    async def read(self, function: Callable[[Connection], Result]) -> Result:
        """Run on one snapshot."""
        if self._readers is None:
            self._readers = _engine(self._url, connections=self._readers_count + LONG_READERS, writes=False)
        return await _read(self._readers, function)

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Reader]:
        """One snapshot for several readings, on a connection that is theirs until the end."""
        if self._readers is None:
            self._readers = _engine(self._url, connections=self._readers_count + LONG_READERS, writes=False)
        with _clear_errors():
            async with self._readers.connect() as connection, connection.begin():
                yield lambda function: _guarded(connection, function)

    def write_now(self, function: Callable[[Connection], Result]) -> Result:
        """`write`, on a connection of its own."""
        return _now(self._url, _write, function, writes=True)

    def read_now(self, function: Callable[[Connection], Result]) -> Result:
        """`read`, likewise."""
        return _now(self._url, _read, function, writes=False)

    async def listen(self, heard: Callable[[int], None]) -> None:
        """Hear of every commit to the journal; a lost connection is made anew. The journal is polled beside this."""
        import asyncpg  # noqa: PLC0415 -- an extra: only those who use PostgreSQL have it

        arguments = _connect_arguments(self._url)
        while True:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await asyncpg.connect(**arguments, timeout=CONNECT_TIMEOUT_SECONDS)
                try:
                    await connection.add_listener(CHANNEL, lambda *notice: heard(int(notice[-1])))
                    while True:
                        await asyncio.sleep(LISTEN_CHECK_SECONDS)
                        await connection.fetchval("SELECT 1", timeout=CONNECT_TIMEOUT_SECONDS)
                finally:
                    connection.terminate()
            await asyncio.sleep(1)

    def close(self) -> None:
        """What `write_now` and `read_now` open they close."""

    async def aclose(self) -> None:
        """Finish what was begun and close every connection; a server that went silent keeps nobody waiting."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*self._writes, return_exceptions=True)
                for engine in (self._writer, self._readers):
                    if engine is not None:
                        await engine.dispose()


def _engine(url: str, *, connections: int, writes: bool) -> AsyncEngine:
    settings = _WRITER if writes else {"jit": "off"}
    engine = create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
        execution_options={} if writes else {"postgresql_readonly": True},
        connect_args={
            "timeout": CONNECT_TIMEOUT_SECONDS,
            "command_timeout": COMMAND_TIMEOUT_SECONDS,
            "server_settings": {"application_name": "budget", **settings},
        },
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    return engine


async def _write(engine: AsyncEngine, function: Callable[[Connection], Result]) -> Result:
    with _clear_errors():
        async with engine.connect() as connection:
            transaction = await connection.begin()
            result = await _run(connection, function)
            try:
                await transaction.commit()
            except Exception as error:
                await connection.invalidate()
                raise OutcomeUnknown(result) from error
            return result


async def _read(engine: AsyncEngine, function: Callable[[Connection], Result]) -> Result:
    with _clear_errors():
        async with engine.begin() as connection:
            return await _run(connection, function)


def _now(
    url: str,
    run: Callable[[AsyncEngine, Callable[[Connection], Result]], Coroutine[Any, Any, Result]],
    function: Callable[[Connection], Result],
    *,
    writes: bool,
) -> Result:
    async def alone() -> Result:
        engine = _engine(url, connections=1, writes=writes)
        try:
            return await run(engine, function)
        finally:
            await engine.dispose()

    with ThreadPoolExecutor(1) as thread:  # the caller's thread may have a loop that is running
        return thread.submit(asyncio.run, alone()).result()


async def _guarded(connection: AsyncConnection, function: Callable[[Connection], Result]) -> Result:
    with _clear_errors():
        return await _run(connection, function)


async def _run(connection: AsyncConnection, function: Callable[[Connection], Result]) -> Result:
    try:
        return await connection.run_sync(function)
    except (*_DRIVER_ERRORS, OSError) as error:
        # Statements run on the driver's own cursor: SQLAlchemy does not see that a connection is of no use any more.
        if _is_closed(connection) or _state_of(error).startswith(_GONE):
            await connection.invalidate()
        raise


def _state_of(error: Exception) -> str:
    return getattr(getattr(error, "orig", None) or error, "sqlstate", None) or ""


def _is_closed(connection: AsyncConnection) -> bool:
    raw: Any = connection.sync_connection and connection.sync_connection.connection.driver_connection
    return raw is None or raw.is_closed()


def _prepare(connection: Any, _: Any) -> None:
    # All our NUMERIC columns, and sums of BIGINT, are whole numbers: read and sent as the integers they are.
    connection.run_async(
        lambda raw: raw.set_type_codec("numeric", schema="pg_catalog", encoder=str, decoder=int, format="text")
    )


def _connect_arguments(url: str) -> dict[str, Any]:
    parsed = make_url(url)
    _, arguments = parsed.get_dialect()().create_connect_args(parsed)
    return dict(arguments)


_COLLISIONS = ("40001", "40P01", "55P03")
"""Serialization failure, deadlock, a lock that did not come in time."""

_GONE = ("08", "0A", "25", "28", "3D", "53", "57", "58", "XX")
"""Classes of errors that are the server's, or pass: connection, a plan from before a migration, a transaction that was
ended or is read-only after a failover, log-in, database, resources, shutdown, system, internal."""

_TOO_LARGE = "22003"
_NOT_TEXT = "22021"
"""A text with a NUL in it, which PostgreSQL cannot keep: so nothing has that name. Bodies are refused before."""


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except OutcomeUnknown:
        raise
    except (OSError, TimeoutError, sqlalchemy_errors.TimeoutError) as error:
        raise Unavailable(f"the database cannot be reached: {str(error) or type(error).__name__}") from error
    except _DRIVER_ERRORS as error:
        cause = getattr(error, "orig", None) or error
        state = getattr(cause, "sqlstate", None)
        if state == "23505" and "uq_entries_idempotency_key" in str(cause):
            raise KeyTaken from error
        if state in _COLLISIONS:
            raise Collided from error
        if state == _TOO_LARGE:
            raise Invalid("cost", "sums cannot hold more than 2**63 - 1 tokens") from error
        if state == _NOT_TEXT:
            raise NotFound("there is nothing with a NUL in its name") from error
        if state is None or state.startswith(_GONE):
            raise Unavailable(f"the database cannot answer now: {str(cause).splitlines()[0]}") from error
        raise
