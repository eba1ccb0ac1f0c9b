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
    row = connection.exec_driver_sql(sql, (alert_id,)).one_or_none()
    return None if row is None else alert_of(row)


def raised(connection: Connection, keys: Iterable[Key]) -> set[Key]:
    """Which of these crossings raised their alert already."""
    wanted = list(keys)
    rows = statements.select_in(
        connection,
        "policy_id, unit, limit_value, window_key, threshold",
        "alerts",
        "policy_id",
        {key[0] for key in wanted},
        "AND window_key IN (SELECT value FROM json_each(?))",
        statements.as_json({key[3] for key in wanted}),
    )
    return {(row[0], row[1], row[2], row[3], row[4]) for row in rows}.intersection(wanted)


def decision(connection: Connection, decision_id: str) -> Decision | None:
    """A stored refusal by id."""
    sql = f"SELECT {_DECISION} FROM decisions WHERE decision_id = ?"
    row = connection.exec_driver_sql(sql, (decision_id,)).one_or_none()
    return None if row is None else decision_of(row)


def count_repeats(connection: Connection, repeats: Iterable[tuple[int, str]]) -> None:
    """Count refusals that are not stored one by one, on the decision that stands for them."""
    rows = list(repeats)
    if rows:
        connection.exec_driver_sql("UPDATE decisions SET repeats = repeats + ? WHERE decision_id = ?", rows)


def drop_old_decisions(connection: Connection, before: int) -> None:
    """Forget decisions older than their 90 days (rule 10.4)."""
    connection.exec_driver_sql("DELETE FROM decisions WHERE decided_at < ?", (before,))
