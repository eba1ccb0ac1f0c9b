"""A ledger moves between SQLite and PostgreSQL and back, and is the same one there."""

from decimal import Decimal

import pytest

from budget.domain.errors import Conflict, Invalid, NotFound
from budget.engine import copying
from budget.storage import journal, statements, tables
from budget.storage.database import Database, Locked


@pytest.fixture
async def filled(book):
    """A book with something of everything, closed."""
    await book.price()
    await book.policy("warn", "daily", cost_limit="0.001", thresholds=(Decimal("0.5"),))
    await book.policy("hard_limit", "per_session", token_limit=2000)
    hold = await book.hold(500)
    await book.record(100, 20, allocation_id=hold.allocation_id)
    await book.settle(hold)
    await book.record(200, 90, model="unpriced", tags={"team": "blue"})
    await book.refusal(tokens=1_000_000)
    await book.ledger.stop()
    yield book.ledger.database.url
    await book.restart()


@pytest.fixture
def elsewhere(filled, tmp_path, postgres):
    """The URL of an empty database of the other kind."""
    if filled.startswith("sqlite"):
        url = postgres.new_database()
        yield url
        postgres.drop(url)
    else:
        yield f"sqlite:///{tmp_path / 'other.db'}"


def _rows(table):
    return f"SELECT * FROM {table.name} ORDER BY {', '.join(column.name for column in table.primary_key)}"


def everything(url):
    database = Database(url)
    try:
        return {
            table.name: [tuple(row) for row in database.read_now(statements.run, _rows(table))]
            for table in tables.metadata.sorted_tables
        }
    finally:
        database.close()


def test_a_copy_holds_the_same_rows_and_verifies_on_both_sides(filled, elsewhere):
    found = copying.copy(filled, elsewhere)
    assert found["source"] == found["target"]
    assert found["target"]["differences"] == 0
    assert found["rows"]["usage_records"] == 3
    assert everything(filled) == everything(elsewhere)


def test_a_copy_goes_on_where_the_first_one_stopped(filled, elsewhere):
    copying.copy(filled, elsewhere)
    heads = []
    for url in (filled, elsewhere):
        database = Database(url)
        heads.append(database.read_now(journal.head))
        database.close()
    assert heads[0] == heads[1]


def test_a_target_that_is_not_empty_is_left_alone(filled, elsewhere):
    copying.copy(filled, elsewhere)
    before = everything(elsewhere)
    with pytest.raises(Conflict, match="a ledger already"):
        copying.copy(filled, elsewhere)
    assert everything(elsewhere) == before


def test_a_source_that_is_not_there_is_said(tmp_path):
    with pytest.raises(NotFound, match="no database"):
        copying.copy(f"sqlite:///{tmp_path / 'none.db'}", f"sqlite:///{tmp_path / 'b.db'}")


def test_a_running_service_keeps_its_file(tmp_path, migrated_sqlite):
    running = Database(f"sqlite:///{migrated_sqlite}")
    running.lock()
    with pytest.raises(Locked):
        copying.copy(running.url, f"sqlite:///{tmp_path / 'b.db'}")
    running.close()


def test_between_two_postgresql_databases_there_are_better_tools(migrated_postgres):
    with pytest.raises(Invalid, match="pg_dump"):
        copying.copy(migrated_postgres, migrated_postgres)
