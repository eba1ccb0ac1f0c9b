"""From the old files to the same answers: Rhetor's database and Apollo's folder, moved over by their managers."""

import json
import sqlite3
from typing import Any

import pytest

from budget.adapters.apollo import TokenBudgetManager
from budget.adapters.rhetor import BudgetManager

SCHEMA = """
CREATE TABLE usage (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT, provider TEXT, model TEXT, component TEXT,
    task_type TEXT, input_tokens INTEGER, output_tokens INTEGER, cost REAL, metadata TEXT);
CREATE TABLE budget_settings (id INTEGER PRIMARY KEY AUTOINCREMENT, period TEXT, provider TEXT, limit_amount REAL,
    enforcement TEXT, start_date TEXT, active INTEGER);
"""
ROW = ("2025-06-01T10:00:00.000001", "openai", "gpt-4", "telos", "chat", 10, 5, 0.0006, '{"streaming": true}')
POLICY = {
    "policy_id": "p-1",
    "type": "hard_limit",
    "period": "daily",
    "tier": "remote_heavyweight",
    "component": None,
    "task_type": None,
    "limit": 1000,
    "start_date": "2025-06-01T10:00:00",
    "enabled": True,
    "metadata": {"a": 1},
}
AS_DEFAULT = {
    **POLICY,
    "policy_id": "p-2",
    "type": "warn",
    "period": "hourly",
    "tier": "local_midweight",
    "limit": 500_000,
}


@pytest.fixture
def rhetor_file(tmp_path):
    path = tmp_path / "rhetor.db"
    with sqlite3.connect(path) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO usage VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ROW)
        settings = [("daily", "all", 0.5, "enforce"), ("weekly", "openai", 0.0, "enforce")]
        database.executemany(
            "INSERT INTO budget_settings VALUES (NULL, ?, ?, ?, ?, '2025-06-01T10:00:00', 1)", settings
        )
    database.close()
    return path


async def test_rhetors_rows_and_limits_are_as_they_were(backend, rhetor_file):
    manager = BudgetManager(str(rhetor_file), backend=backend, default_limits={})
    first, second = [await manager.migrate_from_rhetor() for _ in range(2)]
    assert first == {
        "success": True,
        "budgets_migrated": 1,
        "policies_migrated": 2,
        "usage_records_migrated": 1,
        "pricing_records_migrated": first["pricing_records_migrated"],
        "errors": [],
    }
    assert (second["success"], second["usage_records_migrated"], second["policies_migrated"]) == (True, 0, 0)
    (row,) = manager.get_usage("custom", start_date="2025-01-01")
    assert tuple(row.values())[1:-1] == ROW[:-1]
    assert row["metadata"] == {"streaming": True}
    assert [manager.get_budget_limit("daily"), manager.get_budget_limit("weekly", "openai")] == [0.5, 0.0]
    assert manager.get_enforcement_policy("weekly", "openai") == "enforce"
    manager.set_budget_limit("weekly", 3, "openai", "warn")
    assert manager.get_budget_limit("weekly", "openai") == 3.0


async def test_apollos_limits_are_as_they_were_and_take_the_place_of_its_defaults(backend, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "budget_policies.json").write_text(json.dumps([POLICY, AS_DEFAULT]))
    manager: Any = TokenBudgetManager(str(tmp_path / "old"), backend=backend)
    changed = manager.set_budget_limit("heavyweight", "hourly", 500)["policy_id"]
    moved = await manager.migrate_from_apollo()
    assert (moved["success"], moved["policies_migrated"], moved["errors"]) == (True, 2, [])
    found = manager.get_policy("p-1")
    assert (found.limit, found.type, found.start_date, found.metadata) == (
        1000,
        "hard_limit",
        POLICY["start_date"],
        {"a": 1},
    )
    assert [each.limit for each in manager.get_budget_summary()] == [1000]
    assert [each.limit for each in manager.get_budget_summary(period="hourly")] == [500_000, 500]
    assert [manager.get_policy(policy_id).limit for policy_id in (changed, "p-2")] == [500, 500_000]
    assert manager.update_policy("p-1", limit=900).limit == 900


async def test_what_cannot_be_moved_is_said(backend, tmp_path):
    (tmp_path / "nonsense.db").write_bytes(b"this is no database")
    moved = await BudgetManager(str(tmp_path / "nonsense.db"), backend=backend, default_limits={}).migrate_from_rhetor()
    assert (moved["success"], moved["usage_records_migrated"]) == (False, 0)
    assert "nonsense.db" in moved["errors"][0]
