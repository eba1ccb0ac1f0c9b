"""Runs from seeds: every promise is kept, and a run can be repeated."""

import json
import os
import subprocess
import sys

import pytest

from budget.simulator.running import steps_of

SEEDS = 2000 if os.environ.get("BUDGET_TEST_FULL") == "1" else 300
STEPS = 30


def steps(seed, upto=STEPS):
    return steps_of(seed, range(1, upto + 1))


@pytest.mark.load
def test_no_seed_breaks_a_promise():
    """As anybody would run them, in processes of their own."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("BUDGET_", "TEKTON_", "COVERAGE_"))
    }
    half = SEEDS // 2
    arguments = ["sim", "--seeds", str(half), "--steps", str(STEPS), "--json", "--seed"]
    running = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "budget", *arguments, str(first)], env=kept, stdout=subprocess.PIPE, text=True
        )
        for first in (0, half)
    ]
    found = [json.loads(process.communicate()[0]) for process in running]
    assert [run for runs in found for run in runs["runs"] if "broken" in run] == []
    assert sum(runs["seeds"] for runs in found) == SEEDS
    kills = sum(run["kills"] for runs in found for run in runs["runs"])
    assert kills > SEEDS, "the runs are not what they should be: hardly anybody died"


def test_two_processes_that_take_turns_on_one_database_keep_the_promises(simulator):
    reports = [simulator.run(seed, steps(seed), processes=2) for seed in range(10)]
    assert [str(report.broken) for report in reports if report.broken is not None] == []


def test_a_run_repeated_gives_the_same_digest(simulator):
    first, again, other = simulator.run(7, steps(7)), simulator.run(7, steps(7)), simulator.run(8, steps(8))
    assert first == again
    assert first.digest != other.digest


def test_leaving_out_a_step_leaves_the_others_as_they_were():
    assert [step for step in steps_of(3, range(1, 20)) if step.number in (2, 11)] == list(steps_of(3, [11, 2]))


def test_the_first_steps_of_a_long_run_are_those_of_a_short_one():
    assert steps(5, 40)[:10] == steps(5, 10)
