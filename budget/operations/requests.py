"""What a query may be asked, as data; a command is its own request (`budget.domain.commands`).

Words with aliases are text here, as in commands; the queries make them canonical.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from budget.domain import commands
from budget.domain.commands import Amount, Count, Instant, Name

Page = Annotated[int, Meta(ge=1, le=1_000_000, description="which page, from 1")]
Limit = Annotated[int, Meta(ge=1, le=100, description="items on a page")]
Text = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")]
Word = Annotated[str, Meta(max_length=40, pattern=r"^[^\x00]*$")]
Id = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
When = Annotated[
    str,
    Meta(
        max_length=40,
        pattern=r"^[^\x00]*$",
        description="YYYY-MM-DD or date and time; without offset in the budget's zone",
    ),
]
ClockPeriod = Annotated[str, Meta(max_length=40, description="hourly, daily, weekly or monthly")]


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all queries share: nothing but that they are closed. An id with the default "" must be given."""


class ListBudgets(Query, frozen=True, kw_only=True):
    """Which budgets."""

    page: Page = 1
    limit: Limit = 20
    is_active: bool | None = None
    owner: Text | None = None
    name: Text | None = None


class GetBudget(Query, frozen=True, kw_only=True):
    """Which budget."""

    budget_id: Id = ""


class AddPolicies(Query, frozen=True, kw_only=True):
    """Policies, by their ids."""

    budget_id: Name = ""
    policies: tuple[Name, ...]


class GetBudgetSummary(Query, frozen=True, kw_only=True):
    """Which budget, and which current window."""

    budget_id: Id = ""
    period: ClockPeriod = "daily"


class GetDefaultSummary(Query, frozen=True, kw_only=True):
    """Which current window."""

    period: ClockPeriod = "monthly"


class ListLimits(Query, frozen=True, kw_only=True):
    """Which limits; a session's or task's figures need its id."""

    page: Page = 1
    limit: Limit = 100
    budget_id: Text | None = None
    period: Word | None = None
    type: Word | None = None
    unit: Word | None = None
    tier: Word | None = None
    provider: Text | None = None
    model: Text | None = None
    component: Text | None = None
    task_type: Text | None = None
    context_id: Text | None = None
    task_id: Text | None = None


class ListPolicies(Query, frozen=True, kw_only=True):
    """Which policies."""

    page: Page = 1
    limit: Limit = 20
    budget_id: Text | None = None
    type: Word | None = None
    period: Word | None = None
    tier: Word | None = None
    provider: Text | None = None
    model: Text | None = None
    component: Text | None = None
    task_type: Text | None = None
    enabled: bool | None = None


class GetPolicy(Query, frozen=True, kw_only=True):
    """Which policy."""

    policy_id: Id = ""


class ListAllocations(Query, frozen=True, kw_only=True):
    """Which allocations."""

    page: Page = 1
    limit: Limit = 20
    budget_id: Text | None = None
    context_id: Text | None = None
    component: Text | None = None
    tier: Word | None = None
    provider: Text | None = None
    model: Text | None = None
    task_type: Text | None = None
    is_active: bool | None = None


class GetAllocation(Query, frozen=True, kw_only=True):
    """Which allocation."""

    allocation_id: Id = ""


class GetContextAllocation(Query, frozen=True, kw_only=True):
    """Whose allocation."""

    context_id: Id = ""


class ListUsage(Query, frozen=True, kw_only=True):
    """Which usage records; `end_date` as a date includes that day."""

    page: Page = 1
    limit: Limit = 20
    budget_id: Text | None = None
    context_id: Text | None = None
    allocation_id: Text | None = None
    component: Text | None = None
    provider: Text | None = None
    model: Text | None = None
    task_type: Text | None = None
    start_date: When | None = None
    end_date: When | None = None
    sort: Annotated[Text, Meta(description="newest, oldest, cost or tokens (most first)")] | None = None
    include_superseded: bool = False


