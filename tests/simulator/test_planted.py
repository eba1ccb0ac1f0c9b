"""A simulator that finds nothing proves nothing: it finds each of these bugs, within 200 seeds."""

import pytest

from tests.simulator.planted import BUGS, MOST_SEEDS, STEPS, first_found

pytestmark = pytest.mark.load


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_a_planted_bug_is_found(simulator, bug):
    report = first_found(simulator, bug)
    assert report is not None, f"not within {MOST_SEEDS} seeds of {STEPS} steps"
