"""Usage broken down by provider and model, component and task type, as an operation of the catalogue."""

from typing import Annotated, Any

from msgspec import Meta

from budget.domain import vocabulary
from budget.domain.commands import Name
from budget.engine import analytics
from budget.engine.ledger import Ledger
from budget.operations import reading
from budget.operations.requests import Overlap, Query, When


class BreakDownUsage(Query, frozen=True, kw_only=True):
    """Which usage to break down."""

    period: Annotated[str, Meta(max_length=40)] = "daily"
    provider: Name | None = None
    model: Name | None = None
    component: Name | None = None
    task_type: Name | None = None
    start_date: When | None = None
    end_date: When | None = None
    budget_id: Name | None = None
    include_overlap: Overlap = False


async def break_down_usage(ledger: Ledger, asked: BreakDownUsage) -> dict[str, Any]:
    """Usage by provider and its models, by component and by task type, with a series over time from 10 records on.

    Of the current window of the period, or from `start_date` to `end_date`; of all budgets unless one is named.
    """
    return await analytics.breakdown(
        ledger,
        vocabulary.period(asked.period),
        budget_id=asked.budget_id,
        filters=reading.narrowed(asked, "provider", "model", "component", "task_type"),
        start=asked.start_date,
        end=asked.end_date,
        include_overlap=asked.include_overlap,
    )
