"""Errors as RFC 9457 problem documents: the one table from kind to status, and Tekton's `error` member beside it."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope, Send

from budget.domain import instants, money
from budget.domain.errors import (
    BudgetError,
    BudgetExceeded,
    Conflict,
    Invalid,
    KeyReused,
    NotAllowed,
    NotFound,
    PriceUnknown,
    Unavailable,
)
from budget.domain.refusals import Refusal
from budget.engine import decisions
from budget.engine.ledger import Locked
from budget.interfaces.rest import wire

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[Mapping[type[BudgetError], int]] = {
    Invalid: 422,
    KeyReused: 422,
    wire.Malformed: 400,
    wire.ClientGone: 400,
    wire.TooLarge: 413,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    BudgetExceeded: 402,  # or 429, where waiting for others helps (rule 10.2)
    PriceUnknown: 402,
    Unavailable: 503,
    Locked: 503,
    BudgetError: 500,
}

RETRY_AFTER_SECONDS: Final = 1
"""For a service that is busy: the queue of the writer drains in less."""

_UNKNOWN_WAIT_SECONDS: Final = 60
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


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
        code, more, details = error.code, {}, error.details
    return _document(
        status,
        code,
        f"{field}: {error.message}" if isinstance(error, Invalid) else error.message,
        title=(type(error).__doc__ or "").strip(),
        instance=instance,
        errors=[] if field is None else [{"field": field, "message": error.message}],
        details=details,
        **more,
    )


def _document(
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


def headers_of(error: BudgetError) -> dict[str, str]:
    """`Retry-After`, where trying again later helps."""
    if isinstance(error, BudgetExceeded):
        refusal = error.refusal
        if not refusal.waits_for_others:
            return {}
        if refusal.retry_at is None:
            return {"Retry-After": str(_UNKNOWN_WAIT_SECONDS)}
        wait = (refusal.retry_at - refusal.decided_at) / instants.MICROSECONDS_PER_SECOND
        return {"Retry-After": str(max(math.ceil(wait), 1))}
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if isinstance(error, Unavailable | Locked) else {}


def response(error: BudgetError, instance: str | None = None) -> Response:
    """The answer that an error makes."""
    return Response(_encode(document(error, instance)), status_of(error), headers_of(error), MEDIA_TYPE)


async def send(error: BudgetError, scope: Scope, send: Send) -> None:
    """The same for a plain ASGI endpoint."""
    body = _encode(document(error, scope["path"]))
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in headers_of(error).items()]
    await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def install(app: FastAPI) -> None:
    """Let every error of the FastAPI routes, and of routes that are none, be answered by a problem document."""
    app.add_exception_handler(BudgetError, _budget_error)
    app.add_exception_handler(RequestValidationError, _wrong_parameters)
    app.add_exception_handler(HTTPException, _http_error)


def _budget_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, BudgetError)  # noqa: S101 -- it is registered for this kind
    return response(error, request.url.path)


def _wrong_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- it is registered for this kind
    errors = [
        {"field": ".".join(str(part) for part in found["loc"][1:]) or "body", "message": found["msg"]}
        for found in error.errors()
    ]
    detail = "; ".join(f"{found['field']}: {found['message']}" for found in errors)
    made = _document(
        422,
        Invalid.code,
        detail,
        title=(Invalid.__doc__ or "").strip(),
        instance=request.url.path,
        errors=errors,
        details={"errors": errors},
    )
    return Response(_encode(made), 422, media_type=MEDIA_TYPE)


_CODES = {404: NotFound.code, 405: "method_not_allowed", 401: "authentication_error", 403: NotAllowed.code}


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- it is registered for this kind
    title = HTTPStatus(error.status_code).phrase
    made = _document(
        error.status_code,
        _CODES.get(error.status_code, "http_error"),
        f"{request.method} {request.url.path}: {error.detail}",
        title=title,
        instance=request.url.path,
        errors=[],
        details={},
    )
    return Response(_encode(made), error.status_code, error.headers, MEDIA_TYPE)