class GetUsage(Query, frozen=True, kw_only=True):
    """Which usage record."""

    record_id: Id = ""


Overlap = Annotated[
    bool, Meta(description="count what came from Apollo in totals over budgets, though Rhetor may have seen it too")
]


class UsageSummaryRequest(Query, frozen=True, kw_only=True):
    """Which usage to sum up."""

    period: commands.Word
    budget_id: Name | None = None
    tier: commands.Word | None = None
    provider: Name | None = None
    component: Name | None = None
    model: Name | None = None
    task_type: Name | None = None
    start_time: Instant | None = None
    end_time: Instant | None = None
    days: Annotated[int, Meta(ge=1, le=366)] | None = None
    include_overlap: Overlap = False


class ListSummaries(Query, frozen=True, kw_only=True):
    """Which current window, of which budget, narrowed by what."""

    period: ClockPeriod = "daily"
    budget_id: Text | None = None
    tier: Word | None = None
    provider: Text | None = None
    component: Text | None = None
    task_type: Text | None = None


class ListAnalytics(Query, frozen=True, kw_only=True):
    """Which usage to break down, into buckets of which period."""

    period: ClockPeriod = "daily"
    budget_id: Text | None = None
    provider: Text | None = None
    model: Text | None = None
    component: Text | None = None
    start_date: When | None = None
    end_date: When | None = None
    include_overlap: Overlap = False


class ListAlerts(Query, frozen=True, kw_only=True):
    """Which alerts; by default those that nobody has acknowledged."""

    page: Page = 1
    limit: Limit = 20
    budget_id: Text | None = None
    severity: Word | None = None
    type: Word | None = None
    acknowledged: bool = False


class GetAlert(Query, frozen=True, kw_only=True):
    """Which alert."""

    alert_id: Id = ""


class ListDecisions(Query, frozen=True, kw_only=True):
    """Which stored refusals."""

    page: Page = 1
    limit: Limit = 20
    budget_id: Text | None = None
    policy_id: Text | None = None
    component: Text | None = None
    operation: Word | None = None
    start_date: When | None = None
    end_date: When | None = None


class ExplainDecision(Query, frozen=True, kw_only=True):
    """Which decision: a refusal's own id, or the id of the allocation that was granted."""

    decision_id: Id = ""


class ListModels(Query, frozen=True, kw_only=True):
    """Which page of the table."""

    page: Page = 1
    limit: Limit = 20


class GetModel(Query, frozen=True, kw_only=True):
    """Which model."""

    provider: Id = ""
    model: Id = ""


class ListPrices(Query, frozen=True, kw_only=True):
    """Whose prices."""

    provider: Text | None = None
    model: Text | None = None


class CurrentPriceRequest(Query, frozen=True, kw_only=True):
    """Which model's price."""

    provider: Name
    model: Name


class ListPriceHistory(Query, frozen=True, kw_only=True):
    """Which model's prices over time."""

    provider: Id = ""
    model: Id = ""


class CalculationRequest(Query, frozen=True, kw_only=True):
    """What a call would use."""

    provider: Name
    model: Name
    input_tokens: Count
    output_tokens: Count | None = 0


class RecommendationRequest(Query, frozen=True, kw_only=True):
    """A call to make cheaper: that of a current model, or any of such sizes."""

    provider: Name | None = None
    model: Name | None = None
    task_type: Name | None = "default"
    context_size: Count | None = None
    output_size: Count | None = None
    prefer_provider: Name | None = None
    max_cost: Amount | None = None


class RouteRequest(Query, frozen=True, kw_only=True):
    """A call that is about to be made, and the model it would use; the sizes are counted or, from text, estimated."""

    provider: Name | None = None
    model: Name | None = None
    component: Name = "unknown"
    task_type: Name = "default"
    context_id: Name | None = None
    budget_id: Name | None = None
    input_text: Annotated[str, Meta(max_length=500_000)] | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
