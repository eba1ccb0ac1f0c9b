"""`budget sim`: what it prints, and its exit status."""

import json
import logging
import shlex

import pytest
import structlog

from budget import log
from budget.interfaces.cli.main import main
from budget.simulator.promises import PROMISES
from tests.simulator.planted import skip_the_held_part


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BUDGET_DB_PATH", str(tmp_path / "budget.db"))


@pytest.fixture(autouse=True)
def logging_as_it_was():
    level, before = logging.getLogger().level, structlog.get_config()
    yield
    log._install([], level, "text")
    structlog.configure(**before)


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_a_line_for_each_seed_and_a_summary(capsys):
    assert main(["sim", "--seed", "3", "--seeds", "2", "--steps", "5"]) == 0
    first, second, summary = lines(capsys)
    assert first.startswith("seed 3: 5 steps, ")
    assert "digest" in second
    assert summary.startswith("2 runs, ")
    assert summary.endswith("every promise kept")


def test_one_json_document(capsys):
    assert main(["sim", "--seeds", "2", "--steps", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["seeds"], found["broken"]) == (2, 0)
    assert [run["steps"] for run in found["runs"]] == [[1, 2, 3, 4]] * 2


def test_a_broken_promise_is_told_with_the_steps_that_break_it_and_a_command_that_shows_it_again(capsys, monkeypatch):
    skip_the_held_part(monkeypatch)
    seed = next(seed for seed in range(20) if main(["sim", "--seed", str(seed), "--no-shrink"]) == 1)
    lines(capsys)
    assert main(["sim", "--seed", str(seed)]) == 1
    told = lines(capsys)
    assert any(line.startswith("  P") and "): " in line for line in told)
    assert any(line.strip().startswith("expected") for line in told)
    (again,) = {line.split("again: ")[1] for line in told if "again: " in line}
    assert main(shlex.split(again)[1:]) == 1
    repeated = lines(capsys)
    assert [line for line in told if line.startswith("  step")] == [
        line for line in repeated if line.startswith("  step")
    ]


def test_a_broken_promise_in_json(capsys, monkeypatch):
    skip_the_held_part(monkeypatch)
    assert main(["sim", "--seeds", "20", "--no-shrink", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    failed = [run for run in found["runs"] if "broken" in run]
    assert len(failed) == found["broken"]
    assert failed[0]["broken"]["promise"] in PROMISES
    assert failed[0]["again"].startswith(f"budget sim --seed {failed[0]['seed']} --only 1,2,3")
    assert failed[0]["story"]


def test_it_leaves_no_database_of_the_service_behind(tmp_path):
    assert main(["sim", "--steps", "2"]) == 0
    assert not (tmp_path / "budget.db").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seed", "-1"],
        ["--steps", "0"],
        ["--steps", "many"],
        ["--only", "3,x"],
        ["--only", "3000000"],
        ["--seeds", ""],
    ],
    ids=" ".join,
)
def test_what_is_no_number_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["sim", *arguments])
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err
