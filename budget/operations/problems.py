"""What an error says to whoever asked: a problem document (RFC 9457), with Tekton's `error` member in it.

REST sends it as the answer, MCP as the structured content of a failed tool; so the one table from kind to status is
here, below both.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from budget.domain import instants, money
from budget.domain.errors import (
    BudgetError,
    BudgetExceeded,
    Conflict,
    Gone,
    Invalid,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    PriceUnknown,
    TooMany,
    Unavailable,
)
from budget.domain.refusals import Refusal
from budget.engine import decisions
from budget.engine.ledger import Locked
from budget.operations import bodies, wire

STATUS: Final[Mapping[type[BudgetError], int]] = {
    Invalid: 422,
    KeyReused: 422,
    bodies.Malformed: 400,
    wire.ClientGone: 400,
    wire.TooLarge: 413,
    wire.TooSlow: 408,
    NotAuthenticated: 401,
    TooMany: 429,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    Gone: 410,
    BudgetExceeded: 402,  # or 429, where waiting for others helps (rule 10.2)
    PriceUnknown: 402,
    Unavailable: 503,
    Locked: 503,
    BudgetError: 500,
}

encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


def status_of(error: BudgetError) -> int:
    """The HTTP status of an error, by its kind."""
    if isinstance(error, BudgetExceeded) and error.refusal.waits_for_others:
        return HTTPStatus.TOO_MANY_REQUESTS
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def document(error: BudgetError, instance: str | None = None) -> dict[str, Any]:
    """The problem document of an error."""
    status = status_of(error)
    field = error.details.get("field")
    if isinstance(error, BudgetExceeded):
        code, more = error.refusal.code, refusal_view(error.refusal)
        details = {name: more[name] for name in ("decision_id", "retryable", "retry_at")}
    else:
        code, details = error.code, error.details
        more = details if isinstance(error, Gone) else {}
    return made(
        status,
        code,
        f"{field}: {error.message}" if isinstance(error, Invalid) else error.message,
        title=(type(error).__doc__ or "").strip(),
        instance=instance,
        errors=[] if field is None else [{"field": field, "message": error.message}],
        details=details,
        **more,
    )


def made(
    status: int,
    code: str,
    detail: str,
    *,
    title: str,
    instance: str | None,
    errors: list[dict[str, Any]],
    details: Mapping[str, Any],
    **more: Any,
) -> dict[str, Any]:
    """A problem document from its parts."""
    return {
        "type": f"urn:tekton:budget:problem:{code}",
        "title": title,
        "status": int(status),
        "detail": detail,
        "instance": instance,
        "code": code,
        "errors": errors,
        "error": {"code": code, "message": detail, "details": details},
        **more,
    }


def refusal_view(refusal: Refusal) -> dict[str, Any]:
    """What helps a caller who was refused: the arithmetic, when it fits again, what would fit now (P10)."""
    return {
        "decision_id": refusal.decision_id,
        "as_of_seq": refusal.as_of_seq,
        "limits": [decisions.limit_view(limit) for limit in refusal.limits],
        "retryable": refusal.retryable,
        "retry_at": None if refusal.retry_at is None else instants.iso(refusal.retry_at),
        "offers": [decisions.offer_view(offer) for offer in refusal.offers],
        **refused_info(refusal),
    }


def refused_info(refusal: Refusal) -> dict[str, Any]:
    """The fields of Tekton's `info` for a refused check (wire contract 11), of the first limit that refuses."""
    first = decisions.limit_view(refusal.limits[0]) if refusal.limits else {}
    return {
        "allowed": False,
        "reason": refusal.message,
        "policy_type": "hard_limit",
        "period": first.get("period"),
        "tier": refusal.tier,
        "limit": first.get("limit"),
        "usage": first.get("used"),
        "estimated_additional": first.get("asked"),
        "estimated_cost": money.to_dollars(refusal.estimated_cost),
        "estimated_tokens": refusal.estimated_tokens,
    }
