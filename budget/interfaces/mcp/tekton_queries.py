"""Tekton's messages that only ask: status, recommendations, routing, analytics (wire contract 5.1)."""

from typing import Any, Final

import msgspec

from budget.domain import policies, text_estimates, vocabulary
from budget.domain.commands import Count, Name, Word
from budget.engine import recommendations, summaries
from budget.interfaces.mcp.handling import Answer, Asked, Handler, read
from budget.interfaces.mcp.tekton_commands import TextBody
from budget.operations import reading
from budget.operations.breakdown import BreakDownUsage, break_down_usage

APOLLO_TIERS: Final = {tier: tier.partition("_")[2] for tier in policies.TIERS}
"""Tekton's two vocabularies of tiers: Apollo reads the short names, everyone else the whole ones."""


class StatusPayload(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which window, and of what."""

    period: Word = "daily"
    tier: Word | None = None
    provider: Name | None = None
    component: Name | None = None
    budget_id: Name | None = None


async def _status(asked: Asked) -> Answer:
    payload = await asked.admitted("get_budget_summary", read(asked.payload, StatusPayload))
    period = vocabulary.period(payload.period)
    reader = (payload.component or asked.sender).lower()
    shared = {"period": period, "success": True}
    if reader in ("apollo", "rhetor"):
        names = APOLLO_TIERS if reader == "apollo" else {tier: tier for tier in policies.TIERS}
        wanted = [vocabulary.tier(payload.tier)] if payload.tier else [*policies.TIERS, None]
        tiers = {
            "all" if tier is None else names[tier]: _tier(await _row(asked, payload, period, tier)) for tier in wanted
        }
        return {**shared, "tiers": tiers}
    tier = reading.narrowed(payload, "tier")["tier"]
    return {**shared, "summaries": [_summary(await _row(asked, payload, period, tier))]}


async def _row(asked: Asked, payload: StatusPayload, period: str, tier: str | None) -> dict[str, Any]:
    filters = {"tier": tier, "provider": reading.lower(payload.provider)}
    (row,) = await summaries.summary_rows(asked.ledger, period, budget_id=payload.budget_id, filters=filters)
    return row


def _tier(row: dict[str, Any]) -> Answer:
    return {
        "allocated": row["total_tokens_allocated"],
        "used": row["total_tokens_used"],
        "remaining": row["remaining_tokens"],
        "limit": row["token_limit"],
        "usage_percentage": row["token_usage_percentage"],
        "limit_exceeded": row["token_limit_exceeded"],
    }


def _summary(row: dict[str, Any]) -> Answer:
    return {
        "budget_id": row["budget_id"],
        "tier": row["tier"],
        "provider": row["provider"],
        "component": row["component"],
        "tokens_allocated": row["total_tokens_allocated"],
        "tokens_used": row["total_tokens_used"],
        "tokens_remaining": row["remaining_tokens"],
        "token_limit": row["token_limit"],
        "token_usage_percentage": row["token_usage_percentage"],
        "token_limit_exceeded": row["token_limit_exceeded"],
        "cost": row["total_cost"],
        "cost_limit": row["cost_limit"],
        "cost_usage_percentage": row["cost_usage_percentage"],
        "cost_limit_exceeded": row["cost_limit_exceeded"],
    }


def _no_status(_: Asked) -> Answer:
    return {"success": False}


class RecommendationsPayload(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The model of a call, and its size."""

    provider: Name | None = None
    model: Name | None = None
    task_type: Name = "default"
    context_size: Count = 4000


async def _recommendations(asked: Asked) -> Answer:
    payload = read(asked.payload, RecommendationsPayload)
    found = await recommendations.recommend(asked.ledger, **msgspec.structs.asdict(payload))
    return {**msgspec.structs.asdict(payload), "recommendations": found["items"]}


class RoutingPayload(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A call that is about to be made, by its text, and the model it would use."""

    input_text: TextBody = ""
    task_type: Name = "default"
    default_provider: Name | None = None
    default_model: Name | None = None
    component: Name | None = None
    context_id: Name | None = None
    budget_id: Name | None = None


async def _route(asked: Asked) -> Answer:
    payload = await asked.admitted("route_request", read(asked.payload, RoutingPayload))
    tokens = text_estimates.tokens_of(payload.input_text)
    call = recommendations.Call(
        provider=payload.default_provider,
        model=payload.default_model,
        component=payload.component or asked.sender,
        task_type=payload.task_type,
        budget_id=payload.budget_id,
        context_id=payload.context_id,
        input_tokens=tokens,
        output_tokens=text_estimates.output_of(tokens),
    )
    return await recommendations.route(asked.ledger, call, asked.caller)


async def _analytics(asked: Asked) -> Answer:
    payload = await asked.admitted("break_down_usage", read(asked.payload, BreakDownUsage))
    return await break_down_usage(asked.ledger, payload)


HANDLERS: Final = {
    "budget.get_budget_status": Handler("budget.status_response", _status, _no_status),
    "budget.get_model_recommendations": Handler("budget.recommendations_response", _recommendations),
    "budget.route_with_budget_awareness": Handler("budget.routing_response", _route),
    "budget.get_usage_analytics": Handler("budget.analytics_response", _analytics),
}
