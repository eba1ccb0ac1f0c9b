"""A web server on loopback that is told, and does with each request what the test says."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple


class Heard(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WebhookReceiver:
    """Keeps what it hears. `answer` gives a status for a request, or None to hang up."""

    def __init__(self, answer: Callable[[Heard], int | None]) -> None:
        self.answer = answer
        self.heard: list[Heard] = []
        self.accepted: list[Heard] = []
        self.url = ""

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            heard = Heard(first.split()[1], headers, await reader.readexactly(int(headers["content-length"])))
            self.heard.append(heard)
            status = self.answer(heard)
            if status is not None:
                if status < 300:
                    self.accepted.append(heard)
                moved = f"location: {self.url}/trap\r\n" if 300 <= status < 400 else ""
                writer.write(f"HTTP/1.1 {status} X\r\n{moved}content-length: 0\r\nconnection: close\r\n\r\n".encode())
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiving(answer: Callable[[Heard], int | None] = lambda _: 204) -> AsyncIterator[WebhookReceiver]:
    """Until the test is over."""
    receiver = WebhookReceiver(answer)
    server = await asyncio.start_server(receiver.hear, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield receiver
