"""uvicorn's HTTP protocol, with limits on what comes before a request: its head, and the connection itself."""

import asyncio
import resource
from http import HTTPStatus
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from budget.operations import problems, sending

HEAD_BYTES: Final = 64 * 1024
"""The longest head of a request: its first line and its headers."""

HEAD_SECONDS: Final = 10.0
"""How long a head may take, and a new connection to begin with one."""

SPARE_FILES: Final = 128
"""Of the files that a process may have open, those that are not for connections: the database, the log, Hermes."""


class Protocol(HttpToolsProtocol):
    """Closes a connection that is one too many, or whose next head is too long or does not come to its end."""

    _in_head = True
    _head_bytes = 0
    _giving_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Take a connection, as long as files can still be opened."""
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too_many_connections", "too many connections are open")
        else:
            self._expect_an_end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, of a head no more than is allowed."""
        rest = b""
        if self._in_head:
            allowed = HEAD_BYTES - self._head_bytes
            if len(data) > allowed:
                data, rest = data[:allowed], data[allowed:]
            self._head_bytes += len(data)
        super().data_received(data)
        if rest and self._in_head and self._head_bytes:
            self._refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head_too_large",
                f"the headers of a request may have {HEAD_BYTES // 1024} KiB together",
            )
        elif rest and not self.transport.is_closing():
            super().data_received(rest)
        if self._head_bytes and self._giving_up is None:
            self._expect_an_end()

    def on_headers_complete(self) -> None:
        """The head is there; what follows has limits of its own."""
        self._in_head = False
        self._head_bytes = 0
        self._expect_nothing()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next to come is a head."""
        self._in_head = True
        super().on_message_complete()

    def _expect_an_end(self) -> None:
        if not self.transport.is_closing():
            self._giving_up = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _expect_nothing(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self) -> None:
        self._giving_up = None
        before = cast("RequestResponseCycle | None", self.cycle)  # uvicorn does not declare that there may be none yet
        if before is not None and not before.response_complete:
            self._expect_an_end()
        elif self._head_bytes:
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                "request_timeout",
                f"the headers did not come within {HEAD_SECONDS:.0f} seconds",
            )
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, code: str, detail: str) -> None:
        if self.transport.is_closing():
            return
        made = problems.made(status, code, detail, title=status.phrase, instance=None, errors=[], details={})
        body = problems.encode(made)
        retry = f"retry-after: {sending.RETRY_AFTER_SECONDS}\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {sending.MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\n{retry}connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def most_connections() -> int:
    """How many connections there may be, so that a file can still be opened."""
    return max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES, SPARE_FILES)
