"""uvicorn's WebSocket protocol, with a short way for frames that are the same for every listener."""

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from collections.abc import MutableMapping

READY = "budget.ready"
"""The key of a message under which its whole frame stands; a server that does not know it takes the text."""

_SHORT, _LONG = 126, 1 << 16


class Protocol(WebSocketsSansIOProtocol):
    """Writes a ready frame as it is: making it anew for each of a thousand listeners takes twice as long."""

    async def send(self, message: "MutableMapping[str, Any]") -> None:  # type: ignore[override]  # a plain dict is one
        """Send one message of the application."""
        ready = message.get(READY)
        if ready is None or not self._is_open():
            await super().send(message)  # type: ignore[arg-type]
            return
        if not self.writable.is_set():
            await self.writable.wait()
        if self._is_open():
            self.transport.write(ready)
        else:
            await super().send(message)  # type: ignore[arg-type]  # it knows what to say then

    def _is_open(self) -> bool:
        return not (self.disconnected or self.close_sent or self.conn.extensions or self.transport.is_closing())


def ready_frame(text: str) -> bytes:
    """A whole frame from server to client: final, text, not masked, not compressed (RFC 6455, 5.2)."""
    body = text.encode()
    size = len(body)
    if size < _SHORT:
        return bytes((0x81, size)) + body
    if size < _LONG:
        return b"\x81\x7e" + size.to_bytes(2) + body
    return b"\x81\x7f" + size.to_bytes(8) + body
