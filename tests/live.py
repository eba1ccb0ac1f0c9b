"""A real server in the test's own loop, and a real WebSocket client, whose frames `docs/asyncapi.yaml` judges."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from budget import app as wiring
from budget import settings
from budget.engine.clock import Clock
from budget.interfaces.cli.serve import SOCKETS, Server
from tests import asyncapi

USAGE = {"context_id": "c", "component": "x", "provider": "openai", "model": "gpt-4o"}
PATIENCE_SECONDS = 20


class Listener:
    """One socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def hear(self) -> dict[str, Any]:
        """The next frame."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return asyncapi.check(json.loads(await self.socket.recv()))

    async def hear_until(self, kind: str) -> list[dict[str, Any]]:
        """The frames up to the first of this type."""
        frames = [await self.hear()]
        while frames[-1]["type"] != kind:
            frames.append(await self.hear())
        return frames

    async def events(self, count: int) -> list[dict[str, Any]]:
        """So many event frames; others are passed over."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            frame = await self.hear()
            if "seq" in frame:
                found.append(frame)
        return found

    async def say(self, kind: str, payload: Any = None, topic: str = "budget_events") -> None:
        """Send a frame."""
        await self.socket.send(json.dumps({"type": kind, "topic": topic, "payload": payload or {}}))

    async def ask(self, kind: str, payload: Any = None, topic: str = "budget_events") -> dict[str, Any]:
        """Send a frame, and get the answer, which is of the same type."""
        await self.say(kind, payload, topic)
        return (await self.hear_until(kind))[-1]

    async def closed(self) -> tuple[int, str]:
        """The code and the reason with which it is closed, whatever comes before."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.socket.wait_closed()
        assert self.socket.close_code is not None
        return self.socket.close_code, self.socket.close_reason or ""


class Live:
    """A running service."""

    def __init__(self, app: wiring.Application, server: Server, client: httpx.AsyncClient, port: int) -> None:
        self.app = app
        self.server = server
        self.client = client
        self.url = f"http://127.0.0.1:{port}"

    @contextlib.asynccontextmanager
    async def listener(self, path: str = "/ws/events", **more: Any) -> AsyncIterator[Listener]:
        """A socket, the greeting already heard."""
        async with connect(
            f"{self.url.replace('http', 'ws')}{path}", compression=None, close_timeout=0.1, **more
        ) as socket:
            listener = Listener(socket)
            greeting = await listener.hear()
            assert (greeting["type"], list(greeting["payload"])) == ("budget_update", ["message"])
            yield listener

    async def post(self, path: str, **body: Any) -> Any:
        answer = await self.client.post(f"/api{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def record(self, tokens: int = 5, **fields: Any) -> Any:
        return await self.post("/usage/record", **{**USAGE, "input_tokens": tokens, "output_tokens": 1, **fields})

    async def record_many(self, count: int) -> None:
        record = {**USAGE, "input_tokens": 5, "output_tokens": 1}
        await self.post("/usage/batch", records=[record] * count)

    async def newest(self) -> int:
        seq: int = (await self.client.get("/api/events/snapshot")).json()["as_of_seq"]
        return seq

    async def somebody_listens(self) -> None:
        """Once somebody does."""
        while not self.app.state.ledger.bus.listeners:  # noqa: ASYNC110 -- a client that connects is in no hurry
            await asyncio.sleep(0)

    async def all_handed_out(self) -> int:
        """Once every event has gone to those who listen, the number of the newest."""
        newest = await self.newest()
        while self.app.state.ledger.bus.seq < newest:  # noqa: ASYNC110 -- it reads when it is its turn
            await asyncio.sleep(0)
        return newest


@contextlib.asynccontextmanager
async def served(
    folder: Path,
    *,
    clock: Clock | None = None,
    push_seconds: float = 60.0,
    port: int = 0,
    sockets: Mapping[str, Any] = SOCKETS,
) -> AsyncIterator[Live]:
    """The service over the database in this folder."""
    made = settings.load({"BUDGET_DB_PATH": str(folder / "budget.db"), "HOME": str(folder)})
    app = wiring.create_app(made, clock=clock, push_seconds=push_seconds)
    server = Server(uvicorn.Config(app, port=port, lifespan="on", log_config=None, **sockets))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 -- uvicorn sets a flag
        await asyncio.sleep(0)
    bound = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{bound}", trust_env=False, timeout=30) as client:
        yield Live(app, server, client, bound)
    server.should_exit = True
    await serving


class MovableClock(Clock):
    """The real time, and as much later as the test says."""

    ahead = 0

    def now(self) -> int:
        return super().now() + self.ahead

    def jump(self) -> int:
        return 0
