"""The same runs on a real PostgreSQL, with one process and with two that take turns."""

import asyncio
import os

import asyncpg
import pytest
from sqlalchemy.util import await_only

from budget.simulator.faults import FaultyDatabase
from budget.simulator.running import run, start_once, steps_of
from budget.storage import journal
from tests.simulator.planted import around

FULL = os.environ.get("BUDGET_TEST_FULL") == "1"
SEEDS = 100 if FULL else 3
STEPS = 30


class OnServer:
    """The database of one run, on a server. Who is killed there hangs up in the middle of a transaction."""

    def __init__(self, server, template):
        self.server = server
        self.url = server.new_database(template)

    def open(self):
        return FaultyDatabase(self.url, self)

    def prepare(self, connection):
        """The server needs nothing."""

    def kill(self, connection):
        if connection is not None:
            connection.connection.driver_connection.terminate()

    def hold_up(self, resume):
        await_only(resume.wait())

    async def until_it_waits(self, other):
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        connection = await asyncpg.connect(self.url.replace("+asyncpg", ""), timeout=5)
        try:
            while not (other.done() or await connection.fetchval(asked)):
                pass
        finally:
            await connection.close()

    def discard(self):
        self.server.drop(self.url)


@pytest.fixture(scope="session")
def started(postgres, migrated_postgres):
    """A database as the first start leaves it."""
    store = OnServer(postgres, migrated_postgres)
    asyncio.run(start_once(store))
    return store.url


def steps(seed):
    return steps_of(seed, range(1, STEPS + 1))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_run_on_postgresql_is_the_same_run_as_on_sqlite(simulator, postgres, started, seed):
    report = asyncio.run(run(OnServer(postgres, started), seed, steps(seed)))
    assert report.broken is None, report.broken
    on_sqlite = simulator.run(seed, steps(seed))
    assert (report.commands, report.kills) == (on_sqlite.commands, on_sqlite.kills)


@pytest.mark.parametrize("seed", range(1000, 1000 + SEEDS))
def test_two_processes_on_postgresql_keep_the_promises(postgres, started, seed):
    report = asyncio.run(run(OnServer(postgres, started), seed, steps(seed), processes=2))
    assert report.broken is None, report.broken


def test_on_postgresql_balances_that_are_not_locked_are_found(postgres, started, monkeypatch):
    """One process decides on a balance as it was, while another changes it."""
    around(monkeypatch, journal, "take_turn", lambda _real, _connection: None)
    reports = (asyncio.run(run(OnServer(postgres, started), seed, steps(seed), processes=2)) for seed in range(200))
    assert any(report.broken is not None for report in reports)
