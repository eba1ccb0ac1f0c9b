"""A backup of an SQLite ledger is whole, taken beside a writer, and put back only when it adds up."""

import shutil
import sqlite3

import pytest

from budget.domain.configuration import Rules
from budget.domain.errors import BudgetError, Conflict, Invalid, Unavailable
from budget.engine import backups, verification
from budget.engine.ledger import Ledger, Locked
from budget.engine.loading import Submission
from budget.storage.database import Database
from tests.engine.conftest import a_usage


@pytest.fixture
async def ledger(tmp_path, migrated_sqlite):
    shutil.copy(migrated_sqlite, tmp_path / "budget.db")
    ledger = Ledger(Database(f"sqlite:///{tmp_path / 'budget.db'}", synchronous="OFF"), rules=Rules())
    await ledger.start()
    yield ledger
    await ledger.stop()


async def _record(ledger, count=20):
    await ledger.submit_many([Submission(a_usage()) for _ in range(count)])


def _entries(url):
    return verification.verify(url)["entries"]


async def test_a_backup_taken_while_the_service_has_the_file_is_what_was_committed(ledger, tmp_path):
    await _record(ledger)
    report = backups.backup(ledger.database.url, tmp_path / "copy.db")
    await _record(ledger)
    assert report["entries"] == _entries(f"sqlite:///{tmp_path / 'copy.db'}") == _entries(ledger.database.url) - 20
    assert not list(tmp_path.glob("*.unfinished*"))


async def test_a_backup_never_overwrites(ledger, tmp_path):
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(Conflict):
        backups.backup(ledger.database.url, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"


async def test_a_restored_ledger_goes_on_from_the_backup_and_the_one_before_is_kept(ledger, tmp_path):
    url = ledger.database.url
    await _record(ledger)
    backed_up = backups.backup(url, tmp_path / "copy.db")["entries"]
    await _record(ledger)
    with pytest.raises(Locked):
        backups.restore(url, tmp_path / "copy.db")
    await ledger.stop()
    report = backups.restore(url, tmp_path / "copy.db")
    assert _entries(url) == backed_up == report["entries"]
    assert _entries(f"sqlite:///{report['before']}") == backed_up + 20


async def test_a_backup_that_was_altered_is_not_put_back(ledger, tmp_path):
    url = ledger.database.url
    await _record(ledger)
    backups.backup(url, tmp_path / "copy.db")
    await ledger.stop()
    entries = _entries(url)
    for sql in ("UPDATE balances SET used_tokens = used_tokens + 1", "UPDATE entries SET caller = 'x' WHERE seq = 9"):
        shutil.copy(tmp_path / "copy.db", tmp_path / "altered.db")
        with sqlite3.connect(tmp_path / "altered.db") as connection:
            connection.execute(sql)
        connection.close()
        with pytest.raises(BudgetError, match="does not add up"):
            backups.restore(url, tmp_path / "altered.db")
    (tmp_path / "nonsense.db").write_text("no database at all" * 100)
    with pytest.raises(Unavailable):
        backups.restore(url, tmp_path / "nonsense.db")
    assert _entries(url) == entries


def test_postgresql_has_its_own_tools(tmp_path):
    with pytest.raises(Invalid, match="pg_dump"):
        backups.backup("postgresql+asyncpg://u@h/d", tmp_path / "copy.db")
