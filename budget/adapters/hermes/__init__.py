"""Tekton's registry: being a member of it, and telling the others through it (wire contract 6)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import httpx

from budget.adapters.hermes.calls import Hermes, Registration, Tool
from budget.adapters.hermes.membership import Membership
from budget.adapters.hermes.publishing import Publisher
from budget.engine.clock import Clock
from budget.engine.ledger import Ledger
from budget.operations import tekton_events
from budget.operations.identity import CAPABILITIES, COMPONENT, DESCRIPTION, Neighbour

TYPE: Final = "budget_manager"

WEBSOCKETS: Final = (
    ("/ws", "everything"),
    ("/ws/budget/updates", "summaries of budgets that changed"),
    ("/ws/budget/alerts", "alerts"),
    ("/ws/budget/allocations", "allocations that changed"),
    ("/ws/budget/prices", "prices that changed"),
)


class Tekton:
    """Budget's place in Tekton: a member of its registry, and a voice in its messages."""

    def __init__(  # noqa: PLR0913 -- by name; the last three are for tests
        self,
        ledger: Ledger,
        *,
        url: str,
        endpoint: str,
        version: str,
        aliases: Iterable[str],
        messages: Mapping[str, str],
        tools: Iterable[Mapping[str, Any]],
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        hermes = Hermes(url, transport)
        names = (COMPONENT, *aliases)
        metadata = _metadata(url, endpoint, version, messages)
        self._membership = Membership(
            hermes,
            [_registration(name, endpoint, version, metadata) for name in names],
            [_tool(described, endpoint, version) for described in tools],
            clock=clock or Clock(),
            sleep=sleep,
        )
        self._publisher = Publisher(ledger, hermes, self._membership.joined, sleep)

    @property
    def state(self) -> Neighbour:
        """How Hermes was when last asked."""
        return self._membership.state

    def start(self) -> None:
        """Begin in the background; nothing waits for it."""
        self._membership.start()
        self._publisher.start()

    async def stop(self) -> None:
        """Stop telling, then say goodbye."""
        await self._publisher.stop()
        await self._membership.stop()


def _registration(name: str, endpoint: str, version: str, metadata: Mapping[str, Any]) -> Registration:
    return Registration(
        component_id=name,
        name=name,
        version=version,
        type=TYPE,
        endpoint=endpoint,
        capabilities=CAPABILITIES,
        metadata=metadata,
    )


def _metadata(url: str, endpoint: str, version: str, messages: Mapping[str, str]) -> dict[str, Any]:
    return {
        "description": DESCRIPTION,
        "version": version,
        "type": TYPE,
        "ui_enabled": True,
        "ui_component": "budget-dashboard",
        "supports_mcp": True,
        "mcp_enabled": True,
        "assistant": "enabled",
        "websocket_endpoint": "/ws",
        "websocket_endpoints": [{"path": path, "description": description} for path, description in WEBSOCKETS],
        "mcp_capabilities": {
            "protocol": "mcp",
            "version": "1.0",
            "endpoint": f"{endpoint}/api/mcp/message",
            "message_types": [{"message_type": name, "response_type": response} for name, response in messages.items()],
            "events": list(tekton_events.NAMES),
        },
        "dependencies": {"hermes": url},
    }


def _tool(described: Mapping[str, Any], endpoint: str, version: str) -> Tool:
    name = described["name"]
    port = int(endpoint.rsplit(":", 1)[1])
    return Tool(
        id=f"{COMPONENT}.{name}",
        name=f"{COMPONENT}_{name}",
        description=described["description"],
        schema=described["schema"],
        tags=tuple(described["tags"]),
        endpoint=f"{endpoint}/api/tools/{name}/execute",
        metadata={
            "category": described["category"],
            "tags": list(described["tags"]),
            "fastmcp": True,
            "component": COMPONENT,
            "component_version": version,
            "port": port,
        },
    )
