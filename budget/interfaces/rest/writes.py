"""The writes of REST but for the hot three: each turns a request into a command and its answer into a view."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response

from budget.domain import commands, vocabulary
from budget.domain.budgets import Budget
from budget.domain.entries import ANONYMOUS
from budget.domain.errors import Invalid
from budget.engine import queries
from budget.engine.ledger import Ledger, Outcome
from budget.interfaces.rest import verdicts, views, wire
from budget.interfaces.rest.openapi import operation

router: Final = APIRouter()


# Budgets


@router.post("/budgets", **operation(commands.CreateBudget, "Budget", 201, example={"name": "Team A", "owner": "ann"}))
async def create_budget(request: Request) -> Response:
    """Make a budget, by default with Tekton's 19 policies; `default_policies: false` makes it without."""
    outcome = await _submit(request, await wire.decode(request, commands.CreateBudget))
    return await _budget(request, outcome, 201)


@router.put(
    "/budgets/{budget_id}", **operation(commands.UpdateBudget, "Budget", example={"name": "Team B"}, errors=(404, 409))
)
async def update_budget(request: Request, budget_id: str) -> Response:
    """Change what is given; unknown fields are ignored. `is_default: true` moves the default to this budget."""
    command = await wire.decode(request, commands.UpdateBudget, lenient=True, budget_id=budget_id)
    return await _budget(request, await _submit(request, command))


@router.delete("/budgets/{budget_id}", **operation(None, "Done", errors=(404, 409)))
async def delete_budget(request: Request, budget_id: str) -> Response:
    """Deactivate a budget: its history stays, new holds are refused (409), usage is still booked."""
    outcome = await _submit(request, commands.UpdateBudget(budget_id=budget_id, is_active=False))
    budget: Budget = outcome.answer
    return _answer({"message": f"budget {budget.name!r} is deactivated", "data": None}, outcome)


class PolicyList(msgspec.Struct, forbid_unknown_fields=True):
    """Policies, by their ids."""

    policies: tuple[commands.Name, ...]


@router.put(
    "/budgets/{budget_id}/policies",
    **operation(PolicyList, "Budget", example={"policies": []}, errors=(404,)),
)
async def add_policies(request: Request, budget_id: str) -> Response:
    """Say which policies belong to a budget. A policy never moves: all must belong to it already; none is removed."""
    wanted = await wire.decode(request, PolicyList)
    budget, configuration = await queries.get_budget(_ledger(request), budget_id)
    for at, policy_id in enumerate(wanted.policies):
        policy = configuration.policies.get(policy_id)
        if policy is None:
            raise Invalid(f"policies[{at}]", f"there is no policy {policy_id!r}")
        if policy.budget_id != budget_id:
            raise Invalid(f"policies[{at}]", f"policy {policy_id!r} belongs to another budget; make a new one")
    return wire.reply(views.budget_view(budget, queries.policy_ids(configuration, budget_id)))


# Policies


@router.post(
    "/policies",
    **operation(
        commands.CreatePolicy,
        "Policy",
        201,
        example={"type": "hard_limit", "period": "daily", "cost_limit": 1, "component": "apollo"},
        errors=(404,),
    ),
)
async def create_policy(request: Request) -> Response:
    """Make a policy, or change the one with the same identity.

    Without `budget_id` it belongs to the default budget; `"scope": "global"` makes it hold for every budget. Null is no
    limit, 0 allows nothing.
    """
    outcome = await _submit(request, await wire.decode(request, commands.CreatePolicy))
    return _answer(views.policy_view(outcome.answer), outcome, 201)


@router.put(
    "/policies/{policy_id}",
    **operation(commands.UpdatePolicy, "Policy", example={"cost_limit": 2.5}, errors=(404, 409)),
)
async def update_policy(request: Request, policy_id: str) -> Response:
    """Change limits, thresholds, type or switch; null leaves a value as it is, unknown fields are ignored.

    Scope, period and budget never change: repeat them as they are, or leave them out.
    """
    command = await wire.decode(request, commands.UpdatePolicy, lenient=True, policy_id=policy_id)
    outcome = await _submit(request, command)
    return _answer(views.policy_view(outcome.answer), outcome)


