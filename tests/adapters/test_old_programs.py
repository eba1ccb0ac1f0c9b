"""Programs of the old managers' callers, their import line replaced and nothing else: alone, and beside a service."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.service import ROOT, Service
from budget.engine.verification import verify

RHETOR = Path(__file__).with_name("old_rhetor_caller.py")
APOLLO = Path(__file__).with_name("old_apollo_caller.py")


def run(program: Path, environment: dict[str, str], *arguments: str) -> list:
    command = [sys.executable, "-W", "error", str(program), *arguments]
    given = {"PYTHONPATH": str(ROOT), "PATH": "", **environment}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    answer: list = json.loads(done.stdout)
    return answer


def alone(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "BUDGET_DB_PATH": str(tmp_path / "own.db")}


APOLLOS_ANSWERS = [4000, 4000, False, None, [5000], 4000]


def judge_rhetor(answers: list) -> None:
    first, second, reason, count = answers
    assert (first["model"], first["warnings"]) == ("claude-3-opus-20240229", [])
    assert first["cost"] > 0
    assert (second["model"], second["warnings"]) == ("llama3", ["Budget limit exceeded. Using the free model llama3"])
    assert (reason, count) == ("Daily budget limit exceeded", 2)


def test_both_programs_run_one_after_the_other_on_a_ledger_of_their_own(new_database, tmp_path):
    shutil.copy(new_database / "budget.db", tmp_path / "own.db")
    judge_rhetor(run(RHETOR, alone(tmp_path)))
    assert run(APOLLO, alone(tmp_path)) == APOLLOS_ANSWERS
    assert verify(f"sqlite:///{tmp_path / 'own.db'}")["differences"] == 0


def test_both_programs_find_the_service_that_owns_the_ledger(new_database, tmp_path):
    shutil.copy(new_database / "budget.db", tmp_path / "budget.db")
    with Service(tmp_path) as service:
        environment = {
            "HOME": str(tmp_path),
            "BUDGET_DATABASE_URL": service.database_url,
            "BUDGET_PORT": str(service.port),
        }
        judge_rhetor(run(RHETOR, environment))
        assert run(APOLLO, environment) == APOLLOS_ANSWERS
    assert service.verify()["differences"] == 0
