"""The queries of the catalogue: each takes the ledger and a request, and gives what goes out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from budget.domain import periods, vocabulary
from budget.domain.errors import BudgetError, Invalid
from budget.engine import limits, price_queries, queries, recommendations, summaries
from budget.engine.ledger import Ledger
from budget.operations import bodies, requests, views

SEVERITIES = ("info", "warning", "error")
UNITS = ("tokens", "cost")

Answer = dict[str, Any]


class NoSummary(bodies.Malformed):
    """This period has no summary."""

    code = "invalid_request"


# Budgets and limits


async def get_budget(ledger: Ledger, asked: requests.GetBudget) -> Answer:
    """A budget with the ids of its policies."""
    budget, configuration = await queries.get_budget(ledger, asked.budget_id)
    return views.budget_view(budget, queries.policy_ids(configuration, asked.budget_id))


async def add_policies(ledger: Ledger, asked: requests.AddPolicies) -> Answer:
    """Say which policies belong to a budget.

    A policy never moves: all must belong to it already; none is removed.
    """
    budget, configuration = await queries.get_budget(ledger, asked.budget_id)
    for at, policy_id in enumerate(asked.policies):
        policy = configuration.policies.get(policy_id)
        if policy is None:
            raise Invalid(f"policies[{at}]", f"there is no policy {policy_id!r}")
        if policy.budget_id != asked.budget_id:
            raise Invalid(f"policies[{at}]", f"policy {policy_id!r} belongs to another budget; make a new one")
    return views.budget_view(budget, queries.policy_ids(configuration, asked.budget_id))


async def get_budget_summary(ledger: Ledger, asked: requests.GetBudgetSummary) -> list[Answer]:
    """What a budget used in the current window, beside its limit, as one row; usage is a ratio."""
    return await summaries.summary_rows(ledger, clock_period(asked.period), budget_id=asked.budget_id)


async def get_default_summary(ledger: Ledger, asked: requests.GetDefaultSummary) -> list[Answer]:
    """The same for the default budget, with the global limits; usage is 0 to 100."""
    return await summaries.summary_rows(ledger, clock_period(asked.period), percent=True)


async def list_limits(ledger: Ledger, asked: requests.ListLimits) -> Answer:
    """Every enabled limit: used, held and free in its window now, when it starts anew, and where it is heading.

    `free` is limit − used − held and may be below zero. A session's or task's figures need its `context_id` or
    `task_id`. A forecast takes 7 whole days of usage. A budget's include the global ones.
    """
    filters = narrowed(asked, "budget_id", "period", "type", "tier", "provider", "model", "component", "task_type") | {
        "unit": one_of(asked.unit, UNITS, "unit")
    }
    found = await limits.list_limits(
        ledger, filters, asked.page, asked.limit, context_id=asked.context_id, task_id=asked.task_id
    )
    return page_of(found, asked, dict)


# Policies


async def list_policies(ledger: Ledger, asked: requests.ListPolicies) -> Answer:
    """Policies of all budgets and global ones, oldest first; with `budget_id` that budget's own."""
    filters = narrowed(asked, "budget_id", "type", "period", "tier", "provider", "model", "component", "task_type")
    found = await queries.list_policies(ledger, filters, asked.page, asked.limit, enabled=asked.enabled)
    return page_of(found, asked, views.policy_view)


async def get_policy(ledger: Ledger, asked: requests.GetPolicy) -> Answer:
    """A policy as it stands; limits in tokens and dollars."""
    return views.policy_view(await queries.get_policy(ledger, asked.policy_id))


# Allocations


async def list_allocations(ledger: Ledger, asked: requests.ListAllocations) -> Answer:
    """Allocations, newest first."""
    filters = narrowed(asked, "budget_id", "context_id", "component", "tier", "provider", "model", "task_type")
    found = await queries.list_allocations(ledger, filters, asked.page, asked.limit, is_active=asked.is_active)
    return page_of(found, asked, views.allocation_view)


async def get_allocation(ledger: Ledger, asked: requests.GetAllocation) -> Answer:
    """One allocation, active or ended."""
    return views.allocation_view(await queries.get_allocation(ledger, asked.allocation_id))