@router.delete("/policies/{policy_id}", **operation(None, "Done", errors=(404, 409)))
async def delete_policy(request: Request, policy_id: str) -> Response:
    """Disable a policy; its history stays."""
    outcome = await _submit(request, commands.UpdatePolicy(policy_id=policy_id, enabled=False))
    return _answer({"message": f"policy {policy_id} is disabled", "data": None}, outcome)


# The life of an allocation


@router.post("/allocations/{allocation_id}/start", **operation(commands.Start, "Allocation", errors=(404, 409)))
async def start_allocation(request: Request, allocation_id: str) -> Response:
    """Say that the call has begun: if it goes silent now, the hold becomes a provisional charge."""
    command = await wire.decode(request, commands.Start, allocation_id=allocation_id)
    return await _allocation(request, command)


@router.post("/allocations/{allocation_id}/extend", **operation(commands.Extend, "Allocation", errors=(404, 409)))
async def extend_allocation(request: Request, allocation_id: str) -> Response:
    """Renew a hold, at most to 24 hours from now, which is also what it gets without a time."""
    command = await wire.decode(request, commands.Extend, allocation_id=allocation_id)
    return await _allocation(request, command)


@router.post(
    "/allocations/{allocation_id}/increase",
    **operation(commands.Increase, "Allocation", example={"tokens": 500}, errors=(402, 404, 409, 429)),
)
async def increase_allocation(request: Request, allocation_id: str) -> Response:
    """Hold more tokens, checked and held in the hold's own windows."""
    command = await wire.decode(request, commands.Increase, allocation_id=allocation_id)
    return await _allocation(request, command)


@router.post(
    "/allocations/{allocation_id}/release",
    **operation(commands.Release, "Released", example={"reason": "cancelled"}, errors=(404, 409)),
)
async def release_allocation(request: Request, allocation_id: str) -> Response:
    """Give back what a hold still holds. One whose call has started needs `confirm_unused: true`."""
    outcome = await _submit(request, await wire.decode(request, commands.Release, allocation_id=allocation_id))
    hold, freed = outcome.answer
    message = f"released {freed:,} tokens"
    return _answer({"message": message, "data": views.allocation_view(hold), "tokens_released": freed}, outcome)


@router.post(
    "/allocations/{allocation_id}/settle",
    **operation(commands.Settle, "Settled", example={"input_tokens": 900, "output_tokens": 250}, errors=(404, 409)),
)
async def settle_allocation(request: Request, allocation_id: str) -> Response:
    """Book what was used besides what was already drawn, and free the rest. Exactly once, however late."""
    outcome = await _submit(request, await wire.decode(request, commands.Settle, allocation_id=allocation_id))
    settled = outcome.answer
    shown = views.usage_record_view(settled.record)
    shown["allocation"] = views.allocation_view(settled.hold)
    shown["tokens_released"] = settled.tokens_released
    return _answer(shown, outcome)


@router.post(
    "/check",
    **operation(
        commands.Allocate,
        "Verdict",
        example={"context_id": "chat-7", "component": "apollo", "tokens_allocated": 1000, "model": "gpt-4o"},
        errors=(404, 409),
    ),
)
async def check(request: Request) -> Response:
    """Say what an allocation would be told now, with the whole arithmetic. Nothing is held, nothing is promised."""
    command = await wire.decode(request, commands.Allocate)
    ledger = _ledger(request)
    return wire.reply(verdicts.verdict_view(await ledger.check(command, ANONYMOUS), command))


# Corrections of usage


@router.post(
    "/usage/records/{record_id}/correct",
    **operation(
        commands.Correct, "UsageRecord", example={"output_tokens": 240, "reason": "recount"}, errors=(404, 409)
    ),
)
async def correct_record(request: Request, record_id: str) -> Response:
    """Replace a record: void it and book it anew. Fields that are not given stay as they were."""
    outcome = await _submit(request, await wire.decode(request, commands.Correct, record_id=record_id))
    return _answer(views.usage_record_view(outcome.answer), outcome)


