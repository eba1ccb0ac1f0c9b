"""Why a socket is closed: each code has one cause."""

import asyncio
import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from starlette.websockets import WebSocket, WebSocketDisconnect

from budget.domain.errors import Gone
from budget.engine.subscriptions import Ended, Ending
from budget.log import get_logger
from budget.operations.gate import UNAUTHENTICATED

log = get_logger("budget_websocket")

CLOSE_SECONDS: Final = 2.0
"""How long a close frame may wait behind what the client does not read."""


class Close(NamedTuple):
    """How a socket is closed."""

    code: int
    reason: str = ""


class LockedOut(Exception):
    """The client's key opens nothing any more, or none came in time."""


class TooLarge(Exception):
    """The client sent a frame that is too large."""


BY_ENDING: Final[Mapping[Ending, Close]] = {
    Ending.STOPPED: Close(1001, "the service stops; come back with the last number"),
    Ending.SLOW: Close(1013, "too slow; come back with the last number"),
    Ending.FAILED: Close(1011, "something went wrong here; the log says what"),
}
_LOCKED_OUT: Final = Close(UNAUTHENTICATED, "no good API key")
_TOO_LARGE: Final = Close(1009, "the frame is too large")
GONE: Final = 4410


def reason_of(outcomes: Iterable[Any]) -> Close | None:
    """The close that these outcomes of a socket's tasks lead to; None when the client has gone by itself."""
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    for error in errors:
        match error:
            case WebSocketDisconnect():
                return None
            case TooLarge():
                return _TOO_LARGE
            case LockedOut():
                return _LOCKED_OUT
            case Gone():
                return Close(GONE, json.dumps(error.details))
            case Ended():
                return BY_ENDING[error.ending]
    for error in errors:  # whatever it is: the client is told, and the log says what
        log.error("a socket failed", exc_info=error)
    return BY_ENDING[Ending.FAILED]


async def close(websocket: WebSocket, how: Close) -> None:
    """Close a socket, unless it is gone or stuck."""
    with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await websocket.close(*how)
