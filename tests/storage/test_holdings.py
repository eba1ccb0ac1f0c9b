"""What a batch asks of sessions and tasks walks their own index, however many other holds are active."""

import pytest

from budget.storage import holdings, statements
from budget.storage.database import Database


def plans_of(url, monkeypatch, ask):
    """The plans of the statements that a function runs, where reading a whole table is not worth considering."""
    original, plans = statements.run, []

    def explain(connection, sql, parameters=()):
        word = "EXPLAIN" if statements.shares(connection) else "EXPLAIN QUERY PLAN"
        plans.append(" / ".join(str(row[-1]) for row in original(connection, f"{word} {sql}", parameters)))
        return []

    def look(connection):
        if statements.shares(connection):
            original(connection, "SET LOCAL enable_seqscan = off")
        monkeypatch.setattr(statements, "run", explain)
        ask(connection)

    database = Database(url)
    database.read_now(look)
    monkeypatch.undo()
    database.close()
    return plans


@pytest.mark.parametrize(("column", "index"), [("context_id", "ix_holds_context"), ("task_id", "ix_holds_task")])
def test_what_sessions_and_tasks_hold_is_found_by_their_index(database_url, monkeypatch, column, index):
    plans = plans_of(database_url, monkeypatch, lambda rows: holdings.keyed_contents(rows, column, ["a", "b"]))
    assert f"ix_usage_records_{column}" in plans[0]
    assert index in plans[1]
    assert "ix_holds_due" not in plans[1]


def test_the_active_holds_of_sessions_are_found_by_their_index(database_url, monkeypatch):
    (plan,) = plans_of(database_url, monkeypatch, lambda rows: holdings.active_of(rows, ["a", "b"]))
    assert "ix_holds_context" in plan
    assert "ix_holds_due" not in plan