@router.post(
    "/usage/records/{record_id}/void",
    **operation(commands.Void, "UsageRecord", example={"reason": "sent twice"}, errors=(404, 409)),
)
async def void_record(request: Request, record_id: str) -> Response:
    """Take a record back, with a reason."""
    outcome = await _submit(request, await wire.decode(request, commands.Void, record_id=record_id))
    return _answer(views.usage_record_view(outcome.answer), outcome)


# Alerts


@router.post("/alerts/check", **operation(None, "Alerts", errors=(404,)))
async def check_alerts(
    request: Request, budget_id: str | None = Query(None), period: str | None = Query(None)
) -> Response:
    """Raise what stands past a threshold and was not raised yet; gives the alerts that are new."""
    ledger = _ledger(request)
    if budget_id is not None:
        await queries.get_budget(ledger, budget_id)
    asked = None if period is None else vocabulary.period(period)
    outcome = await ledger.submit(commands.RaiseAlerts(budget_id=budget_id, period=asked))
    return wire.reply([views.alert_view(alert) for alert in outcome.answer])


@router.post("/alerts/{alert_id}/acknowledge", **operation(commands.AcknowledgeAlert, "Alert", errors=(404,)))
async def acknowledge_alert(request: Request, alert_id: str) -> Response:
    """Say that an alert has been seen; saying it again changes nothing."""
    outcome = await _submit(request, await wire.decode(request, commands.AcknowledgeAlert, alert_id=alert_id))
    return _answer(views.alert_view(outcome.answer), outcome)


@router.put("/alerts/{alert_id}/dismiss", **operation(commands.AcknowledgeAlert, "Alert", errors=(404,)))
async def dismiss_alert(request: Request, alert_id: str) -> Response:
    """The same as acknowledge."""
    return await acknowledge_alert(request, alert_id)


# Prices and models


@router.post(
    "/prices",
    **operation(
        commands.SetPrice,
        "Price",
        201,
        example={
            "provider": "openai",
            "model": "our-finetune",
            "input_cost_per_token": 0.000003,
            "output_cost_per_token": 0.000012,
        },
    ),
)
async def set_price(request: Request) -> Response:
    """Add a dated price; older ones stay, and usage that had no price is priced. It outranks the lists."""
    outcome = await _submit(request, await wire.decode(request, commands.SetPrice))
    return _answer(views.price_view(outcome.answer), outcome, 201)


@router.put(
    "/models/{provider}/{model:path}",
    **operation(
        commands.SetModel, "Model", example={"tier": "local_midweight", "equivalents": [["openai", "gpt-4o-mini"]]}
    ),
)
async def set_model(request: Request, provider: str, model: str) -> Response:
    """Say which tier a model belongs to, what it can do, and which models can stand in for it."""
    command = await wire.decode(request, commands.SetModel, provider=provider, model=model)
    outcome = await _submit(request, command)
    return _answer(views.model_view(outcome.answer), outcome)


# What they share


def _ledger(request: Request) -> Ledger:
    ledger: Ledger = request.app.state.ledger
    return ledger


async def _submit(request: Request, command: commands.Command) -> Outcome:
    return await _ledger(request).submit(command, ANONYMOUS, wire.idempotency_key(request.scope, command))


async def _allocation(request: Request, command: commands.Command) -> Response:
    outcome = await _submit(request, command)
    return _answer(views.allocation_view(outcome.answer), outcome)


async def _budget(request: Request, outcome: Outcome, status: int = 200) -> Response:
    budget: Budget = outcome.answer
    configuration = await _ledger(request).refresh()
    shown = views.budget_view(budget, queries.policy_ids(configuration, budget.budget_id))
    return _answer(shown, outcome, status)


def _answer(value: Mapping[str, Any], outcome: Outcome, status: int = 200) -> Response:
    return wire.reply(value, status, {wire.REPLAYED: "true"} if outcome.replayed else None)
