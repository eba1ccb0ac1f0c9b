"""What this service says of itself, to whoever asks and over whatever protocol."""

import time
from typing import Final, NamedTuple

import msgspec

COMPONENT: Final = "budget"
ALIASES: Final = ("budget", "penia")
"""Names under which Tekton's programs address it."""

NAME: Final = "Budget"
DESCRIPTION: Final = "Tekton's one place for LLM tokens and money"
CAPABILITIES: Final = (
    "budget_management",
    "allocation",
    "usage_tracking",
    "pricing",
    "reporting",
    "model_guidance",
    "budget_allocation",
    "cost_tracking",
    "usage_monitoring",
    "assistant_service",
    "websocket_support",
    "mcp_bridge",
)
"""In Tekton's words, of two generations (wire contract 6)."""


class Identity(NamedTuple):
    """One process of the service."""

    version: str
    port: int
    started: float
    """`time.monotonic()` when the process began to start."""

    @property
    def uptime(self) -> float:
        """Seconds since then."""
        return round(time.monotonic() - self.started, 3)


class Neighbour(msgspec.Struct):
    """A component that Budget works with when it is there, and how it was when last asked."""

    name: str
    endpoint: str
    is_there: bool = False
    message: str = ""
    checked_at: int | None = None
    """In µs; None before the first try has come to an end."""

    def note(self, at: int, *, is_there: bool, message: str) -> None:
        """What asking it has come to."""
        self.checked_at, self.is_there, self.message = at, is_there, message
