"""The forms of HTTP in which Tekton's programs call a tool (wire contract 5.3), as plain ASGI: they carry load."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from budget.domain.errors import BudgetError, Invalid
from budget.interfaces.mcp import tools
from budget.interfaces.mcp.handling import Asked
from budget.interfaces.mcp.tools import Result, Tool
from budget.log import get_logger
from budget.operations import bodies, problems, wire
from budget.operations.identity import COMPONENT
from budget.operations.sending import send_error, send_json

log = get_logger("mcp_endpoints")

ToolName = Annotated[str, Meta(min_length=1, max_length=200)]
_NONE: Final = msgspec.Raw(b"{}")
_NULL: Final = msgspec.Raw(b"null")


class Call(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A call in any of its forms: both names of each thing are known."""

    tool_name: ToolName | None = None
    tool: ToolName | None = None
    name: ToolName | None = None
    arguments: msgspec.Raw = _NONE
    parameters: msgspec.Raw = _NONE
    context: Any = None
    client_id: ToolName | None = None

    @property
    def payload(self) -> bytes:
        """The arguments as JSON."""
        given = [each for each in (self.arguments, self.parameters) if each not in (_NONE, _NULL)]
        if len(given) > 1 and given[0] != given[1]:
            raise Invalid("parameters", "differ from arguments; send one of them")
        return bytes(given[0]) if given else b"{}"


_call: Final = bodies.body_of(Call)
Show = Callable[[Tool, Result], dict[str, Any]]


def as_union(tool: Tool, result: Result) -> dict[str, Any]:
    """What both readers of `/process` look for (wire contract 15.15)."""
    return {
        "success": result.error is None,
        "status": "success" if result.error is None else "error",
        "result": result.value,
        "error": result.error,
        "metadata": {"tool": tool.name, "component": COMPONENT, "problem": result.problem},
    }


def as_it_is(_: Tool, result: Result) -> dict[str, Any]:
    """The bare result."""
    return result.value


def as_member(_: Tool, result: Result) -> dict[str, Any]:
    """The result as Apollo's callers read it."""
    return {"result": result.value}


def as_content(_: Tool, result: Result) -> dict[str, Any]:
    """The result as text, in the form of the Model Context Protocol."""
    text = problems.encode(result.value).decode()
    return {"content": [{"type": "text", "text": text}], "isError": result.error is not None}


def as_execution(_: Tool, result: Result) -> dict[str, Any]:
    """The result as Hermes's bridge reads it."""
    shown: dict[str, Any] = {"success": result.error is None, "result": result.value}
    return shown if result.error is None else {**shown, "error": result.error, "problem": result.problem}


class Endpoint:
    """One form: where the name and the arguments stand is the same for all, what the answer looks like is its own."""

    def __init__(self, path: str, show: Show) -> None:
        self.path = path
        self._show = show

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is wrong with it is a problem document, what is wrong in the tool an answer."""
        scope["route"] = self  # requests are counted by the path of their route
        try:
            body = await wire.read(scope, receive, wire.MAX_BODY)
            call = _call.parse(body, lenient=True)
            tool = tools.named(_name(scope, call))
            asked = _asked(scope, call)
        except BudgetError as error:
            log.debug("tool call refused", path=scope["path"], error=error.message)
            await send_error(error, scope, send)
            return
        result = await tools.run(tool, asked)
        await send_json(problems.encode(self._show(tool, result)), send)


def _name(scope: Scope, call: Call) -> str:
    in_path: str | None = scope["path_params"].get("name")
    name = in_path or call.tool_name or call.tool or call.name
    if name is None:
        raise Invalid("tool_name", "is required")
    return name


class _Sender(msgspec.Struct):
    component: ToolName | None = None


_senders: Final = msgspec.json.Decoder(_Sender)


def _asked(scope: Scope, call: Call) -> Asked:
    """Whoever is named as component asks, else the client; a tool call has no id of its own, so no key."""
    state = scope["app"].state
    payload = call.payload
    try:
        component = _senders.decode(payload).component
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        component = None  # the tool will say what is wrong with its arguments
    key = next((wire.key_text(value) for name, value in scope["headers"] if name == b"idempotency-key"), None)
    return Asked(state.ledger, state.identity, payload, component or call.client_id or "unknown", key, scope["caller"])


FORMS: Final[tuple[tuple[str, Show], ...]] = (
    ("/api/mcp/process", as_union),
    ("/api/v1/mcp/process", as_union),
    ("/mcp/process", as_it_is),
    ("/mcp/mcp/process", as_it_is),
    ("/mcp/tools/invoke", as_member),
    ("/mcp/mcp/tools/invoke", as_member),
    ("/api/mcp/v2/tools/call", as_content),
    ("/api/v1/mcp/v2/tools/call", as_content),
    ("/mcp/tools/{name}/execute", as_it_is),
    ("/mcp/mcp/tools/{name}/execute", as_it_is),
    ("/api/tools/{name}/execute", as_execution),
    ("/api/v1/tools/{name}/execute", as_execution),
)

ROUTES: Final[list[Route]] = [Route(path, Endpoint(path, show), methods=["POST"]) for path, show in FORMS]
