"""Alerts ahead of time: a limit that will be used up before its window ends, if usage goes on as it did."""

from typing import ClassVar

import msgspec

from budget.domain.commands import Command
from budget.domain.entries import encode
from budget.domain.policies import Policy
from budget.domain.records import Alert
from budget.domain.state import State

FORECAST = "forecast"
"""The threshold of such an alert: one for a limit and window, for ever (P12)."""


class RunsOut(msgspec.Struct, frozen=True, kw_only=True):
    """What a forecast says of one limit in one window."""

    policy_id: str
    unit: str
    window: str
    exhausts_at: str
    resets_at: str
    projected: str


class Forewarn(Command, frozen=True, kw_only=True):
    """Raise an alert for each of these limits, where none was raised for this window."""

    operation: ClassVar[str] = "forewarn"
    alone: ClassVar[bool] = True

    limits: tuple[RunsOut, ...]


def alert_of(state: State, policy: Policy, found: RunsOut) -> Alert:
    """The alert that a forecast raises, if it was not raised before."""
    in_tokens = found.unit == "tokens"
    limit = policy.token_limit if in_tokens else policy.cost_limit
    what, mark = ("token", "") if in_tokens else ("cost", "$")
    details = {
        "period": policy.period,
        "component": policy.component,
        "token_limit" if in_tokens else "cost_limit": limit,
        "window": found.window,
        "exhausts_at": found.exhausts_at,
        "resets_at": found.resets_at,
        "projected": found.projected,
    }
    return Alert(
        alert_id=state.new_id(),
        seq=0,
        budget_id=policy.budget_id,
        policy_id=policy.policy_id,
        unit=found.unit,
        limit_value=str(limit),
        window_key=found.window,
        threshold=FORECAST,
        severity="warning",
        type=f"{what}_limit_forecast",
        message=f"the {policy.period} {what} limit of {mark}{limit:f} runs out on {found.exhausts_at} and begins anew "
        f"on {found.resets_at}, if usage goes on as it did; it would come to {mark}{found.projected}",
        details=encode(details).decode(),
        raised_at=state.now,
        acknowledged_at=None,
        acknowledged_by=None,
    )
