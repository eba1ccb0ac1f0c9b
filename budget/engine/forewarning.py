"""Looking ahead: limits that will not last, found by their forecasts and told once for a window."""

from collections.abc import Callable, Mapping
from typing import Any

from budget.domain import alerts, commands
from budget.domain import forewarning as ahead
from budget.domain.entries import SYSTEM, Caller
from budget.domain.forewarning import Forewarn, RunsOut
from budget.domain.records import Alert
from budget.domain.state import State
from budget.engine import limits
from budget.storage import alerts as stored
from budget.storage.database import Connection

MOST = 10_000
"""Limits that are looked at."""


async def look_ahead(ledger: Any) -> list[Alert]:
    """Raise the alerts that are due; gives those that are new."""
    rows = (await limits.list_limits(ledger, {}, 1, MOST)).items
    found = tuple(_runs_out(row) for row in rows if _will_not_last(row))
    if not found:
        return []
    raised: list[Alert] = (await ledger.submit(Forewarn(limits=found), SYSTEM)).answer
    return raised


def _will_not_last(row: Mapping[str, Any]) -> bool:
    """What is used up already has an alert of its own."""
    return row["type"] != "ignore" and not row["exceeded"] and bool(row["forecast"]["exhausts_at"]) and bool(row["end"])


def _runs_out(row: Mapping[str, Any]) -> RunsOut:
    expected = row["forecast"]
    return RunsOut(
        policy_id=row["policy_id"],
        unit=row["unit"],
        window=row["window"],
        exhausts_at=expected["exhausts_at"],
        resets_at=row["resets_at"],
        projected=f"{expected['projected']}",
    )


def _forewarn(connection: Connection, state: State, command: Forewarn, _: Caller) -> list[Alert]:
    policies = state.configuration.policies
    candidates = [
        ahead.alert_of(state, policies[found.policy_id], found)
        for found in command.limits
        if found.policy_id in policies and policies[found.policy_id].enabled
    ]
    known = stored.raised(connection, map(alerts.key_of, candidates)) if candidates else set()
    raised = [alert for alert in candidates if alerts.key_of(alert) not in known]
    for alert in raised:
        alerts.raise_alert(state, alert)
    return raised


COMMANDS: Mapping[type[commands.Command], Callable[..., Any]] = {Forewarn: _forewarn}
