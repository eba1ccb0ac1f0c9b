"""What holds for a database of either kind, and what SQLite alone promises."""

import asyncio
import shutil
import sqlite3

import pytest

from budget.domain.errors import Invalid, Unavailable
from budget.storage import statements
from budget.storage.database import Database, Locked

VERSION = "SELECT version FROM configuration"


@pytest.fixture
async def either(database_url):
    database = Database(database_url)
    yield database
    await database.aclose()


@pytest.fixture
def database(migrated_sqlite, tmp_path):
    shutil.copy(migrated_sqlite, tmp_path / "budget.db")
    database = Database(f"sqlite:///{tmp_path / 'budget.db'}")
    yield database
    database.close()


def test_a_file_has_one_writer(database):
    database.lock()
    other = Database(database.url)
    with pytest.raises(Locked, match="another Budget runs"):
        other.lock()
    other.close()


def test_a_closed_database_gives_its_file_back(database):
    database.lock()
    database.close()
    other = Database(database.url)
    other.lock()
    other.close()


async def test_a_reader_cannot_write(either):
    with pytest.raises(Exception, match=r"read-?only"):
        await either.read(statements.run, "DELETE FROM budgets")


async def test_a_write_that_has_begun_is_finished_though_its_caller_goes_away(either):
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def write(connection):
        loop.call_soon_threadsafe(begun.set)
        statements.run(connection, "UPDATE configuration SET version = 2")

    writing = asyncio.create_task(either.write(write))
    await begun.wait()
    writing.cancel()
    await asyncio.wait([writing])
    await either.write(statements.run, "UPDATE configuration SET version = version + 1")
    assert await either.read(statements.value, VERSION) == 3


async def test_a_write_that_fails_leaves_nothing(either):
    def write(connection):
        statements.run(connection, "UPDATE configuration SET version = 99")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 -- the very one raised above
        await either.write(write)
    assert await either.read(statements.value, VERSION) == 1


async def test_a_reader_sees_one_moment_while_the_writer_goes_on(either):
    def look_twice(connection):
        first = statements.value(connection, VERSION)
        either.write_now(statements.run, "UPDATE configuration SET version = version + 1")
        return first, statements.value(connection, VERSION)

    first, second = await either.read(look_twice)
    assert first == second
    assert await either.read(statements.value, VERSION) == first + 1


async def test_what_was_written_survives_as_sqlite_says(database):
    modes = await database.read(
        lambda connection: [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("journal_mode", "synchronous")
        ]
    )
    assert modes == ["wal", 2]  # 2: FULL


@pytest.mark.parametrize("content", [b"not a database at all, but a text file of some length" * 40])
def test_a_file_that_is_no_database_is_said_in_one_line(tmp_path, content):
    path = tmp_path / "budget.db"
    path.write_bytes(content)
    other = Database(f"sqlite:///{path}")
    with pytest.raises(Unavailable, match="not a database"):
        other.read_now(lambda connection: None)
    other.close()


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot make a folder"):
        Database(f"sqlite:///{tmp_path / 'file' / 'budget.db'}")


async def test_a_locked_file_is_unavailable_not_an_unknown_error(database, monkeypatch):
    monkeypatch.setattr("budget.storage.sqlite.BUSY_TIMEOUT_SECONDS", 0)
    other = sqlite3.connect(database.path, timeout=0)
    quick = Database(database.url)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await quick.write(lambda connection: None)
    other.rollback()
    other.close()
    quick.close()


def test_a_rollup_that_would_leave_64_bits_is_refused_rather_than_rounded(database):
    from budget.storage import statements, tables

    row = ("hour", 0, 1, *([2**62] * len(tables.MEASURES)))
    database.write_now(lambda connection: statements.add_to_rows(connection, tables.rollups, [row]))
    with pytest.raises(Invalid, match="92 million"):
        database.write_now(lambda connection: statements.add_to_rows(connection, tables.rollups, [row, row]))
