"""What Tekton's programs ask of every component: discovery, workflows, a word from a person, and to stop."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response
from starlette.routing import Route

from budget.interfaces.rest import openapi, read_chat
from budget.interfaces.rest.needing import of_all
from budget.log import get_logger
from budget.operations import bodies, stopping, wire
from budget.operations.identity import ALIASES, CAPABILITIES, COMPONENT, DESCRIPTION, Identity

log = get_logger("api")

router: Final = APIRouter(tags=["infrastructure"])

SHUTDOWN_PATHS: Final = ("/shutdown", "/api/shutdown")


@router.get("/api/v1/discovery", summary="List the ways in", **openapi.by_hand())
@router.get("/api/discovery", include_in_schema=False)
async def discovery(request: Request) -> Response:
    """Every way in, with what it is for."""
    identity: Identity = request.app.state.identity
    neighbours = request.app.state.neighbours
    return wire.reply(
        {
            "component": COMPONENT,
            "version": identity.version,
            "description": DESCRIPTION,
            "endpoints": _endpoints(request),
            "capabilities": CAPABILITIES,
            "dependencies": {neighbour.name: neighbour.endpoint for neighbour in neighbours},
            "metadata": {"port": identity.port, "websocket": "/ws", "mcp": "/mcp", "docs": "/docs"},
        }
    )


def _endpoints(request: Request) -> list[dict[str, Any]]:
    documented = request.app.openapi()["paths"].items()
    found = [
        {
            "path": path,
            "method": method.upper(),
            "description": operation.get("summary") or operation.get("description", ""),
            "tags": operation.get("tags", []),
        }
        for path, operations in documented
        for method, operation in operations.items()
    ]
    listed = {endpoint["path"] for endpoint in found}
    plain = [route for route in request.app.router.routes if isinstance(route, Route) and route.path not in listed]
    return found + [
        {"path": route.path, "method": method, "description": "", "tags": []}
        for route in plain
        for method in sorted(route.methods or ())
    ]


class Workflow(msgspec.Struct, kw_only=True):
    """A message of Tekton's workflows; what else it carries is nobody's affair here."""

    purpose: str | dict[str, str]
    dest: str
    payload: dict[str, Any]


@router.post("/workflow", summary="Answer a workflow's message", **openapi.by_hand(Workflow))
async def workflow(request: Request) -> Response:
    """Answer a workflow's message. Budget has no work of its own to hand out."""
    body = await wire.read(request.scope, request.receive, wire.MAX_BODY)
    try:
        message = msgspec.json.decode(body, type=Workflow)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise bodies.Malformed(str(error)) from error
    said: dict[str, Any] = {"component": COMPONENT}
    if message.dest.lower() not in ALIASES:
        return wire.reply({**said, "status": "error", "message": f"this is {COMPONENT}, not {message.dest[:200]}"})
    purpose = message.purpose if isinstance(message.purpose, str) else message.purpose.get(message.dest, "")
    said["purpose"] = purpose
    if purpose == "check_work" and message.payload.get("action") == "look_for_work":
        work = {"work_available": False, "work_count": 0, "work_items": []}
        return wire.reply({**said, "status": "success", **work, "message": "there is no work waiting"})
    return wire.reply({**said, "status": "not_implemented", "message": f"Budget does nothing for {purpose[:200]!r}"})


class Said(msgspec.Struct, kw_only=True):
    """What a person says to a component through Tekton's shell."""

    message: Annotated[str, Meta(min_length=1, max_length=2000)]


@router.post("/api/message", dependencies=[of_all("read")], include_in_schema=False)
@router.post(
    "/api/v1/message", dependencies=[of_all("read")], summary="Answer a person's line", **openapi.by_hand(Said)
)
async def message(request: Request) -> Response:
    """Answer a person's line, as the dashboard's chat does."""
    said = await wire.decode(request, Said)
    answer = await read_chat.answer(request.app.state.ledger, said.message)
    return wire.reply({"response": read_chat.as_text(answer["result"]), "message": said.message, **answer})


# Stopping


@router.post(
    "/shutdown",
    dependencies=[of_all("admin")],
    summary="Stop",
    status_code=202,
    **openapi.by_hand(status=202, errors=(403, 409)),
)
@router.post("/api/shutdown", dependencies=[of_all("admin")], status_code=202, include_in_schema=False)
@router.post("/admin/shutdown", dependencies=[of_all("admin")], status_code=202, include_in_schema=False)
async def shutdown(request: Request) -> Response:
    """Finish what was accepted, then end; only for those on this machine."""
    said = stopping.stop(request.app.state, request.scope["caller"], _address(request))
    return wire.reply(said, 202)


@router.get(
    "/shutdown/status", dependencies=[of_all("admin")], summary="Say how to stop", **openapi.by_hand(errors=(403,))
)
@router.get("/api/shutdown/status", dependencies=[of_all("admin")], include_in_schema=False)
async def shutdown_status(request: Request) -> Response:
    """How Budget can be stopped."""
    stopping.check_near(_address(request))
    return wire.reply(
        {
            "shutdown_supported": getattr(request.app.state, "stop", None) is not None,
            "component": COMPONENT,
            "endpoints": list(SHUTDOWN_PATHS),
            "method": "POST",
            "cleanup_tasks": request.app.state.ledger.queue_depth,
        }
    )


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None
