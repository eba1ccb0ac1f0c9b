"""The paths that take messages, as plain ASGI; on some of them the Model Context Protocol is spoken as well.

A POST belongs to the Model Context Protocol if its body is an object with the member `jsonrpc`, or if its headers say
so: `MCP-Protocol-Version`, or an `Accept` that names `text/event-stream`. Every other POST is a message of Tekton.
"""

from typing import Any, Final

import msgspec
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from budget.domain.errors import BudgetError
from budget.interfaces.mcp import messages, plain_calls
from budget.interfaces.mcp.results import Results
from budget.operations import wire
from budget.operations.sending import send_json

SHARED_PATHS: Final = ("/mcp", "/api/mcp", "/api/v1/mcp")
"""Where both protocols are spoken."""

MESSAGE_PATHS: Final = (
    "/api/mcp/message",
    "/api/v1/mcp/message",
    "/mcp/message",
    "/mcp/mcp/message",
)


class Messages:
    """Where only Tekton's messages are taken."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = await wire.read(scope, receive, wire.MAX_BODY)
        except wire.ClientGone:
            return
        except BudgetError as error:
            await send_json(messages.unreadable(scope["app"].state.ledger, error), send)
            return
        await answer(body, scope, send)


class Shared:
    """Where both protocols are spoken."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        gateway = scope["app"].state.model_context
        if scope["method"] != "POST":
            await gateway(scope, receive, send)
            return
        try:
            body = await wire.read(scope, receive, wire.MAX_BODY)
        except wire.ClientGone:
            return
        except BudgetError as error:
            await send_json(messages.unreadable(scope["app"].state.ledger, error), send)
            return
        if not is_model_context(scope, body):
            await answer(body, scope, send)
        elif (call := plain_calls.recognised(scope, body)) is not None:
            state = scope["app"].state
            await send_json(await plain_calls.answer(state.ledger, state.identity, call, scope["caller"]), send)
        else:
            await gateway(_trimmed(scope), _again(body, receive), send)


async def answer(body: bytes, scope: Scope, send: Send) -> None:
    """Answer one message of Tekton."""
    state = scope["app"].state
    ledger, identity, caller = state.ledger, state.identity, scope["caller"]
    try:
        message = messages.parse(body)
    except BudgetError as error:
        await send_json(messages.unreadable(ledger, error), send)
        return
    if message.is_asynchronous or message.reply_to is not None:
        results: Results = state.message_results
        await send_json(results.accept(ledger, identity, message, caller), send)
    else:
        await send_json(await messages.answer(ledger, identity, message, messages.id_of(message), caller), send)


class _Kind(msgspec.Struct):
    jsonrpc: Any = msgspec.UNSET


_kinds: Final = msgspec.json.Decoder(_Kind)


def is_model_context(scope: Scope, body: bytes) -> bool:
    """Whether a request speaks the Model Context Protocol."""
    if b'"jsonrpc"' in body:
        try:
            if _kinds.decode(body).jsonrpc is not msgspec.UNSET:
                return True
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # no object: what the headers say counts
    return any(
        name == b"mcp-protocol-version" or (name == b"accept" and b"text/event-stream" in value)
        for name, value in scope["headers"]
    )


def _trimmed(scope: Scope) -> Scope:
    """Without the blanks around header values, which are no part of them (RFC 9110) and which the server leaves on."""
    return {**scope, "headers": [(name, value.strip(b" \t")) for name, value in scope["headers"]]}


def _again(body: bytes, receive: Receive) -> Receive:
    """A request whose body was read already; what follows it, such as the client's going, is passed on."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


ROUTES: Final[list[Route]] = [
    *(Route(path, Messages(), methods=["POST"]) for path in MESSAGE_PATHS),
    *(Route(path, Shared(), methods=["GET", "POST", "DELETE"]) for path in SHARED_PATHS),
]
