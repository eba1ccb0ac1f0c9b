"""Hermes, Tekton's registry: what it is asked, and what counts as an answer (wire contract 6).

Hermes may be down, slow, or talk nonsense: each of these is `Absent`, and never more than that.
"""

from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec

from budget.domain.errors import BudgetError
from budget.operations import bodies

REGISTER_SECONDS: Final = 5.0
BEAT_SECONDS: Final = 2.0
UNREGISTER_SECONDS: Final = 2.0
PUBLISH_SECONDS: Final = 5.0

MOST_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of an answer that are read; more is nonsense."""

_TOKEN: Final = "X-Authentication-Token"  # noqa: S105 -- a header's name
_PUBLISHER: Final = "PublishMessage"


class Absent(BudgetError):
    """Hermes did not answer as it should."""

    code = "hermes_absent"


class TokenRefused(Absent):
    """The token is not valid any more: register again."""

    code = "hermes_token_refused"


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """What a component says of itself. Hermes takes capabilities as texts only."""

    component_id: str
    name: str
    version: str
    type: str
    endpoint: str
    capabilities: tuple[str, ...]
    metadata: Mapping[str, Any]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that Hermes lists under our own id, so that it can be found again and taken off."""

    id: str
    name: str
    description: str
    schema: Mapping[str, Any]
    tags: tuple[str, ...]
    endpoint: str
    metadata: Mapping[str, Any]


class Hermes:
    """The calls. Everything that can go wrong is `Absent`."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = url
        self._http = httpx.AsyncClient(base_url=url, transport=transport, trust_env=False)

    async def register(self, registration: Registration) -> str:
        """Announce a component, over whatever Hermes knew of it; gives the token for everything else."""
        answer = await self._ask("POST", "/api/register", REGISTER_SECONDS, body=registration)
        token = answer.get("token")
        if answer.get("success") is not True or not isinstance(token, str) or not token:
            raise Absent(f"Hermes did not take the registration: {_text(answer.get('message'))}")
        return token

    async def beat(self, component_id: str, token: str) -> None:
        """Say that a component lives; `TokenRefused` when Hermes wants it to register again."""
        body = {"component_id": component_id, "status": {"state": "healthy"}}
        await self._ask("POST", "/api/heartbeat", BEAT_SECONDS, body=body, headers={_TOKEN: token})

    async def is_listed(self, name: str) -> bool:
        """Whether Hermes still knows a component: after a restart it does not, and takes heartbeats all the same."""
        answer = await self._ask("GET", f"/api/components/{name}", BEAT_SECONDS, missing={})
        return bool(answer)

    async def unregister(self, component_id: str, token: str) -> None:
        """Say goodbye."""
        parameters = {"component_id": component_id}
        await self._ask("POST", "/api/unregister", UNREGISTER_SECONDS, params=parameters, headers={_TOKEN: token})

    async def add_tool(self, tool: Tool) -> None:
        """List a tool, over what Hermes knew under its id."""
        await self._ask("POST", "/api/mcp/v2/tools", REGISTER_SECONDS, body=tool)

    async def remove_tool(self, tool_id: str) -> None:
        """Take a tool off the list, if it is on it."""
        await self._ask("DELETE", f"/api/mcp/v2/tools/{tool_id}", UNREGISTER_SECONDS, missing={})

    async def find_publisher(self) -> str:
        """The id of the tool through which messages are published: Hermes has no other way over HTTP."""
        answer = await self._ask("GET", "/api/mcp/v2/tools", PUBLISH_SECONDS)
        for tool in answer.get("tools", ()):
            if isinstance(tool, dict) and tool.get("name") == _PUBLISHER and isinstance(tool.get("id"), str):
                return str(tool["id"])
        raise Absent(f"Hermes has no tool {_PUBLISHER}")

    async def publish(self, publisher: str, channel: str, message: Mapping[str, Any]) -> None:
        """Send a message to a channel. Hermes stores it and speaks of an error all the same (observed)."""
        body = {"parameters": {"channel": channel, "message": message}}
        await self._ask("POST", f"/api/mcp/v2/tools/{publisher}/execute", PUBLISH_SECONDS, body=body)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(
        self,
        method: str,
        path: str,
        seconds: float,
        *,
        body: object = None,
        missing: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One call; `missing` is the answer that a 404 stands for. A list comes as `{"tools": …}`."""
        try:
            async with self._http.stream(
                method,
                path,
                timeout=seconds,
                content=None if body is None else bodies.encode(body),
                headers={"Content-Type": "application/json", **(headers or {})},
                params=params,
            ) as response:
                text = await _read(response)
        except httpx.HTTPError as error:
            raise Absent(f"{self.url}{path}: {type(error).__name__} {_text(error)}".rstrip()) from error
        if response.status_code == httpx.codes.NOT_FOUND and missing is not None:
            return missing
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise TokenRefused(f"{path}: the token is refused")
        if not response.is_success:
            raise Absent(f"{path}: {response.status_code} {_text(text.decode(errors='replace'))}")
        try:
            answer = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Absent(f"{path}: no JSON: {_text(error)}") from error
        if isinstance(answer, list):
            return {"tools": answer}
        if not isinstance(answer, dict):
            raise Absent(f"{path}: no object")
        return answer


async def _read(response: httpx.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MOST_ANSWER:
            raise Absent("the answer does not end")
    return body


def _text(value: object) -> str:
    return str(value)[:200]
