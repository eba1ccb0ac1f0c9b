"""Alerts and stored decisions, as the writer needs them."""

from collections.abc import Iterable

from sqlalchemy import Connection

from budget.domain.records import Alert, Decision
from budget.storage import statements, tables
from budget.storage.journal import alert_of, decision_of

Key = tuple[str | None, str, str, str, str]

_ALERT = statements.columns_of(tables.alerts)
_DECISION = statements.columns_of(tables.decisions)


def alert(connection: Connection, alert_id: str) -> Alert | None:
    """An alert by id."""
    sql = f"SELECT {_ALERT} FROM alerts WHERE alert_id = ?"
    row = statements.first(connection, sql, (alert_id,))
    return None if row is None else alert_of(row)


def raised(connection: Connection, keys: Iterable[Key]) -> set[Key]:
    """Which of these crossings raised their alert already."""
    wanted = list(keys)
    condition, windows = statements.among(connection, "window_key", {key[3] for key in wanted})
    rows = statements.select_in(
        connection,
        "policy_id, unit, limit_value, window_key, threshold",
        "alerts",
        "policy_id",
        {key[0] for key in wanted},
        f"AND {condition}",
        windows,
    )
    return {(row[0], row[1], row[2], row[3], row[4]) for row in rows}.intersection(wanted)


def decision(connection: Connection, decision_id: str) -> Decision | None:
    """A stored refusal by id."""
    sql = f"SELECT {_DECISION} FROM decisions WHERE decision_id = ?"
    row = statements.first(connection, sql, (decision_id,))
    return None if row is None else decision_of(row)


def count_repeats(connection: Connection, repeats: Iterable[tuple[int, str]]) -> None:
    """Count refusals that are not stored one by one, on the decision that stands for them."""
    rows = list(repeats)
    if rows:
        statements.run_many(connection, "UPDATE decisions SET repeats = repeats + ? WHERE decision_id = ?", rows)


def drop_old_decisions(connection: Connection, before: int) -> None:
    """Forget decisions older than their 90 days (rule 10.4)."""
    statements.run(connection, "DELETE FROM decisions WHERE decided_at < ?", (before,))
