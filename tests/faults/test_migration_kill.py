"""`kill -9` in the middle of a migration, again and again: the end is that of one that nobody disturbed."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from budget.engine.verification import verify
from budget.storage import statements
from budget.storage.database import Database
from tests import old_ledgers

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("migration_until_killed.py")
KILLS = 20
SEED = "20261124"


def rows(url, sql):
    database = Database(url)
    try:
        return [tuple(row) for row in database.read_now(statements.run, sql)]
    finally:
        database.close()


def test_a_migration_killed_at_twenty_random_steps_ends_as_one_that_was_not(database_url, tmp_path):
    sources = old_ledgers.copied(tmp_path, "rhetor/budget.db", "rhetor/rhetor.db")
    done = subprocess.run(
        [sys.executable, str(PROGRAM), database_url, str(KILLS), SEED, *sources],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads(done.stdout)
    assert said["died"] == KILLS
    report, facts = said["report"], old_ledgers.EXPECTED["rhetor_combined"]
    assert report["state"] == "complete"
    assert [source["usage"]["imported"] for source in report["sources"]] == [150, 409]
    assert sum(Decimal(source["totals"]["cost"]) for source in report["sources"]) == Decimal(
        facts["usage"]["cost_exact"]
    )
    assert [source["policies"]["imported"] for source in report["sources"]] == [0, 8]
    found = rows(database_url, "SELECT provider, COUNT(*) FROM usage_records GROUP BY provider")
    assert dict(found) == {each["provider"]: each["rows"] for each in facts["usage"]["by_provider"]}
    assert rows(database_url, "SELECT COUNT(*) FROM migrations") == [(1,)]
    assert verify(database_url)["differences"] == 0
