"""Alerts: a balance that reached a level, a hard limit passed by what had happened anyway, a clock that jumped."""

from typing import Any

from budget.domain import commands, instants, money
from budget.domain.balances import Crossing
from budget.domain.entries import SYSTEM, Caller, encode
from budget.domain.errors import NotFound
from budget.domain.records import Alert
from budget.domain.state import State

OVER = "over_limit"
"""The threshold of an alert that says used + held went past a hard limit while used alone had not."""

Key = tuple[str | None, str, str, str, str]


def key_of(alert: Alert) -> Key:
    """What makes a crossing unique: policy, unit, limit value, window, threshold (P12)."""
    return alert.policy_id, alert.unit, alert.limit_value, alert.window_key, alert.threshold


def alert_of(state: State, crossing: Crossing) -> Alert:
    """The alert that a crossing raises, if it was not raised before."""
    policy, level, unit = crossing.policy, crossing.threshold, crossing.unit
    in_tokens = unit == "tokens"
    limit = policy.token_limit if in_tokens else policy.cost_limit
    exceeded = level is None or level.exceeded
    what = "token" if in_tokens else "cost"
    shown = f"{crossing.amount:,}" if in_tokens else f"${money.to_dollars(crossing.amount):f}"
    shown_limit = f"{limit:,}" if in_tokens else f"${limit:f}"
    verb = "exceeded" if exceeded else "approached"
    ratio = _ratio(crossing)
    details: dict[str, Any] = {
        "period": policy.period,
        "tier": policy.tier,
        "provider": policy.provider,
        "model": policy.model,
        "component": policy.component,
        "task_type": policy.task_type,
        "token_limit" if in_tokens else "cost_limit": limit,
        "tokens_used" if in_tokens else "cost_used": crossing.amount
        if in_tokens
        else money.to_dollars(crossing.amount),
        "usage_percentage": ratio,
        "threshold": None if level is None else level.ratio,
        "window": crossing.window_key,
        "policy_version": policy.version,
    }
    return Alert(
        alert_id=state.new_id(),
        seq=0,
        budget_id=policy.budget_id,
        policy_id=policy.policy_id,
        unit=unit,
        limit_value=str(limit),
        window_key=crossing.window_key,
        threshold=OVER if level is None else f"{level.ratio:f}",
        severity="error" if level is None else level.severity,
        type=f"{what}_limit_{'exceeded' if exceeded else 'approaching'}",
        message=f"the {policy.period.replace('_', ' ')} {what} limit of {shown_limit} is {verb}: {shown}"
        + (" used and held" if level is None else " used"),
        details=encode(details).decode(),
        raised_at=state.now,
        acknowledged_at=None,
        acknowledged_by=None,
    )


def _ratio(crossing: Crossing) -> float | None:
    policy = crossing.policy
    limit = policy.token_limit if crossing.unit == "tokens" else policy.cost_limit_nanocents
    return None if not limit else round(crossing.amount / limit, 6)


def clock_alert(state: State, jump_microseconds: int) -> Alert:
    """The clock jumped by more than a minute: windows and prices may have been chosen by a wrong time (rule 3.3)."""
    seconds = jump_microseconds / 1_000_000
    return Alert(
        alert_id=state.new_id(),
        seq=0,
        budget_id=None,
        policy_id=None,
        unit="clock",
        limit_value="60",
        window_key=str(state.now),
        threshold="60",
        severity="error",
        type="clock_jump",
        message=f"the clock jumped by {seconds:.0f} seconds; the ledger goes on at {instants.iso(state.now)}",
        details=encode({"jump_seconds": seconds, "now": instants.iso(state.now)}).decode(),
        raised_at=state.now,
        acknowledged_at=None,
        acknowledged_by=None,
    )


def acknowledge(state: State, command: commands.AcknowledgeAlert, caller: Caller) -> Alert:
    """Note who has seen an alert; seeing it again changes nothing."""
    alert = state.alerts.get(command.alert_id)
    if alert is None:
        raise NotFound(f"there is no alert {command.alert_id!r}", field="alert_id")
    if alert.acknowledged_at is None:
        alert.acknowledged_at = state.now
        alert.acknowledged_by = command.acknowledged_by or caller.name
        state.note("alert_changed", alert.alert_id, caller, change="acknowledged", alert=alert)
    return alert


def raise_alert(state: State, alert: Alert) -> None:
    """Write an alert to the journal, after the entry that crossed the level."""
    alert.seq = state.next_seq
    state.new_alerts.append(alert)
    state.note("alert_changed", alert.alert_id, SYSTEM, change="raised", alert=alert)
