"""Rhetor's HTTP calls about budgets, answered by the same manager; its pages and programs only change the port."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from budget.adapters.rhetor import words
from budget.adapters.rhetor.manager import BudgetManager
from budget.client.errors import BudgetError
from budget.operations import bodies, wire

router: Final = APIRouter(include_in_schema=False)

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class WrongWord(bodies.Malformed):
    """A word or a number that Rhetor does not know."""

    code = "invalid_request"


class SetLimit(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A limit in dollars."""

    period: Text
    limit_amount: Decimal
    provider: Text = words.ALL
    enforcement: Text | None = None


class SetPolicy(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a limit does."""

    period: Text
    policy: Text
    provider: Text = words.ALL


class MakePolicy(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A limit on all providers."""

    name: Text
    max_cost: Decimal
    period: Text = "daily"
    description: Annotated[str, Meta(max_length=2000)] | None = None


@router.get("/budget")
async def status(request: Request) -> Response:
    """What each period has used of its limit on all providers."""
    manager = _manager(request)
    return await _answered(lambda: {period.value: _standing(manager, period) for period in words.BudgetPeriod})


@router.get("/budget/settings")
async def settings(request: Request) -> Response:
    """All limits, by period."""
    return await _answered(_manager(request).get_budget_settings)


@router.post("/budget/limit")
async def set_limit(request: Request) -> Response:
    """Set a limit."""
    asked = await wire.decode(request, SetLimit)
    manager = _manager(request)

    def run() -> dict[str, Any]:
        manager.set_budget_limit(asked.period, asked.limit_amount, asked.provider, asked.enforcement)
        return {"success": True, **msgspec.structs.asdict(asked)}

    return await _answered(run)


@router.post("/budget/policy")
async def set_policy(request: Request) -> Response:
    """Say what a limit does."""
    asked = await wire.decode(request, SetPolicy)
    manager = _manager(request)

    def run() -> dict[str, Any]:
        manager.set_enforcement_policy(asked.period, asked.policy, asked.provider)
        return {"success": True, **msgspec.structs.asdict(asked)}

    return await _answered(run)


@router.get("/budget/usage")
async def usage(request: Request, period: str = "daily", provider: str | None = None) -> Response:
    """The usage of a period, row by row."""
    manager = _manager(request)

    def run() -> dict[str, Any]:
        rows = manager.get_usage(words.period(period), provider)
        return {"period": period, "provider": provider, "count": len(rows), "usage": rows}

    return await _answered(run)


@router.get("/budget/summary")
async def summary(request: Request, period: str = "daily", group_by: str = "provider") -> Response:
    """The totals of a period and of its groups."""
    manager = _manager(request)
    return await _answered(lambda: manager.get_usage_summary(period, group_by))


@router.get("/budget/model-tiers")
async def model_tiers(request: Request) -> Response:
    """Every priced model by its tier."""
    return await _answered(_manager(request).get_model_tiers)


@router.get("/api/v1/budget/usage")
async def usage_today(request: Request) -> Response:
    """Today's totals, by provider."""
    return await _answered(_manager(request).get_usage_summary)


@router.post("/api/v1/budget/policies")
async def make_policy(request: Request) -> Response:
    """Set a limit on all providers."""
    asked = await wire.decode(request, MakePolicy)
    manager = _manager(request)
    return await _answered(lambda: manager.create_policy(asked.name, asked.max_cost, asked.period, asked.description))


def _manager(request: Request) -> BudgetManager:
    manager: BudgetManager = request.app.state.rhetor
    return manager


def _standing(manager: BudgetManager, period: str) -> dict[str, Any]:
    used, limit = manager.get_current_usage_total(period), manager.get_budget_limit(period)
    return {
        "usage": used,
        "limit": limit,
        "remaining": limit - used if limit else None,
        "policy": manager.get_enforcement_policy(period),
        "percentage": 100 * used / limit if limit else None,
    }


async def _answered(run: Callable[[], Any]) -> Response:
    """Run in a thread, because the manager waits for the ledger; what is wrong is a problem document."""
    try:
        return wire.reply(await run_in_threadpool(run))
    except ValueError as error:
        raise WrongWord(str(error)) from None
    except BudgetError as error:
        return wire.reply(error.problem, error.status or 503)
