"""Migrations: up, down, up; and what they make is what the code expects."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from budget.storage import migration, tables
from budget.storage.database import Database
from tests import databases


@pytest.fixture(params=databases.KINDS)
def empty(request, tmp_path):
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    database = Database(server.new_database() if server else f"sqlite:///{tmp_path / 'budget.db'}")
    yield database
    database.close()
    if server:
        server.drop(database.url)


def _tables(connection):
    return set(inspect(connection).get_table_names())


def test_an_empty_database_is_at_no_revision(empty):
    assert empty.read_now(migration.current) is None


def test_up_down_and_up_again(empty):
    empty.write_now(migration.upgrade)
    everything = empty.read_now(_tables)
    empty.write_now(lambda connection: command.downgrade(migration.configuration(connection), "base"))
    assert empty.read_now(_tables) == {"alembic_version"}
    empty.write_now(migration.upgrade)
    assert empty.read_now(_tables) == everything
    assert empty.read_now(migration.current) == migration.newest()


def test_the_migrated_schema_equals_the_tables_of_the_code(empty):
    empty.write_now(migration.upgrade)
    compare = lambda connection: compare_metadata(MigrationContext.configure(connection), tables.metadata)
    assert empty.read_now(compare) == []


def test_upgrading_what_is_up_to_date_changes_nothing(empty):
    empty.write_now(migration.upgrade)
    empty.write_now(migration.upgrade)
    assert empty.read_now(migration.current) == migration.newest()
