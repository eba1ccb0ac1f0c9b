"""Every route that only reads: budgets, policies, allocations, limits, alerts, decisions, models; and the rest of them.

The routes of usage, prices and chat commands stand in modules of their own and are part of this router.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from budget.domain import periods, vocabulary
from budget.domain.errors import BudgetError
from budget.engine import limits, queries, summaries
from budget.interfaces.rest import (
    read_chat,
    read_examples,
    read_prices,
    read_usage,
    views,
    wire,
)
from budget.interfaces.rest import read_parameters as given
from budget.interfaces.rest.read_parameters import (
    Flag,
    Id,
    Limit,
    Page,
    PeriodWord,
    Text,
    When,
    Word,
    a_page,
    documented,
    ledger_of,
    listed,
    reply_list,
)
from budget.interfaces.rest.wire import reply

router = APIRouter()

SEVERITIES = ("info", "warning", "error")


class NoSummary(wire.Malformed):
    """This period has no summary."""

    code = "invalid_request"


def clock_period(word: str) -> str:
    """A period that has summaries; for any other the contract wants 400."""
    try:
        found = vocabulary.period(word)
    except BudgetError as error:
        raise NoSummary(error.message, field="period") from None
    if found not in periods.CLOCK_PERIODS:
        raise NoSummary(f"{found!r} has no summary; these have: {', '.join(periods.CLOCK_PERIODS)}", field="period")
    return found


# Budgets


@router.get("/budgets", tags=["budgets"], **documented("List budgets", a_page(read_examples.BUDGET)))
async def list_budgets(
    request: Request,
    *,
    page: Page = 1,
    limit: Limit = 20,
    is_active: Flag = None,
    owner: Text = None,
    name: Text = None,
) -> Response:
    """The default budget comes first. Under `/api`, with `name` and without paging, the answer is an array."""
    found, configuration = await queries.list_budgets(
        ledger_of(request), page, limit, is_active=is_active, owner=owner, name=name
    )
    return reply_list(
        request,
        found,
        page,
        limit,
        lambda budget: views.budget_view(budget, queries.policy_ids(configuration, budget.budget_id)),
        may_be_bare=name is not None,
    )


@router.get(
    "/budgets/summary",
    tags=["budgets"],
    **documented("Sum up the default budget", [read_examples.SUMMARY_ROW], 400),
)
async def default_summary(request: Request, period: PeriodWord = "monthly") -> Response:
    """One row for the current window, measured with the default budget's and the global limits; usage is 0 to 100."""
    return reply(await summaries.summary_rows(ledger_of(request), clock_period(period), percent=True))


@router.get("/budgets/{budget_id}", tags=["budgets"], **documented("Get a budget", read_examples.BUDGET, 404))
async def get_budget(request: Request, budget_id: Id) -> Response:
    """A budget with the ids of its policies."""
    budget, configuration = await queries.get_budget(ledger_of(request), budget_id)
    return reply(views.budget_view(budget, queries.policy_ids(configuration, budget_id)))


@router.get(
    "/budgets/{budget_id}/policies",
    tags=["budgets"],
    **documented("List a budget's policies", a_page(read_examples.POLICY), 404),
)
async def list_budget_policies(request: Request, budget_id: Id, page: Page = 1, limit: Limit = 20) -> Response:
    """The policies of one budget, oldest first; global ones are not among them."""
    found = await queries.list_policies(ledger_of(request), {"budget_id": budget_id}, page, limit)
    return reply(listed(found, page, limit, views.policy_view))


@router.get(
    "/budgets/{budget_id}/allocations",
    tags=["budgets"],
    **documented("List a budget's allocations", a_page(read_examples.ALLOCATION), 404),
)
async def list_budget_allocations(
    request: Request, budget_id: Id, page: Page = 1, limit: Limit = 20, is_active: Flag = None
) -> Response:
    """Allocations of one budget, newest first."""
    found = await queries.list_allocations(
        ledger_of(request), {"budget_id": budget_id}, page, limit, is_active=is_active
    )
    return reply(listed(found, page, limit, views.allocation_view))


@router.get(
    "/budgets/{budget_id}/summary",
    tags=["budgets"],
    **documented("Sum up a budget", [read_examples.SUMMARY_ROW], 400, 404),
)
async def budget_summary(request: Request, budget_id: Id, period: PeriodWord = "daily") -> Response:
    """One row for the current window; usage is a ratio."""
    return reply(await summaries.summary_rows(ledger_of(request), clock_period(period), budget_id=budget_id))


