"""Who is at the other end of a socket: it may come in without a key, and is told nothing until it has brought one."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.websockets import WebSocket

from budget.domain.entries import NOBODY, Caller
from budget.domain.errors import NotAllowed, NotAuthenticated
from budget.operations.gate import Doors

AUTHENTICATION_SECONDS: Final = 30.0
"""How long a socket may stay without a key where one is needed."""

MOST_TRIES: Final = 10
"""Frames that it may send until then."""

UNKNOWN: Final = "authenticate first: send an authentication frame with your api_key"


class Access:
    """What one socket has shown of itself."""

    def __init__(self, websocket: WebSocket) -> None:
        self._socket = websocket
        self._doors: Doors = websocket.app.state.doors
        self.caller: Caller = websocket.scope["caller"]

    @property
    def is_known(self) -> bool:
        """Whether it may hear and ask."""
        return self.caller is not NOBODY and self.caller.may("read")

    @property
    def still_good(self) -> bool:
        """Whether what it came in with still opens the door."""
        return self._doors.still_good(self.caller, self._socket.app.state.ledger)

    def authenticate(self, payload: Mapping[str, Any]) -> bool:
        """Whether the key that an `authentication` frame brings is good; as long as keys are off, any is."""
        text = payload.get("api_key")
        if not isinstance(text, str) or not text:
            return False
        if not self._doors.required:
            return True
        client = self._socket.client
        found = self._doors.caller_with(text, self._socket.app.state.ledger, client.host if client else None)
        if found is None or not found.may("read"):
            return False
        if not self.is_known:  # what it hears by now is cut to the key that it came in with
            self.caller = found
        return True

    def refusal(self) -> NotAuthenticated | NotAllowed:
        """Why it gets nothing."""
        if self.caller is NOBODY:
            return NotAuthenticated(UNKNOWN)
        return NotAllowed("this needs a key with the scope 'read'")
