"""Every benchmark at its small size: the counts are right. Times are for `python -m benchmarks` to judge."""

import dataclasses

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import adapters, cli, dashboard, fanout, load, mcp, migrate, replicas, runs
from benchmarks.service import Service

SMALL = runs.SCALES["small"]
PER_COMPARISON = (SMALL.rounds + 1) * SMALL.requests


def test_each_record_is_acknowledged_and_stored_once():
    assert runs.record(SMALL)["acknowledged"] == PER_COMPARISON


def test_each_allocation_is_acknowledged_and_stored_once():
    assert runs.allocate(SMALL)["acknowledged"] == PER_COMPARISON


def test_each_record_of_a_batch_is_acknowledged_and_stored_once():
    assert runs.batch(SMALL)["acknowledged"] == SMALL.batches * SMALL.batch


def test_each_command_of_one_and_two_replicas_is_stored_once():
    figures = replicas.postgres(SMALL)
    for name in ("one_record", "one_allocate", "two_record", "two_allocate"):
        assert figures[f"{name}_acknowledged"] == PER_COMPARISON


def test_each_listener_hears_each_event_once_and_each_record_is_stored():
    heard = fanout.fanout(SMALL)
    assert (heard["received"], heard["out_of_order"]) == (SMALL.listeners * SMALL.events, 0)
    assert heard["acknowledged"] == SMALL.events + (SMALL.rounds + 1) * 2 * SMALL.requests


def test_a_grown_ledger_holds_what_was_acknowledged():
    figures = runs.grown(SMALL)
    assert figures["growth"]["acknowledged"] == SMALL.many + 2 * PER_COMPARISON
    assert set(figures["summary"]) >= {f"{name}_ratio" for name in runs.READS}


def test_each_record_by_message_and_by_tool_is_stored_once():
    figures = mcp.mcp(dataclasses.replace(SMALL, rounds=1))
    assert figures["acknowledged"] == (1 + len(mcp.WAYS)) * 2 * SMALL.requests
    assert all(figures[f"{name}_ratio"] > 0 for name in mcp.WAYS)


def test_each_call_of_an_adapter_is_measured_both_ways_and_the_ledger_is_right_after():
    figures = adapters.adapters(SMALL)
    for call in ("record", "check", "allocate", "draw"):
        assert all(figures[f"{call}_{way}_ms"] > 0 for way in ("in_process", "http"))


def test_each_row_of_an_old_ledger_is_taken_over_once():
    assert migrate.migrate(SMALL)["acknowledged"] == SMALL.many


def test_the_first_screen_is_measured_on_a_small_and_a_big_ledger():
    figures = dashboard.dashboard(SMALL)
    assert figures["acknowledged"] == SMALL.many
    assert figures["screen_ratio"] > 0


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
        runs.expect(answered, "201", 3)


def test_help_is_measured_beside_a_python_that_does_nothing():
    figures = cli.cli(dataclasses.replace(SMALL, rounds=1))
    assert figures["runs"] == 2
    assert figures["ratio"] > 1