@router.get(
    "/budgets/{budget_id}/limits",
    tags=["limits"],
    **documented("List a budget's limits", a_page(read_examples.LIMIT), 404),
)
async def list_budget_limits(
    request: Request,
    *,
    budget_id: Id,
    page: Page = 1,
    limit: Limit = 100,
    period: Word = None,
    context_id: Text = None,
    task_id: Text = None,
) -> Response:
    """Its own limits and the global ones, as `/limits`."""
    filters = {"budget_id": budget_id, "period": given.period(period)}
    found = await limits.list_limits(ledger_of(request), filters, page, limit, context_id=context_id, task_id=task_id)
    return reply(listed(found, page, limit, dict))


@router.get("/limits", tags=["limits"], **documented("List limits", a_page(read_examples.LIMIT), 404))
async def list_limits(  # noqa: PLR0913 -- the query's fields
    request: Request,
    *,
    page: Page = 1,
    limit: Limit = 100,
    budget_id: Text = None,
    period: Word = None,
    type: Word = None,  # noqa: A002 -- its name on the wire
    unit: Word = None,
    tier: Word = None,
    provider: Text = None,
    model: Text = None,
    component: Text = None,
    task_type: Text = None,
    context_id: Text = None,
    task_id: Text = None,
) -> Response:
    """Every enabled limit: used, held and free in its window now, when it starts anew, and where it is heading.

    `free` is limit − used − held and may be below zero. A session's or task's figures need its `context_id` or
    `task_id`. A forecast is null while the window is too young for one.
    """
    filters = {
        "budget_id": budget_id,
        "period": given.period(period),
        "type": given.policy_type(type),
        "unit": given.one_of(unit, ("tokens", "cost"), "unit"),
        "tier": given.tier(tier),
        "provider": given.lower(provider),
        "model": model,
        "component": component,
        "task_type": task_type,
    }
    found = await limits.list_limits(ledger_of(request), filters, page, limit, context_id=context_id, task_id=task_id)
    return reply(listed(found, page, limit, dict))


# Policies


@router.get("/policies", tags=["policies"], **documented("List policies", a_page(read_examples.POLICY), 404))
async def list_policies(  # noqa: PLR0913 -- the query's fields
    request: Request,
    *,
    page: Page = 1,
    limit: Limit = 20,
    budget_id: Text = None,
    type: Word = None,  # noqa: A002 -- its name on the wire
    period: Word = None,
    tier: Word = None,
    provider: Text = None,
    model: Text = None,
    component: Text = None,
    task_type: Text = None,
    enabled: Flag = None,
) -> Response:
    """Policies of all budgets and global ones, oldest first."""
    filters = {
        "budget_id": budget_id,
        "type": given.policy_type(type),
        "period": given.period(period),
        "tier": given.tier(tier),
        "provider": given.lower(provider),
        "model": model,
        "component": component,
        "task_type": task_type,
    }
    found = await queries.list_policies(ledger_of(request), filters, page, limit, enabled=enabled)
    return reply(listed(found, page, limit, views.policy_view))


@router.get("/policies/{policy_id}", tags=["policies"], **documented("Get a policy", read_examples.POLICY, 404))
async def get_policy(request: Request, policy_id: Id) -> Response:
    """A policy as it stands; limits in tokens and dollars."""
    return reply(views.policy_view(await queries.get_policy(ledger_of(request), policy_id)))


# Allocations


@router.get(
    "/allocations", tags=["allocations"], **documented("List allocations", a_page(read_examples.ALLOCATION), 404)
)
async def list_allocations(  # noqa: PLR0913 -- the query's fields
    request: Request,
    *,
    page: Page = 1,
    limit: Limit = 20,
    budget_id: Text = None,
    context_id: Text = None,
    component: Text = None,
    tier: Word = None,
    provider: Text = None,
    model: Text = None,
    task_type: Text = None,
    is_active: Flag = None,
) -> Response:
    """Allocations, newest first. Under `/api` and without paging the answer is an array."""
    filters = {
        "budget_id": budget_id,
        "context_id": context_id,
        "component": component,
        "tier": given.tier(tier),
        "provider": given.lower(provider),
        "model": model,
        "task_type": task_type,
    }
    limit = given.BARE_LIMIT if given.is_bare(request) else limit
    found = await queries.list_allocations(ledger_of(request), filters, page, limit, is_active=is_active)
    return reply_list(request, found, page, limit, views.allocation_view, may_be_bare=True)


