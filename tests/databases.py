"""The databases that tests run on: SQLite files, and databases of a real PostgreSQL that the tests start.

`BUDGET_TEST_POSTGRES_URL` (postgresql+asyncpg://…) names a server to use instead; its user must be allowed to make
databases.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url

from benchmarks import postgres_server
from budget.storage import migration
from budget.storage.database import Database

KINDS = ("sqlite", "postgresql")


class PostgresServer:
    """A PostgreSQL server, and the databases that tests make on it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._names = (f"budget_test_{os.getpid()}_{number}" for number in itertools.count())

    def new_database(self, template: str | None = None) -> str:
        """The URL of a new database: empty, or a copy of the one with this URL, which nobody may be using."""
        copied = "template1" if template is None else str(make_url(template).database)
        return postgres_server.new_database(self._url, next(self._names), copied)

    def drop(self, url: str) -> None:
        """Delete a database, whoever is connected."""
        postgres_server.execute(self._url, f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')


@contextmanager
def server() -> Iterator[PostgresServer]:
    """The server named by the environment, or one from a wheel until the tests end."""
    given = os.environ.get("BUDGET_TEST_POSTGRES_URL")
    if given:
        yield PostgresServer(given)
        return
    with postgres_server.running(settings=postgres_server.CARELESS) as url:
        yield PostgresServer(url)


def migrated(url: str) -> str:
    """The same URL, its tables made."""
    database = Database(url)
    database.write_now(migration.upgrade)
    database.close()
    return url
