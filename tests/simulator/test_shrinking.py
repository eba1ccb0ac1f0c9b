"""A failing run becomes a short one that breaks the same promise."""

import pytest

from budget.simulator.promises import Broken
from budget.simulator.running import Report, steps_of
from budget.simulator.shrinking import shrink
from tests.simulator.planted import skip_the_held_part


def a_run(steps, *, breaks, promise="P2"):
    """Breaks a promise at the last of these steps when all of them are done."""
    numbers = {step.number for step in steps}
    broken = Broken(promise, "what", 1, 2) if breaks <= numbers else None
    return Report(0, steps, "", 0, 0, broken, max(breaks) if broken else max(numbers, default=0))


@pytest.mark.parametrize("breaks", [{1}, {40}, {3, 17}, {3, 17, 18, 39}, set(range(10, 20))], ids=str)
def test_only_the_steps_that_matter_are_left(breaks):
    runs = []

    def run(steps):
        runs.append(steps)
        return a_run(steps, breaks=breaks)

    short = shrink(run(steps_of(0, range(1, 41))), run)
    assert {step.number for step in short.steps} == breaks
    assert len(runs) < 150


def test_a_run_that_breaks_another_promise_is_not_the_same_run():
    def run(steps):
        return a_run(steps, breaks={5, 9}) if len(steps) > 5 else a_run(steps, breaks={5}, promise="P9")

    short = shrink(run(steps_of(0, range(1, 31))), run)
    assert short.broken is not None
    assert short.broken.promise == "P2"


def test_the_number_of_runs_is_bounded():
    runs = []

    def run(steps):
        runs.append(steps)
        return a_run(steps, breaks=set(range(1, 500, 7)))

    shrink(run(steps_of(0, range(1, 501))), run, most_runs=50)
    assert len(runs) <= 52  # the failing one, and what it becomes, besides


def test_a_real_run_is_shortened_and_told(simulator, monkeypatch):
    skip_the_held_part(monkeypatch)
    failing = next(report for seed in range(50) if (report := simulator.run(seed, steps_of(seed, range(1, 31)))).broken)
    short = shrink(failing, lambda steps: simulator.run(failing.seed, steps), most_runs=40)
    assert len(short.steps) < len(failing.steps) / 2
    again = simulator.run(short.seed, short.steps)
    assert (again.digest, again.story) == (short.digest, short.story)
    assert any(line.startswith(f"step {short.at_step:>3}") and " allocate " in line for line in short.story)