@router.get(
    "/allocations/context/{context_id}",
    tags=["allocations"],
    **documented("Get a context's allocation", read_examples.ALLOCATION, 404),
)
async def get_context_allocation(request: Request, context_id: Id) -> Response:
    """The newest active allocation of a context."""
    return reply(views.allocation_view(await queries.get_context_allocation(ledger_of(request), context_id)))


@router.get(
    "/allocations/{allocation_id}",
    tags=["allocations"],
    **documented("Get an allocation", read_examples.ALLOCATION, 404),
)
async def get_allocation(request: Request, allocation_id: Id) -> Response:
    """One allocation, active or ended."""
    return reply(views.allocation_view(await queries.get_allocation(ledger_of(request), allocation_id)))


# Alerts


@router.get("/alerts", tags=["alerts"], **documented("List alerts", a_page(read_examples.ALERT)))
async def list_alerts(
    request: Request,
    *,
    page: Page = 1,
    limit: Limit = 20,
    budget_id: Text = None,
    severity: Word = None,
    type: Word = None,  # noqa: A002 -- its name on the wire
    acknowledged: Annotated[bool, Query()] = False,
) -> Response:
    """Alerts that nobody has acknowledged, newest first; with `acknowledged=true` the others.

    Under `/api` and without paging the answer is an array.
    """
    filters = {
        "budget_id": budget_id,
        "severity": given.one_of(severity, SEVERITIES, "severity"),
        "type": given.lower(type),
    }
    limit = given.BARE_LIMIT if given.is_bare(request) else limit
    found = await queries.list_alerts(ledger_of(request), filters, page, limit, acknowledged=acknowledged)
    return reply_list(request, found, page, limit, views.alert_view, may_be_bare=True)


@router.get("/alerts/{alert_id}", tags=["alerts"], **documented("Get an alert", read_examples.ALERT, 404))
async def get_alert(request: Request, alert_id: Id) -> Response:
    """One alert."""
    return reply(views.alert_view(await queries.get_alert(ledger_of(request), alert_id)))


# Decisions and models


@router.get("/decisions", tags=["decisions"], **documented("List decisions", a_page(read_examples.DECISION)))
async def list_decisions(  # noqa: PLR0913 -- the query's fields
    request: Request,
    *,
    page: Page = 1,
    limit: Limit = 20,
    budget_id: Text = None,
    policy_id: Text = None,
    component: Text = None,
    operation: Word = None,
    start_date: When = None,
    end_date: When = None,
) -> Response:
    """Stored refusals, newest first; they are kept for 90 days. A grant is found by its allocation's id."""
    filters = {"budget_id": budget_id, "policy_id": policy_id, "component": component, "operation": operation}
    found = await queries.list_decisions(ledger_of(request), filters, page, limit, start=start_date, end=end_date)
    return reply(listed(found, page, limit, views.decision_view))


@router.get(
    "/decisions/{decision_id}", tags=["decisions"], **documented("Explain a decision", read_examples.DECISION, 404)
)
async def get_decision(request: Request, decision_id: Id) -> Response:
    """Which limits applied and the arithmetic, of a refusal or (by the allocation's id) of a grant."""
    return reply(views.decision_view(await queries.get_decision(ledger_of(request), decision_id)))


@router.get("/models", tags=["models"], **documented("List models", a_page(read_examples.MODEL)))
async def list_models(request: Request, page: Page = 1, limit: Limit = 20) -> Response:
    """The table that says which tier a model belongs to; `*` stands for any model of a provider, or any provider."""
    found = await queries.list_models(ledger_of(request), page, limit)
    return reply(listed(found, page, limit, views.model_view))


@router.get("/models/{provider}/{model:path}", tags=["models"], **documented("Get a model", read_examples.MODEL))
async def get_model(request: Request, provider: Id, model: Id) -> Response:
    """A model's tier, capabilities and equivalents; one that is not in the table has the tier that it would get."""
    return reply(views.model_view(await queries.get_model(ledger_of(request), provider, model)))


router.include_router(read_usage.router)
router.include_router(read_prices.router)
router.include_router(read_chat.router)
