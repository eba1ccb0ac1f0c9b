"""The first screen of the dashboard, in one call."""

from typing import Any

from budget.domain import instants, money
from budget.engine import dashboard, reports
from budget.engine.ledger import Ledger
from budget.engine.reports import Asked
from budget.operations import views
from budget.operations.reports import By, Zone
from budget.operations.requests import Overlap, Query, Text


class GetDashboard(Query, frozen=True, kw_only=True):
    """Which budget's (by default all of them), narrowed to which component, and what cuts the trend."""

    by: By = ("model",)
    budget_id: Text | None = None
    component: Text | None = None
    time_zone: Zone | None = None
    include_overlap: Overlap = False


async def get_dashboard(ledger: Ledger, asked: GetDashboard) -> dict[str, Any]:
    """Limits, today, this month, 30 days as a trend, what cost most in them, alerts, holds in flight, and coverage.

    A component narrows what was used and held, not limits and alerts. All is of one moment: the events after
    `as_of_seq` are what these figures lack.
    """
    found = await dashboard.screen(
        ledger,
        Asked(
            by=asked.by,
            budget_id=asked.budget_id,
            filters={} if asked.component is None else {"component": asked.component},
            time_zone=asked.time_zone,
            include_overlap=asked.include_overlap,
        ),
    )
    trend = reports.series(found.trend)
    return {
        "as_of_seq": found.as_of_seq,
        "as_of": instants.iso(found.as_of),
        "budget_id": asked.budget_id,
        "time_zone": found.trend.zone,
        "limits": found.limits,
        "limits_total": found.limits_total,
        "today": dashboard.figures(found.today),
        "month": dashboard.figures(found.month),
        "trend": trend,
        "top": dashboard.top(found.trend),
        "alerts": [views.alert_view(alert) for alert in found.alerts.items],
        "alerts_total": found.alerts.total,
        "allocations": [views.allocation_view(hold) for hold in found.holds.items],
        "allocations_total": found.held.holds,
        "held_tokens": found.held.tokens,
        "held_cost": money.to_dollars(found.held.cost),
        "coverage": trend["coverage"],
    }
