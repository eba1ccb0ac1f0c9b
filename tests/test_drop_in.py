"""What a drop-in manager finds around it."""

import os
import shutil

import pytest

from budget import drop_in
from budget.adapters.apollo import TokenBudgetManager
from budget.adapters.rhetor import BudgetManager
from budget.app import open_ledger
from budget.client import BudgetClient, Unavailable
from budget.settings import SettingsError, load


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BUDGET_DB_PATH", str(tmp_path / "budget.db"))
    for name in ("BUDGET_DATABASE_URL", "TEKTON_ROOT", "TEKTON_DATA_DIR", "RHETOR_BUDGET_POLICY"):
        monkeypatch.delenv(name, raising=False)


def test_managers_of_one_process_share_its_ledger_and_the_last_one_closes_it(tmp_path):
    first, second = BudgetManager(), TokenBudgetManager()
    first.record_usage("openai", "gpt-4", "telos", "chat", 1, 1, 0.5)
    first.close()
    assert second.get_allocation("c") is None
    second.close()
    with BudgetManager() as third:
        assert third.get_current_usage_total() == 0.5
    assert drop_in._open == {}


def test_a_ledger_that_somebody_owns_is_reached_over_http(tmp_path, monkeypatch):
    monkeypatch.setenv("BUDGET_PORT", "9")  # nobody answers there
    owner = open_ledger(load(os.environ))
    owner.database.lock()
    found = drop_in.connect()
    assert isinstance(found._backend, BudgetClient)
    found.close()
    with pytest.raises(Unavailable, match=r"budget\.db"):
        drop_in.connect(tmp_path / "budget.db")
    owner.database.close()


def test_rhetors_variables_are_its_defaults(monkeypatch):
    monkeypatch.setenv("RHETOR_BUDGET_POLICY", "enforce")
    monkeypatch.setenv("RHETOR_BUDGET_DAILY_LIMIT", "2.5")
    monkeypatch.setenv("RHETOR_BUDGET_WEEKLY_LIMIT", "0")
    with BudgetManager() as manager:
        assert [manager.get_budget_limit(period) for period in ("daily", "weekly")] == [2.5, 0.0]
        assert manager.get_enforcement_policy("daily") == "enforce"
    monkeypatch.setenv("RHETOR_BUDGET_DAILY_LIMIT", "much")
    with pytest.raises(SettingsError, match="RHETOR_BUDGET_DAILY_LIMIT"):
        BudgetManager()


def test_a_place_of_its_own_gets_a_file_beside_the_old_ones_which_stay_as_they_are(new_database, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    for name in ("rhetor.db", "budget_policies.json"):
        (old / name).write_bytes(b"not to be touched")
    for name in ("rhetor.budget.db", "budget.db"):
        shutil.copy(new_database / "budget.db", old / name)
    with BudgetManager(str(old / "rhetor.db")) as rhetor, TokenBudgetManager(str(old)) as apollo:
        rhetor.set_budget_limit("daily", 1)
        assert len(apollo.get_budget_summary()) == 3
    assert {path.name for path in old.glob("*.db")} == {"rhetor.db", "rhetor.budget.db", "budget.db"}
    assert {(old / name).read_bytes() for name in ("rhetor.db", "budget_policies.json")} == {b"not to be touched"}
