"""What comes over the wire and what goes back: bodies read within a limit, and answers as JSON."""

import asyncio
from typing import Any, Final, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from budget.domain.errors import BudgetError, Invalid
from budget.operations import bodies
from budget.operations.bodies import Struct

MAX_BODY: Final = 1024 * 1024
MAX_BATCH_BODY: Final = 32 * 1024 * 1024
BODY_SECONDS: Final = 60.0
"""How long the rest of a body may take that did not come at once."""

MAX_KEY: Final = 255

REPLAYED: Final = "Idempotency-Replayed"


class TooLarge(BudgetError):
    """The request is larger than this route takes."""

    code = "request_too_large"


class TooSlow(BudgetError):
    """The rest of the request did not come in time."""

    code = "request_timeout"


class ClientGone(BudgetError):
    """The client went away before its request was complete."""

    code = "client_gone"


def reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer, decimals as exact numbers."""
    return Response(bodies.encode(value), status, headers, "application/json")


async def decode(request: Request, kind: type[Struct], *, lenient: bool = False, **path_fields: str) -> Struct:
    """The body of a request as `kind`; fields named in the path come from the path."""
    body = await read(request.scope, request.receive, MAX_BODY)
    return bodies.body_of(kind).parse(body, lenient=lenient, **path_fields)


async def read(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body; `TooLarge` as soon as that is known, without reading on."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if message["type"] == "http.disconnect":
            raise ClientGone
        return body if len(body) <= limit else _too_large(limit)
    if _announced(scope) > limit:
        _too_large(limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _rest(body, receive, limit)
    except TimeoutError:
        raise TooSlow(f"the body did not come within {BODY_SECONDS:.0f} seconds") from None


async def _rest(body: bytes, receive: Receive, limit: int) -> bytes:
    chunks, size, more = [body], len(body), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        more = message.get("more_body", False)
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            _too_large(limit)
    return b"".join(chunks)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


def _too_large(limit: int) -> bytes:
    raise TooLarge(f"the body is larger than {limit:,} bytes", limit=limit)


def idempotency_key(scope: Scope, command: msgspec.Struct) -> str | None:
    """The key of a request: its header, else `request_id` in its body (rule 7.1)."""
    for name, value in scope["headers"]:
        if name == b"idempotency-key":
            return key_text(value)
    return cast("str | None", getattr(command, "request_id", None))


def key_text(value: bytes) -> str:
    """The text of an `Idempotency-Key` header."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    if not 0 < len(text) <= MAX_KEY:
        raise Invalid("Idempotency-Key", f"must have 1 to {MAX_KEY} characters")
    return text
