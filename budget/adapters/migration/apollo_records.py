"""Apollo's usage records and allocations as imported ones (contract 4.2 and 4.3)."""

import json
from collections.abc import Mapping
from typing import Any

from budget.adapters.migration import apollo_values as read
from budget.adapters.migration.local_times import LocalTimes
from budget.adapters.migration.old_texts import NULL, identifier, with_origin
from budget.domain import commands, vocabulary
from budget.domain.errors import Invalid
from budget.domain.importing import ImportedHold, ImportedUsage
from budget.domain.records import PRICE_UNKNOWN

_SIDES = ("input", "output")


def usage(fields: Mapping[str, Any], times: LocalTimes) -> ImportedUsage:
    """One record: the side that it names, else a total whose split is not known; its cost is not known either."""
    record_id = read.required(fields, "record_id")
    tokens, side = _tokens(fields, "tokens_used"), fields.get("usage_type")
    at, month = _time(fields, "timestamp", times)
    origin = {"origin": "apollo", "id": record_id, "timestamp": fields.get("timestamp"), "usage_type": side}
    if nulls := [name for name in ("component", "task_type") if read.optional(fields, name) is None]:
        origin["null"] = nulls
    return ImportedUsage(
        key=read.key("usage", record_id),
        fingerprint=read.fingerprint(fields),
        occurred_at=at,
        month=month,
        provider=read.known(fields, "provider"),
        model=read.known(fields, "model"),
        component=read.optional(fields, "component") or NULL,
        task_type=read.optional(fields, "task_type") or NULL,
        context_id=identifier(fields.get("context_id")),
        allocation_id=identifier(fields.get("allocation_id")),
        operation_id=identifier(fields.get("operation_id")),
        input_tokens=tokens if side == "input" else None,
        output_tokens=tokens if side == "output" else None,
        other_tokens=0 if side in _SIDES else tokens,
        requests=0,
        cost=0,
        input_cost=0,
        output_cost=0,
        dollars=None,
        flags=PRICE_UNKNOWN,
        metadata=_metadata(fields, origin),
    )


def hold(fields: Mapping[str, Any], times: LocalTimes) -> ImportedHold:
    """One allocation of an export."""
    allocation_id = read.short(fields, "allocation_id")
    created_at, _ = _time(fields, "creation_time", times)
    expires_at, _ = _time(fields, "expiration_time", times)
    origin = {
        "origin": "apollo",
        **{name: fields.get(name) for name in ("creation_time", "expiration_time", "is_active", "tokens_used")},
    }
    try:
        tier = vocabulary.tier(read.required(fields, "tier"))
    except Invalid as error:
        raise ValueError(f"tier {error.message}") from None
    return ImportedHold(
        key=read.key("allocation", allocation_id),
        fingerprint=read.fingerprint(fields),
        allocation_id=allocation_id,
        context_id=read.short(fields, "context_id"),
        component=read.optional(fields, "component") or NULL,
        provider=read.known(fields, "provider"),
        model=read.known(fields, "model"),
        tier=tier,
        task_type=read.optional(fields, "task_type") or NULL,
        priority=min(max(read.whole(fields, "priority"), 1), 10) if "priority" in fields else 5,
        tokens_allocated=_tokens(fields, "tokens_allocated"),
        tokens_used=_tokens(fields, "tokens_used"),
        created_at=created_at,
        expires_at=expires_at,
        is_active=read.truth(fields, "is_active", default=True),
        metadata=_metadata(fields, origin),
    )


def _tokens(fields: Mapping[str, Any], name: str) -> int:
    tokens = read.whole(fields, name)
    if not -commands.MAX_COUNT <= tokens <= commands.MAX_COUNT:
        raise ValueError(f"{name} is beyond 2**53 - 1")
    return tokens


def _time(fields: Mapping[str, Any], name: str, times: LocalTimes) -> tuple[int, str]:
    try:
        return times.read(fields.get(name))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _metadata(fields: Mapping[str, Any], origin: dict[str, Any]) -> str:
    kept, _ = with_origin(json.dumps(fields.get("metadata") or {}), origin)
    return kept
