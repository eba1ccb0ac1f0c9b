"""Every benchmark at its small size: the counts are right. Times are for `python -m benchmarks` to judge."""

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import load, runs
from benchmarks.service import Service

SMALL = runs.SCALES["small"]
PER_COMPARISON = (SMALL.rounds + 1) * SMALL.requests


def test_each_record_is_acknowledged_and_stored_once():
    assert runs.record(SMALL)["acknowledged"] == PER_COMPARISON


def test_each_allocation_is_acknowledged_and_stored_once():
    assert runs.allocate(SMALL)["acknowledged"] == PER_COMPARISON


def test_each_record_of_a_batch_is_acknowledged_and_stored_once():
    assert runs.batch(SMALL)["acknowledged"] == SMALL.batches * SMALL.batch


def test_a_grown_ledger_holds_what_was_acknowledged():
    figures = runs.grown(SMALL)
    assert figures["growth"]["acknowledged"] == SMALL.many + 2 * PER_COMPARISON
    assert set(figures["summary"]) >= {f"{name}_ratio" for name in runs.READS}


def test_a_missed_goal_is_said_and_fails():
    assert benchmarks.judge("record.ratio", 0.7, {"at_least": 0.7}) == (
        True,
        f"{'record.ratio':34}{0.7:>12}   at least 0.7",
    )
    for found, goal in ((0.69, {"at_least": 0.7}), (151.0, {"at_most": 150.0})):
        judged = benchmarks.judge("a figure", found, goal)
        assert judged is not None
        assert judged[0] is False
    assert benchmarks.judge("growth.resident_megabytes", None, {"at_most": 150}) is None


def test_answers_that_are_errors_are_counted_as_such(tmp_path):
    with Service(tmp_path) as service:
        plan = {"port": service.port, "path": "/api/usage/record", "body": '{"component":1}', "first": 0}
        answered = load.drive({**plan, "requests": 3, "connections": 2})
    assert answered["statuses"] == {"422": 3}
    with pytest.raises(AssertionError, match="422"):
        runs._expect(answered, "201", 3)
