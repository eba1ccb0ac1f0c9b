"""The load: prebuilt HTTP/1.1 requests over kept-alive connections, as cheap as Python makes it, in its own process.

`python -m benchmarks.load` reads a plan from stdin, and writes what was answered to stdout, both as JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, cast

import httpx
import uvloop

DEADLINE_SECONDS = 300.0
"""No run takes longer, unless something hangs."""


CALLS_A_SESSION = 20


def drive(plan: dict[str, Any]) -> dict[str, Any]:
    """Run a plan in a process of its own: see `_requests` for what a plan says."""
    command = [sys.executable, "-m", "benchmarks.load"]
    finished = subprocess.run(
        command, input=json.dumps(plan).encode(), stdout=subprocess.PIPE, check=True, timeout=2 * DEADLINE_SECONDS
    )
    answered: dict[str, Any] = json.loads(finished.stdout)
    return answered


def _requests(plan: dict[str, Any]) -> list[bytes]:
    """Every request as bytes. `body` is a template; `{n}` in it and in `headers` is the number of the request."""
    return [request_bytes(plan, number) for number in range(plan["first"], plan["first"] + plan["requests"])]


def request_bytes(plan: dict[str, Any], number: int) -> bytes:
    if "batch" in plan:
        first = number * plan["batch"]
        records = ",".join(_filled(plan, first + index) for index in range(plan["batch"]))
        body = f'{{"records":[{records}]}}'
    else:
        body = _filled(plan, number)
    return (
        f"POST {plan['path']} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"{plan.get('headers', '')}content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _filled(plan: dict[str, Any], number: int) -> str:
    """The body for a number: its key differs each time, its session every twenty, the rest goes round."""
    body: str = plan["body"]
    body = body.replace("{n}", f"{number:09d}").replace("{session}", f"{number // CALLS_A_SESSION:09d}")
    for name, values in plan.get("choices", {}).items():
        body = body.replace("{" + name + "}", values[number % len(values)])
    return body


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered."""

    def __init__(self, requests: Iterator[bytes], run: "_Run") -> None:
        self._requests = requests
        self._run = run
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without being a subclass
        self._run.connected(self)

    def send_next(self) -> None:
        assert self._transport is not None
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        buffer = self._buffer
        head_end = buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        at = buffer.find(b"content-length: ", 0, head_end) + 16
        length = int(buffer[at : buffer.find(b"\r\n", at)])
        if len(buffer) < head_end + 4 + length:
            return
        self._buffer = b""
        self._run.answered(buffer[9:12], buffer, head_end + 4)
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.lost(exc)


class _Run:
    """One run: how many answers of each status, and how long it took from the first request to the last answer."""

    def __init__(self, connections: int, *, keep_accepted: bool) -> None:
        self.statuses: dict[bytes, int] = {}
        self.accepted = 0
        self.example = ""
        self.started = self.ended = 0.0
        self._left = connections
        self._waiting: list[_Connection] = []
        self._connections = connections
        self._keep_accepted = keep_accepted
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connected(self, connection: _Connection) -> None:
        self._waiting.append(connection)
        if len(self._waiting) == self._connections:
            self.started = time.perf_counter()
            for waiting in self._waiting:
                waiting.send_next()

    def answered(self, status: bytes, reply: bytes, body_at: int) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.ended = time.perf_counter()
        if self._keep_accepted and status == b"200":
            self.accepted += int(reply[body_at : body_at + 40].split(b":", 2)[1].split(b",")[0])
        if status[:1] != b"2" and not self.example:
            self.example = reply[body_at : body_at + 500].decode(errors="replace")

    def lost(self, error: Exception | None) -> None:
        self._left -= 1
        if error is not None and not self.done.done():
            self.done.set_exception(error)
        elif self._left == 0 and not self.done.done():
            self.done.set_result(None)


async def _run(plan: dict[str, Any]) -> dict[str, Any]:
    requests = iter(_requests(plan))
    run = _Run(plan["connections"], keep_accepted="batch" in plan)
    loop = asyncio.get_running_loop()
    ports = plan.get("ports") or [plan["port"]]
    for number in range(plan["connections"]):
        port = ports[number % len(ports)]
        await loop.create_connection(lambda: _Connection(requests, run), "127.0.0.1", port)
    busy = time.process_time()
    await asyncio.wait_for(run.done, DEADLINE_SECONDS)
    seconds = run.ended - run.started
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time() - busy,
        "statuses": {status.decode(): count for status, count in run.statuses.items()},
        "accepted": run.accepted,
        "example": run.example,
    }


def get(url: str, path: str, times: int) -> list[float]:
    """Seconds that each of so many requests took, one after another on one connection."""
    took = []
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        client.get(path).raise_for_status()
        for _ in range(times):
            started = time.perf_counter()
            client.get(path).raise_for_status()
            took.append(time.perf_counter() - started)
    return took


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_run(json.load(sys.stdin)))))
