"""Migrations: up, down, up; and what they make is what the code expects."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from budget.storage import migration, tables


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'budget.db'}"


def _tables(url):
    return set(inspect(create_engine(url, poolclass=NullPool)).get_table_names())


def test_an_empty_database_is_at_no_revision(url):
    assert migration.current(url) is None


def test_up_down_and_up_again(url):
    migration.upgrade(url)
    everything = _tables(url)
    command.downgrade(migration.configuration(url), "base")
    assert _tables(url) == {"alembic_version"}
    migration.upgrade(url)
    assert _tables(url) == everything
    assert migration.current(url) == migration.newest()


def test_the_migrated_schema_equals_the_tables_of_the_code(url):
    migration.upgrade(url)
    with create_engine(url, poolclass=NullPool).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_upgrading_what_is_up_to_date_changes_nothing(url):
    migration.upgrade(url)
    migration.upgrade(url)
    assert migration.current(url) == migration.newest()
