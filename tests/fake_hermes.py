"""A Hermes made from the wire contract (section 6), oddities included: for tests, over ASGI or a real socket."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

TOKEN_SECONDS = 3600
ALIVE_SECONDS = 60
REQUIRED = ("name", "version", "type", "endpoint")


class FakeHermes:
    """The registry, its tools, and its mood: `away`, `nonsense`, or well."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.port = 0
        """Where it listens, when it has a socket."""
        self.components: dict[str, dict[str, Any]] = {}
        self.beats: dict[str, float] = {}
        self.published: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.takes_tools = True
        self.mood: str | None = None
        self.tools: dict[str, dict[str, Any]] = {}
        self.restart()
        self.app = Starlette(
            routes=[
                Route("/api/register", self._register, methods=["POST"]),
                Route("/api/heartbeat", self._heartbeat, methods=["POST"]),
                Route("/api/unregister", self._unregister, methods=["POST"]),
                Route("/api/components", self._list),
                Route("/api/components/{name}", self._one),
                Route("/api/mcp/v2/tools", self._list_tools),
                Route("/api/mcp/v2/tools", self._add_tool, methods=["POST"]),
                Route("/api/mcp/v2/tools/{id}", self._remove_tool, methods=["DELETE"]),
                Route("/api/mcp/v2/tools/{id}/execute", self._execute, methods=["POST"]),
            ]
        )

    def restart(self) -> None:
        """Everything is in memory only, but for the secret of the tokens."""
        self.components.clear()
        self.beats.clear()
        own = {"id": "tool-1", "name": "PublishMessage", "description": "", "schema": {}, "tags": []}
        self.tools = {"tool-1": own}

    def token(self, component_id: str) -> str:
        said = json.dumps({"component_id": component_id, "expires": self._now() + TOKEN_SECONDS})
        return json.dumps({"said": said, "signature": self._sign(said)})

    @staticmethod
    def _sign(said: str) -> str:
        return hmac.new(b"secret", said.encode(), hashlib.sha256).hexdigest()

    def _is_good(self, token: str, component_id: str) -> bool:
        try:
            parts = json.loads(token)
            said = json.loads(parts["said"])
        except (ValueError, KeyError, TypeError):
            return False
        return bool(
            hmac.compare_digest(parts["signature"], self._sign(parts["said"]))
            and said["component_id"] == component_id
            and said["expires"] > self._now()
        )

    def _moody(self, request: Request) -> Response | None:
        self.calls.append(f"{request.method} {request.url.path}")
        match self.mood:
            case "away":
                return PlainTextResponse("Bad gateway", 502)
            case "nonsense":
                return PlainTextResponse("<html>It works!</html>")
            case "list":
                return JSONResponse([1, 2])
            case "empty":
                return JSONResponse({})
            case _:
                return None

    async def _register(self, request: Request) -> Response:
        if moody := self._moody(request):
            return moody
        body = await request.json()
        missing = [name for name in REQUIRED if not isinstance(body.get(name), str)]
        if missing or not all(isinstance(capability, str) for capability in body.get("capabilities", [])):
            return JSONResponse({"detail": missing or "capabilities are strings"}, 422)
        component_id = body.get("component_id") or f"{body['type']}-{body['name']}-12345678"
        self.components[component_id] = body
        self.beats[component_id] = self._now()
        token = self.token(component_id)
        return JSONResponse({"success": True, "componentId": component_id, "token": token, "message": "registered"})

    async def _heartbeat(self, request: Request) -> Response:
        if moody := self._moody(request):
            return moody
        body = await request.json()
        token = request.headers.get("x-authentication-token")
        if token is None or not isinstance(body.get("status"), dict):
            return JSONResponse({"detail": "a header and a status object are needed"}, 422)
        if not self._is_good(token, body["component_id"]):
            return JSONResponse({"detail": "bad token"}, 401)
        self.beats[body["component_id"]] = self._now()  # whether it is listed or not (observed)
        return JSONResponse({"success": True, "timestamp": self._now(), "message": "ok"})

    async def _unregister(self, request: Request) -> Response:
        if moody := self._moody(request):
            return moody
        component_id = request.query_params.get("component_id")
        if component_id is None:
            return JSONResponse({"detail": "component_id is a query parameter"}, 422)
        if not self._is_good(request.headers.get("x-authentication-token", ""), component_id):
            return JSONResponse({"detail": "bad token"}, 401)
        self.components.pop(component_id, None)
        return JSONResponse({"success": True, "message": "gone"})

    def alive(self) -> list[str]:
        """Who counts as alive: beaten within a minute."""
        return [name for name in self.components if self._now() - self.beats[name] <= ALIVE_SECONDS]

    async def _list(self, request: Request) -> Response:
        if moody := self._moody(request):
            return moody
        wanted = self.alive() if request.query_params.get("healthy_only") == "true" else list(self.components)
        found = [{"component_id": name, **self.components[name], "type": None, "port": None} for name in wanted]
        return JSONResponse({"total": len(found), "components": found})

    async def _one(self, request: Request) -> Response:
        if moody := self._moody(request):
            return moody
        name = request.path_params["name"]
        found = [entry for entry in self.components.values() if entry["name"] == name]
        return JSONResponse(found[0]) if found else JSONResponse({"detail": "unknown"}, 404)

    async def _list_tools(self, request: Request) -> Response:
        return self._moody(request) or JSONResponse(list(self.tools.values()))

    async def _add_tool(self, request: Request) -> Response:
        if moody := self._moody(request):
            return moody
        if not self.takes_tools:
            return PlainTextResponse("Bad gateway", 502)
        body = await request.json()
        if not all(name in body for name in ("name", "description", "schema")):
            return JSONResponse({"detail": "name, description and schema are needed"}, 422)
        self.tools[body["id"]] = body
        return JSONResponse({"success": True, "toolId": body["id"], "message": "registered"})

    async def _remove_tool(self, request: Request) -> Response:
        if moody := self._moody(request):
            return moody
        gone = self.tools.pop(request.path_params["id"], None)
        return JSONResponse({"success": gone is not None}, 200 if gone else 404)

    async def _execute(self, request: Request) -> Response:
        if moody := self._moody(request):
            return moody
        tool = self.tools.get(request.path_params["id"])
        body = await request.json()
        if tool is None:
            return JSONResponse({"detail": "unknown tool"}, 404)
        if tool["name"] == "PublishMessage":
            self.published.append(body["parameters"])
        result = {"error": "not awaited"}  # it is stored all the same (observed)
        said = {"success": True, "tool_id": tool["id"], "tool_name": tool["name"], "result": result}
        return JSONResponse({**said, "execution_time": 0.0})
