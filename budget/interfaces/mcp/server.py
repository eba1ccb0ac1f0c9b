"""The Model Context Protocol by its official SDK: the catalogue as tools, `resources` and `prompts` as they are.

Importing this module imports the SDK, which takes more than a second: only `gateway` does, when it is first needed.
"""

from typing import Any, Final

import mcp_types as types
import msgspec
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import ListenHandler
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError

from budget.domain.entries import NOBODY, Caller
from budget.domain.errors import BudgetError
from budget.engine.ledger import Ledger
from budget.interfaces.mcp import model_tools, prompts, resources
from budget.interfaces.mcp.changes import Changes
from budget.interfaces.mcp.handling import text_of
from budget.log import get_logger
from budget.operations import access, answers, inputs, problems, wire
from budget.operations.catalogue import BY_NAME, CATALOGUE, Operation
from budget.operations.identity import COMPONENT, DESCRIPTION, NAME, Identity

log = get_logger("mcp_endpoints")

INSTRUCTIONS: Final = (
    "Ask before a call (`allocate`, or `check_allocation` to hold nothing), say after it what was used "
    "(`record_usage`). Money is exact decimals in US dollars. A refusal is an error whose structured content says "
    "which limit, the arithmetic, when it fits again, and offers that would be granted. Every tool that changes "
    "something takes `request_id`: repeated with the same one, it happens once and gives the first answer."
)

_HINTS: Final = {
    "reads": types.ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True),
    "adds": types.ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False),
    "changes": types.ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True),
    "removes": types.ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True),
}


class ModelContext:
    """One server and its session manager, over a ledger."""

    def __init__(self, ledger: Ledger, identity: Identity) -> None:
        self._ledger = ledger
        self._changes = Changes(ledger)
        self._listen = ListenHandler(self._changes)
        self._changes.on_stop = self._listen.close
        server: Server[Any] = Server(
            COMPONENT,
            version=identity.version,
            title=NAME,
            description=DESCRIPTION,
            instructions=INSTRUCTIONS,
            get_tool_input_schema=_input_schema,
            on_list_tools=_list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=_list_templates,
            on_read_resource=self._read_resource,
            on_subscriptions_listen=self._listening,
            on_list_prompts=_list_prompts,
            on_get_prompt=self._get_prompt,
        )
        server.middleware.clear()  # the service counts and names its requests itself
        self.manager = StreamableHTTPSessionManager(
            server,
            json_response=True,
            stateless=True,
            # Origins are checked for the whole service, before a request comes here.
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
            max_request_body_size=wire.MAX_BODY,
        )

    async def _call_tool(self, context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        operation = BY_NAME.get(params.name)
        if operation is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name[:200]}")
        outcome = await model_tools.call(
            self._ledger, operation, msgspec.json.encode(params.arguments or {}), _caller_of(context)
        )
        content: list[types.ContentBlock] = [types.TextContent(type="text", text=outcome.json.decode())]
        return types.CallToolResult(
            content=content, structured_content=msgspec.json.decode(outcome.json), is_error=outcome.is_error
        )

    async def _list_resources(
        self, context: Any, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        page = _page_of(params)
        try:
            found, more = await resources.listed(self._ledger, page, _caller_of(context))
        except BudgetError as error:
            raise _as_mcp(error) from None
        return types.ListResourcesResult(
            resources=[
                types.Resource(uri=each.uri, name=each.name, description=each.description, mime_type=_JSON)
                for each in found
            ],
            next_cursor=str(page + 1) if more else None,
        )

    async def _read_resource(self, context: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        try:
            value = await resources.read(self._ledger, uri, _caller_of(context))
        except BudgetError as error:
            log.debug("resource refused", uri=uri, error=error.message)
            raise _as_mcp(error, uri=uri) from None
        text = problems.encode(value).decode()
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=_JSON, text=text)])

    async def _listening(
        self, context: Any, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        try:
            access.demand_unbound(_caller_of(context), "read")  # what changes is told by addresses, whosever they are
        except BudgetError as error:
            raise _as_mcp(error) from None
        async with self._changes.followed():
            return await self._listen(context, params)

    async def _get_prompt(self, context: Any, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        prompt = next((each for each in prompts.PROMPTS if each.name == params.name), None)
        if prompt is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name[:200]}")
        try:
            text = await prompts.filled_in(self._ledger, prompt, params.arguments or {}, _caller_of(context))
        except BudgetError as error:
            log.debug("prompt refused", prompt=prompt.name, error=error.message)
            raise _as_mcp(error) from None
        message = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
        return types.GetPromptResult(description=prompt.description, messages=[message])


def _caller_of(context: Any) -> Caller:
    """Who asks, as the door found it."""
    caller: Caller = NOBODY if context.request is None else context.request.scope["caller"]
    return caller


_JSON: Final = "application/json"


async def _list_tools(_: Any, __: Any) -> types.ListToolsResult:
    return types.ListToolsResult(tools=_TOOLS, ttl_ms=_STABLE_MS, cache_scope="public")


async def _list_templates(_: Any, __: Any) -> types.ListResourceTemplatesResult:
    found = [
        types.ResourceTemplate(
            uri_template=template.uri, name=template.name, description=template.description, mime_type=_JSON
        )
        for template in resources.TEMPLATES
        if not template.is_fixed
    ]
    return types.ListResourceTemplatesResult(resource_templates=found)


async def _list_prompts(_: Any, __: Any) -> types.ListPromptsResult:
    found = [
        types.Prompt(
            name=prompt.name,
            title=prompt.title,
            description=prompt.description,
            arguments=[
                types.PromptArgument(name=each.name, description=each.description, required=each.required)
                for each in prompt.arguments
            ],
        )
        for prompt in prompts.PROMPTS
    ]
    return types.ListPromptsResult(prompts=found)


def _tool(operation: Operation) -> types.Tool:
    return types.Tool(
        name=operation.name,
        title=operation.name.replace("_", " ").capitalize(),
        description=operation.description,
        input_schema=inputs.schema_of(operation.request),
        output_schema=_output_schema(operation),
        annotations=_HINTS[operation.kind],
    )


def _output_schema(operation: Operation) -> dict[str, Any]:
    schema = answers.standing_alone(operation.answer)
    if schema.get("type") != "array":
        return schema
    definitions = {"$defs": schema.pop("$defs")} if "$defs" in schema else {}
    return {"type": "object", "properties": {"result": schema}, "required": ["result"], **definitions}


_STABLE_MS: Final = 60 * 60 * 1000
_TOOLS: Final = [_tool(operation) for operation in CATALOGUE]
_SCHEMAS: Final = {tool.name: tool.input_schema for tool in _TOOLS}


def _input_schema(name: str) -> dict[str, Any] | None:
    return _SCHEMAS.get(name)


def _page_of(params: types.PaginatedRequestParams | None) -> int:
    cursor = None if params is None else params.cursor
    if cursor is None:
        return 1
    if not cursor.isascii() or not cursor.isdecimal() or not int(cursor[:6]) >= 1 or len(cursor) > len("100000"):
        raise MCPError(types.INVALID_PARAMS, "Invalid cursor")
    return int(cursor)


def _as_mcp(error: BudgetError, **more: Any) -> MCPError:
    """An error where the protocol knows no `isError`."""
    document = msgspec.json.decode(problems.encode(problems.document(error)))
    return MCPError(types.INVALID_PARAMS, text_of(error), {**more, "problem": document})
