"""How plain ASGI endpoints answer: JSON, or a problem document with the headers that belong to it."""

import math
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import Scope, Send

from budget.domain import instants
from budget.domain.errors import BudgetError, BudgetExceeded, TooMany, Unavailable
from budget.engine.ledger import Locked
from budget.operations.problems import document, encode, status_of

MEDIA_TYPE: Final = "application/problem+json"

RETRY_AFTER_SECONDS: Final = 1
"""For a service that is busy: the queue of the writer drains in less."""

_UNKNOWN_WAIT_SECONDS: Final = 60


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
    if isinstance(error, TooMany):
        return {"Retry-After": str(error.details["seconds"])}
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if isinstance(error, Unavailable | Locked) else {}


def response(error: BudgetError, instance: str | None = None) -> Response:
    """The answer that an error makes."""
    return Response(encode(document(error, instance)), status_of(error), headers_of(error), MEDIA_TYPE)


async def send_error(error: BudgetError, scope: Scope, send: Send, more: Mapping[str, str] = {}) -> None:
    """The same for a plain ASGI endpoint."""
    body = encode(document(error, scope["path"]))
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in {**headers_of(error), **more}.items()]
    await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_json(body: bytes, send: Send, status: int = 200) -> None:
    """JSON from a plain ASGI endpoint."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
