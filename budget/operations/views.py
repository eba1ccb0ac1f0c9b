"""How Budget's nouns look on the wire: Tekton's fields (wire contract 3.2), what both its pages read, and our own.

Money is exact decimals in dollars, times are ISO 8601 in UTC. Stored JSON text goes out as it is.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from budget.domain import instants, money
from budget.domain.allocations import Grant
from budget.domain.budgets import Budget
from budget.domain.models import Model
from budget.domain.policies import SCOPE_FIELDS, Policy
from budget.domain.pricing import Price
from budget.domain.recording import Settled
from budget.domain.records import FLAG_NAMES, Alert, Decision, Hold, Record
from budget.domain.usage import INPUT_PARTS, OUTPUT_PARTS
from budget.engine import decisions
from budget.engine.buckets import plain

_REMEMBERED = 8192
_MICROSECONDS = instants.MICROSECONDS_PER_SECOND

# Calls of one moment share their seconds, and their amounts repeat: remembering both keeps a view below 5 µs.
_dollars = lru_cache(_REMEMBERED)(money.to_dollars)


@lru_cache(_REMEMBERED)
def _second(second: int) -> str:
    return instants.iso(second * _MICROSECONDS)[:-7]


def _iso(instant: int) -> str:
    second, rest = divmod(instant, _MICROSECONDS)
    return f"{_second(second)}{rest:06d}Z"


@lru_cache(_REMEMBERED)
def _flags(flags: int) -> dict[str, bool]:
    return {name: flags & bit != 0 for bit, name in FLAG_NAMES.items()}


_decode_parts = msgspec.json.Decoder(dict[str, tuple[int, int]]).decode
_INPUT = frozenset(INPUT_PARTS)
_OUTPUT = frozenset(OUTPUT_PARTS)
_Raw = msgspec.Raw
_EMPTY = msgspec.Raw(b"{}")
_FREE = Decimal(0)


def allocation_view(hold: Hold) -> dict[str, Any]:
    """An allocation; `tokens_used` is capped at what was allocated, the usage records keep the true numbers."""
    allocated = hold.tokens_allocated
    used = min(hold.tokens_used, allocated)
    created = _iso(hold.created_at)
    state = hold.state
    return {
        "allocation_id": hold.allocation_id,
        "budget_id": hold.budget_id,
        "context_id": hold.context_id,
        "task_id": hold.task_id,
        "component": hold.component,
        "tier": hold.tier,
        "provider": hold.provider,
        "model": hold.model,
        "task_type": hold.task_type,
        "user_id": hold.user_id,
        "tags": _EMPTY if hold.tags == "{}" else _Raw(hold.tags.encode()),
        "priority": hold.priority,
        "tokens_allocated": allocated,
        "input_tokens": hold.input_tokens,
        "max_output_tokens": hold.max_output_tokens,
        "tokens_used": used,
        "input_tokens_used": hold.input_tokens_used,
        "output_tokens_used": hold.output_tokens_used,
        "remaining_tokens": hold.held_tokens,
        "usage_percentage": used / allocated if allocated else 0.0,
        "estimated_cost": _dollars(hold.estimated_cost),
        "actual_cost": _dollars(hold.actual_cost),
        "held_cost": _dollars(hold.held_cost),
        "pricing_version": hold.price_id,
        "state": state,
        "is_active": state in ("open", "started"),
        "creation_time": created,
        "created_at": created,
        "expiration_time": _iso(hold.expires_at),
        "started_at": None if hold.started_at is None else _iso(hold.started_at),
        "last_updated": created if hold.updated_at == hold.created_at else _iso(hold.updated_at),
        "provisional_record_id": hold.provisional_record_id,
        "metadata": _EMPTY if hold.metadata == "{}" else _Raw(hold.metadata.encode()),
        **_flags(hold.flags),
    }


def grant_view(grant: Grant) -> dict[str, Any]:
    """An allocation as granted, with what was said about it (rule 4.7)."""
    shown = allocation_view(grant.hold)
    shown["decision_id"] = grant.decision_id
    shown["warnings"] = grant.warnings
    shown["offers"] = [decisions.offer_view(offer) for offer in grant.offers]
    return shown


def released_view(released: tuple[Hold, int]) -> dict[str, Any]:
    """An allocation given back."""
    hold, freed = released
    message = f"released {freed:,} tokens"
    return {"message": message, "data": allocation_view(hold), "tokens_released": freed}


def settled_view(settled: Settled) -> dict[str, Any]:
    """The record that settled an allocation, and the allocation after it."""
    shown = usage_record_view(settled.record)
    shown["allocation"] = allocation_view(settled.hold)
    shown["tokens_released"] = settled.tokens_released
    return shown


def done(message: str) -> dict[str, Any]:
    """What is said where there is nothing to show."""
    return {"message": message, "data": None}


def usage_record_view(record: Record) -> dict[str, Any]:
    """A usage record; counts that are not known are null, never 0."""
    input_cost = output_cost = 0
    parts = {}
    for part, (count, cost) in _decode_parts(record.parts).items():
        parts[part] = {"count": count, "cost": _dollars(cost)}
        if cost:
            if part in _INPUT:
                input_cost += cost
            elif part in _OUTPUT:
                output_cost += cost
    total_cost = _dollars(record.cost)
    occurred, booked, recorded = record.occurred_at, record.booked_at, record.recorded_at
    timestamp = _iso(occurred)
    return {
        "record_id": record.record_id,
        "allocation_id": record.allocation_id,
        "budget_id": record.budget_id,
        "context_id": record.context_id,
        "task_id": record.task_id,
        "component": record.component,
        "provider": record.provider,
        "model": record.model,
        "tier": record.tier,
        "task_type": record.task_type,
        "user_id": record.user_id,
        "tags": _EMPTY if record.tags == "{}" else _Raw(record.tags.encode()),
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "total_tokens": record.total_tokens,
        "input_cost": _dollars(input_cost),
        "output_cost": _dollars(output_cost),
        "total_cost": total_cost,
        "cost": total_cost,
        "parts": parts,
        "pricing_version": record.price_id,
        "timestamp": timestamp,
        "occurred_at": timestamp,
        "recorded_at": timestamp if recorded == occurred else _iso(recorded),
        "booked_at": timestamp if booked == occurred else _iso(booked),
        "operation_id": record.operation_id,
        "request_id": record.request_id,
        "status": record.status,
        "corrects": record.corrects,
        "corrected_by": record.corrected_by,
        "reason": record.reason,
        "original_cost": record.original_cost,
        "unknown_usage": None if record.unknown_usage is None else _Raw(record.unknown_usage.encode()),
        "metadata": _EMPTY if record.metadata == "{}" else _Raw(record.metadata.encode()),
        **_flags(record.flags),
    }


def budget_view(budget: Budget, policy_ids: list[str]) -> dict[str, Any]:
    """A budget with the ids of its own policies."""
    created = _iso(budget.created_at)
    return {
        "budget_id": budget.budget_id,
        "name": budget.name,
        "description": budget.description,
        "owner": budget.owner,
        "policies": policy_ids,
        "time_zone": budget.time_zone,
        "currency": "USD",
        "components": budget.components,
        "is_default": budget.is_default,
        "is_active": budget.is_active,
        "creation_time": created,
        "created_at": created,
        "updated_at": _iso(budget.updated_at),
        "metadata": budget.metadata,
    }


def policy_view(policy: Policy) -> dict[str, Any]:
    """A policy; thresholds are ratios."""
    return {
        "policy_id": policy.policy_id,
        "version": policy.version,
        "budget_id": policy.budget_id,
        "scope": "global" if policy.budget_id is None else "budget",
        "type": policy.type,
        "period": policy.period,
        **{field: getattr(policy, field) for field in SCOPE_FIELDS},
        "token_limit": policy.token_limit,
        "cost_limit": policy.cost_limit,
        "warning_threshold": policy.warning_threshold,
        "action_threshold": policy.action_threshold,
        "thresholds": list(policy.thresholds),
        "enabled": policy.enabled,
        "start_date": _iso(policy.openings[0].at if policy.openings else policy.created_at),
        "end_date": None if policy.end_date is None else _iso(policy.end_date),
        "created_at": _iso(policy.created_at),
        "updated_at": _iso(policy.updated_at),
        "metadata": policy.metadata,
    }


def price_view(price: Price) -> dict[str, Any]:
    """A price in dollars per unit. The four costs that Tekton prints are numbers; others are null where not set."""
    rates = price.rates
    per_millisecond = rates.get("milliseconds")
    return {
        "pricing_id": price.price_id,
        "provider": price.provider,
        "model": price.model,
        "price_type": price.price_type,
        "input_cost_per_token": rates.get("input", _FREE),
        "output_cost_per_token": rates.get("output", _FREE),
        "input_cost_per_char": _FREE,
        "output_cost_per_char": _FREE,
        "cache_read_cost_per_token": rates.get("cache_read"),
        "cache_write_cost_per_token": rates.get("cache_write"),
        "reasoning_cost_per_token": rates.get("reasoning"),
        "cost_per_image": rates.get("images"),
        "cost_per_second": None if per_millisecond is None else plain(per_millisecond * 1000),
        "fixed_cost_per_request": rates.get("requests"),
        "rates": rates,
        "context_tiers": [{"above_input_tokens": start, "rates": tier} for start, tier in price.context_tiers],
        "context_window_tokens": price.metadata.get("context_window_tokens"),
        "version": price.version,
        "source": price.source,
        "source_url": price.source_url,
        "verified": bool(price.metadata.get("verified", price.source == "manual")),
        "effective_date": _iso(price.effective_at),
        "end_date": None if price.end_at is None else _iso(price.end_at),
        "created_at": _iso(price.created_at),
        "metadata": price.metadata,
    }


def alert_view(alert: Alert) -> dict[str, Any]:
    """An alert; `title` and `severity` are text that is always there."""
    details = msgspec.json.decode(alert.details)
    for name in ("cost_limit", "cost_used", "threshold"):
        if isinstance(details.get(name), str):
            details[name] = plain(Decimal(details[name]))
    acknowledged = alert.acknowledged_at is not None
    return {
        "alert_id": alert.alert_id,
        "budget_id": alert.budget_id,
        "policy_id": alert.policy_id,
        "severity": alert.severity,
        "type": alert.type,
        "title": alert.type.replace("_", " ").capitalize(),
        "message": alert.message,
        "details": details,
        "timestamp": _iso(alert.raised_at),
        "acknowledged": acknowledged,
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_at": None if alert.acknowledged_at is None else _iso(alert.acknowledged_at),
    }


def decision_view(decision: Decision) -> dict[str, Any]:
    """A verdict with the arithmetic it came from."""
    explanation = msgspec.json.decode(decision.explanation)
    explanation["estimated_cost"] = _amount(explanation.get("estimated_cost"))
    for limit in explanation.get("limits", ()):
        if limit.get("unit") == "cost":
            limit.update({name: _amount(limit.get(name)) for name in ("limit", "used", "held", "asked")})
    for offer in explanation.get("offers", ()):
        offer["saving"] = _amount(offer.get("saving"))
    if isinstance(explanation.get("retry_at"), int):
        explanation["retry_at"] = _iso(explanation["retry_at"])
    return {
        **explanation,
        "decision_id": decision.decision_id,
        "verdict": decision.verdict,
        "operation": decision.operation,
        "decided_at": _iso(decision.decided_at),
        "caller": decision.caller,
        "policy_id": decision.policy_id,
        "budget_id": decision.budget_id,
        "component": decision.component,
        "repeats": decision.repeats,
    }


def _amount(text: Any) -> Any:
    return plain(Decimal(text)) if isinstance(text, str) else text


def model_view(model: Model) -> dict[str, Any]:
    """A row of the table of models."""
    return {
        "provider": model.provider,
        "model": model.model,
        "tier": model.tier,
        "capabilities": model.capabilities,
        "equivalents": [{"provider": provider, "model": name} for provider, name in model.equivalents],
    }
