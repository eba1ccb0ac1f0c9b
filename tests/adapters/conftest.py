"""The two ways to Budget that the old managers' successors know: a ledger in this process, a service on a socket."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from budget import app as wiring
from budget import settings
from budget.client import BudgetClient
from budget.client.account import Backend
from budget.client.in_process import InProcess
from tests.serving import serving


@pytest.fixture(params=["in process", "over HTTP"])
def backend(request: pytest.FixtureRequest, new_database: Path, tmp_path: Path) -> Iterator[Backend]:
    """A way to a fresh Budget."""
    if request.param == "over HTTP":
        with serving(new_database, tmp_path) as running:
            client = BudgetClient(running.address)
            yield client
            client.close()
        return
    shutil.copytree(new_database, tmp_path, dirs_exist_ok=True)
    read = settings.load({"BUDGET_DB_PATH": str(tmp_path / "budget.db"), "HOME": str(tmp_path)})
    ledger = InProcess(wiring.open_ledger(read))
    yield ledger
    ledger.close()
