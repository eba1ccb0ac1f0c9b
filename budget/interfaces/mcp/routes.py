"""What can be asked about Tekton's tools: their list, the capabilities, and the results of asynchronous messages."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from budget.domain.entries import NOBODY
from budget.interfaces.mcp.results import Results
from budget.interfaces.mcp.tools import MODALITIES, TOOLS, Tool
from budget.operations import wire
from budget.operations.identity import COMPONENT, Identity

router: Final = APIRouter(tags=["mcp"], include_in_schema=False)


@router.get("/api/mcp/health")
@router.get("/api/v1/mcp/health")
async def health(request: Request) -> Response:
    """Whether messages and tools are answered."""
    writing = request.app.state.ledger.is_writing
    status = "healthy" if writing else "unhealthy"
    if request.scope["caller"] is NOBODY:  # up or not, and no more
        return wire.reply({"status": status}, 200 if writing else 503)
    return wire.reply({"status": status, "message": f"MCP of {COMPONENT} is {status}"}, 200 if writing else 503)


@router.get("/api/mcp/capabilities")
@router.get("/api/v1/mcp/capabilities")
@router.get("/mcp/capabilities")
@router.get("/mcp/mcp/capabilities")
async def capabilities() -> Response:
    """What the tools are for."""
    found = [
        {"name": name, "description": description, "modality": modality, "metadata": {"component": COMPONENT}}
        for name, modality, description in MODALITIES
    ]
    return wire.reply({"capabilities": found, "count": len(found)})


@router.get("/api/mcp/tools")
@router.get("/api/v1/mcp/tools")
@router.get("/mcp/tools")
@router.get("/mcp/mcp/tools")
@router.get("/api/mcp/v2/tools")
@router.get("/api/v1/mcp/v2/tools")
@router.post("/api/mcp/v2/tools/list")
@router.post("/api/v1/mcp/v2/tools/list")
async def list_tools(request: Request) -> Response:
    """Every tool, with all the fields that its readers know."""
    identity: Identity = request.app.state.identity
    found = [described(tool, identity) for tool in TOOLS.values()]
    return wire.reply({"tools": found, "count": len(found)})


@router.get("/api/mcp/results/{message_id}")
@router.get("/api/v1/mcp/results/{message_id}")
async def result(request: Request, message_id: str) -> Response:
    """The response to an asynchronous message: 202 while it is being worked on."""
    results: Results = request.app.state.message_results
    status, body = await results.result(request.app.state.ledger, message_id, request.scope["caller"])
    return Response(body, status, media_type="application/json")


def described(tool: Tool, identity: Identity) -> dict[str, Any]:
    """A tool as it is listed and as it is registered with Hermes."""
    return {
        "id": f"{COMPONENT}.{tool.name}",
        "name": tool.name,
        "description": tool.description,
        "schema": tool.schema,
        "input_schema": tool.schema,
        "inputSchema": tool.schema,
        "tags": [COMPONENT, tool.category],
        "category": tool.category,
        "version": identity.version,
        "endpoint": f"http://localhost:{identity.port}/api/tools/{tool.name}/execute",
        "metadata": {"component": COMPONENT, "component_version": identity.version, "category": tool.category},
    }