# Usage


async def list_usage(ledger: Ledger, asked: requests.ListUsage) -> Answer:
    """Usage records, newest first; `end_date` as a date includes that day.

    `total` is exact where sums are kept for the filters, else counted to 10,000 (`total_exact` says which). The first
    page has `top_usage`: the models that cost most in 30 days.
    """
    filters = narrowed(asked, "budget_id", "context_id", "allocation_id", "component", "provider", "model", "task_type")
    found = await queries.list_records(
        ledger,
        filters,
        asked.page,
        asked.limit,
        start=asked.start_date,
        end=asked.end_date,
        order=one_of(asked.sort, queries.RECORD_ORDERS, "sort") or "newest",
        include_superseded=asked.include_superseded,
    )
    answer = page_of(found, asked, views.usage_record_view)
    if asked.page == 1:
        answer["top_usage"] = await summaries.top_usage(ledger, filters)
    return answer


async def get_usage(ledger: Ledger, asked: requests.GetUsage) -> Answer:
    """One usage record; one that was corrected names what replaced it."""
    return views.usage_record_view(await queries.get_record(ledger, asked.record_id))


async def get_usage_summary(ledger: Ledger, asked: requests.UsageSummaryRequest) -> Answer:
    """Totals, groups and a daily series of the current window, of the last `days`, or of a stretch of time.

    Without a budget it covers all of them. Unknown fields are ignored.
    """
    filters = narrowed(asked, "tier", "provider", "component", "model", "task_type")
    return await summaries.usage_summary(
        ledger,
        vocabulary.period(asked.period),
        budget_id=asked.budget_id,
        filters=filters,
        start=asked.start_time,
        end=asked.end_time,
        days=asked.days,
        include_overlap=asked.include_overlap,
    )


async def list_summaries(ledger: Ledger, asked: requests.ListSummaries) -> list[Answer]:
    """One row for the current window of the budget (by default the default one); usage is a ratio."""
    filters = narrowed(asked, "tier", "provider", "component", "task_type")
    period = vocabulary.period(asked.period)
    return await summaries.summary_rows(ledger, period, budget_id=asked.budget_id, filters=filters)


async def list_analytics(ledger: Ledger, asked: requests.ListAnalytics) -> list[Answer]:
    """One row for each hour, day, week or month, provider, model and component; by default of the last 7 days."""
    filters = narrowed(asked, "provider", "model", "component")
    return await summaries.usage_analytics(
        ledger,
        vocabulary.period(asked.period),
        budget_id=asked.budget_id,
        filters=filters,
        start=asked.start_date,
        end=asked.end_date,
        include_overlap=asked.include_overlap,
    )


# Alerts, decisions, models


async def list_alerts(ledger: Ledger, asked: requests.ListAlerts) -> Answer:
    """Alerts that nobody has acknowledged, newest first; with `acknowledged=true` the others."""
    filters = {
        "budget_id": asked.budget_id,
        "severity": one_of(asked.severity, SEVERITIES, "severity"),
        "type": lower(asked.type),
    }
    found = await queries.list_alerts(ledger, filters, asked.page, asked.limit, acknowledged=asked.acknowledged)
    return page_of(found, asked, views.alert_view)


async def get_alert(ledger: Ledger, asked: requests.GetAlert) -> Answer:
    """One alert."""
    return views.alert_view(await queries.get_alert(ledger, asked.alert_id))


async def list_decisions(ledger: Ledger, asked: requests.ListDecisions) -> Answer:
    """Stored refusals, newest first; they are kept for 90 days. A grant is found by its allocation's id."""
    filters = {name: getattr(asked, name) for name in ("budget_id", "policy_id", "component", "operation")}
    found = await queries.list_decisions(
        ledger, filters, asked.page, asked.limit, start=asked.start_date, end=asked.end_date
    )
    return page_of(found, asked, views.decision_view)


