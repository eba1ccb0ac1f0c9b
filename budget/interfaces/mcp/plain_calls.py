"""Tool calls of the Model Context Protocol that are just that, answered as its SDK would, but four times as fast.

The SDK takes half a millisecond for a call, seven times what the durable command behind it takes. A POST that is a
whole, well-formed `tools/call` of an operation is therefore answered here, in the current specification and in the one
before. Whatever is unusual about a request, let alone wrong, goes to the SDK. The tests hold both answers together.
"""

from typing import Any, Final, Literal

import msgspec
from starlette.types import Scope

from budget.domain.entries import Caller
from budget.engine.ledger import Ledger
from budget.interfaces.mcp import model_tools
from budget.operations import bodies
from budget.operations.catalogue import BY_NAME
from budget.operations.identity import COMPONENT, DESCRIPTION, NAME, Identity

CURRENT: Final = "2026-07-28"
BEFORE: Final = "2025-11-25"

_PREFIX: Final = "io.modelcontextprotocol/"


class _ClientInfo(msgspec.Struct):
    name: str
    version: str


class _Envelope(
    msgspec.Struct,
    forbid_unknown_fields=True,
    rename={
        "version": f"{_PREFIX}protocolVersion",
        "capabilities": f"{_PREFIX}clientCapabilities",
        "client": f"{_PREFIX}clientInfo",
        "progress_token": "progressToken",
    },
):
    version: str
    capabilities: dict[str, dict[str, Any]]
    client: _ClientInfo | None = None
    progress_token: str | int | None = None


class _CurrentParams(msgspec.Struct, forbid_unknown_fields=True, rename={"meta": "_meta"}):
    name: str
    meta: _Envelope
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Current(msgspec.Struct, forbid_unknown_fields=True):
    jsonrpc: Literal["2.0"]
    id: int | str
    method: Literal["tools/call"]
    params: _CurrentParams


class _Progress(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    progress_token: str | int | None = None


class _BeforeParams(msgspec.Struct, forbid_unknown_fields=True, rename={"meta": "_meta"}):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    meta: _Progress | None = None


class _Before(msgspec.Struct, forbid_unknown_fields=True):
    jsonrpc: Literal["2.0"]
    id: int | str
    method: Literal["tools/call"]
    params: _BeforeParams


Call = _Current | _Before

_current: Final = msgspec.json.Decoder(_Current)
_before: Final = msgspec.json.Decoder(_Before)


def recognised(scope: Scope, body: bytes) -> Call | None:
    """The call that a POST is, if there is nothing else to it."""
    headers = _routing_headers(scope)
    if headers is None:
        return None
    version = headers.get(b"mcp-protocol-version")
    try:
        if version == CURRENT.encode():
            current = _current.decode(body)
            agree = current.params.meta.version == CURRENT and _agree(headers, current.params.name)
            call: Call | None = current if agree else None
        else:
            call = _before.decode(body) if version == BEFORE.encode() else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if call is None or call.params.name not in BY_NAME or not bytes(call.params.arguments).startswith(b"{"):
        return None
    return call


async def answer(ledger: Ledger, identity: Identity, call: Call, caller: Caller) -> bytes:
    """The response to a call."""
    outcome = await model_tools.call(ledger, BY_NAME[call.params.name], bytes(call.params.arguments), caller)
    result: dict[str, Any] = {
        "content": [{"text": outcome.json.decode(), "type": "text"}],
        "isError": outcome.is_error,
        "structuredContent": msgspec.Raw(outcome.json),
    }
    if isinstance(call, _Current):
        result["resultType"] = "complete"
        result["_meta"] = {f"{_PREFIX}serverInfo": server_info(identity)}
    return bodies.encode({"jsonrpc": "2.0", "id": call.id, "result": result})


def server_info(identity: Identity) -> dict[str, str]:
    """What the server says of itself."""
    return {"name": COMPONENT, "title": NAME, "version": identity.version, "description": DESCRIPTION}


def _routing_headers(scope: Scope) -> dict[bytes, bytes] | None:
    """The headers that a plain call has; None where one is missing or twice there, or there are others of MCP's own."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name.startswith(b"mcp-") or name in (b"accept", b"content-type"):
            if name in found or name not in _KNOWN:
                return None
            found[name] = value
    takes_json = b"application/json" in found.get(b"accept", b"")
    sends_json = found.get(b"content-type", b"").startswith(b"application/json")
    return found if takes_json and sends_json else None


_KNOWN: Final = frozenset((b"accept", b"content-type", b"mcp-protocol-version", b"mcp-method", b"mcp-name"))


def _agree(headers: dict[bytes, bytes], name: str) -> bool:
    return headers.get(b"mcp-method") == b"tools/call" and headers.get(b"mcp-name") == name.encode()