async def explain_decision(ledger: Ledger, asked: requests.ExplainDecision) -> Answer:
    """Which limits applied and the arithmetic, of a refusal or (by the allocation's id) of a grant."""
    return views.decision_view(await queries.get_decision(ledger, asked.decision_id))


async def list_models(ledger: Ledger, asked: requests.ListModels) -> Answer:
    """The table that says which tier a model belongs to.

    `*` stands for any model of a provider, or for any provider.
    """
    return page_of(await queries.list_models(ledger, asked.page, asked.limit), asked, views.model_view)


async def get_model(ledger: Ledger, asked: requests.GetModel) -> Answer:
    """A model's tier, capabilities and equivalents.

    One that is not in the table has the tier that it would get.
    """
    return views.model_view(await queries.get_model(ledger, asked.provider, asked.model))


# Prices


async def list_prices(ledger: Ledger, asked: requests.ListPrices) -> list[Answer]:
    """The prices in force now, one for each provider and model, in dollars per unit."""
    return [views.price_view(price) for price in await price_queries.list_prices(ledger, asked.provider, asked.model)]


async def get_price(ledger: Ledger, asked: requests.CurrentPriceRequest) -> Answer:
    """The price that a usage of this model gets now; aliases that the catalogue knows are resolved."""
    return views.price_view(await price_queries.current_price(ledger, asked.provider, asked.model))


async def list_price_history(ledger: Ledger, asked: requests.ListPriceHistory) -> list[Answer]:
    """Every price that the model ever had, newest first; prices are never overwritten."""
    return [views.price_view(price) for price in await price_queries.price_history(ledger, asked.provider, asked.model)]


async def calculate_cost(ledger: Ledger, asked: requests.CalculationRequest) -> Answer:
    """What one call with so many tokens costs now, the price per request included in the total."""
    return await price_queries.calculate(
        ledger, asked.provider, asked.model, asked.input_tokens, asked.output_tokens or 0
    )


async def recommend_models(ledger: Ledger, asked: requests.RecommendationRequest) -> Answer:
    """Models that cost less for such a call than the current one; without a current one, the cheapest there are.

    Prices are all that is compared; models listed as equivalents come first. 404 when the current model has no price.
    """
    return await recommendations.recommend(
        ledger,
        provider=asked.provider,
        model=asked.model,
        task_type=asked.task_type or "default",
        context_size=4000 if asked.context_size is None else asked.context_size,
        output_size=asked.output_size,
        prefer_provider=asked.prefer_provider,
        max_cost=asked.max_cost,
    )


# What they share


def page_of(found: Any, asked: Any, view: Callable[[Any], Any]) -> Answer:
    """A page of a list as all readers know it."""
    return {
        "items": [view(item) for item in found.items],
        "total": found.total,
        "total_exact": found.total_exact,
        "page": asked.page,
        "limit": asked.limit,
    }


def clock_period(word: str) -> str:
    """A period that has summaries; for any other the contract wants 400."""
    try:
        found = vocabulary.period(word)
    except BudgetError as error:
        raise NoSummary(error.message, field="period") from None
    if found not in periods.CLOCK_PERIODS:
        raise NoSummary(f"{found!r} has no summary; these have: {', '.join(periods.CLOCK_PERIODS)}", field="period")
    return found


_CANONICAL: Final[Mapping[str, Callable[[str], str]]] = {
    "tier": vocabulary.tier,
    "period": vocabulary.period,
    "type": vocabulary.policy_type,
    "provider": str.lower,
}


def narrowed(asked: Any, *fields: str) -> dict[str, str | None]:
    """These fields of a request, by the words in which they are kept (wire contract 10)."""
    return {
        field: _CANONICAL[field](value)
        if (value := getattr(asked, field)) is not None and field in _CANONICAL
        else value
        for field in fields
    }


def one_of(word: str | None, words: Sequence[str], field: str) -> str | None:
    """One of a few words, in any case."""
    if word is None or word.lower() in words:
        return lower(word)
    raise Invalid(field, f"{word!r} is not one of {', '.join(words)}")


def lower(word: str | None) -> str | None:
    """A provider as it is kept."""
    return None if word is None else word.lower()
