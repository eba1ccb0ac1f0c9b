"""Listeners: many WebSockets in one process of their own, as cheap as Python makes them.

`python -m benchmarks.listen` reads a plan from stdin, says `ready` when all are greeted, and in the end what they got.
"""

import asyncio
import datetime as dt
import json
import resource
import subprocess
import sys
import time
from typing import Any, cast

import uvloop

DEADLINE_SECONDS = 300.0
HEADER = 4
"""Bytes before the text of a frame of 126 bytes to 64 KiB; shorter and longer ones have 2 and 10."""


class Listeners:
    """The process, from the other side."""

    def __init__(self, port: int, path: str, count: int, events: int) -> None:
        """`events` ends it when each has got so many; 0 leaves that to `stop`."""
        raise_open_files()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.listen"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        plan = {"port": port, "path": path, "count": count, "events": events}
        self._process.stdin.write(json.dumps(plan).encode() + b"\n")
        self._process.stdin.flush()
        assert self._line() == "ready"

    def result(self) -> dict[str, Any]:
        """What they got, when they are done."""
        found: dict[str, Any] = json.loads(self._line())
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(DEADLINE_SECONDS)
        return found

    def stop(self) -> dict[str, Any]:
        """End them now."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.result()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()


def raise_open_files() -> None:
    """A thousand sockets need more than a thousand files, here and in what is started from here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Run:
    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.greeted = self.finished = self.frames = 0
        self.out_of_order = 0
        self.waits: list[float] = []
        """From an event's time, which its transaction took at its start, to each receipt."""
        self.made_at: dict[bytes, float] = {}
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.done = asyncio.Event()

    def got(self, connection: "_Connection", text: bytes) -> None:
        self.frames += 1
        at = text.find(b'"seq":')
        if at < 0 or text.find(b'"as_of_seq":') >= 0:
            if connection.last == 0:
                connection.last = -1
                self.greeted += 1
                if self.greeted == self.plan["count"]:
                    self.ready.set_result(None)
            return
        now = time.time()
        number = text[at + 6 : text.find(b",", at)]
        made_at = self.made_at.get(number)
        if made_at is None:
            made_at = self.made_at[number] = _time_of(text)
        self.waits.append(now - made_at)
        seq = int(number)
        if seq <= connection.last:
            self.out_of_order += 1
        connection.last = seq
        connection.events += 1
        if connection.events == self.plan["events"]:
            self.finished += 1
            if self.finished == self.plan["count"]:
                self.done.set()


def _time_of(text: bytes) -> float:
    at = text.rfind(b'"timestamp":"') + 13
    return dt.datetime.fromisoformat(text[at : text.find(b'"', at)].decode()).timestamp()


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._open = False
        self.last = 0
        self.events = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plan = self._run.plan
        request = (
            f"GET {plan['path']} HTTP/1.1\r\nhost: 127.0.0.1:{plan['port']}\r\nupgrade: websocket\r\n"
            "connection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: YmVuY2htYXJrYmVuY2htYQ==\r\n\r\n"
        )
        cast("asyncio.Transport", transport).write(request.encode())

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        at = 0
        if not self._open:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = buffer
                return
            assert buffer.startswith(b"HTTP/1.1 101"), buffer[:200]
            self._open, at = True, end + 4
        while True:
            found = _frame_at(buffer, at)
            if found is None:
                break
            self._run.got(self, buffer[found[0] : found[1]])
            at = found[1]
        self._buffer = buffer[at:]


def _frame_at(buffer: bytes, at: int) -> tuple[int, int] | None:
    """Where the text of the next whole frame begins and ends."""
    if len(buffer) < at + HEADER:
        return None
    length, start = buffer[at + 1], at + 2
    if length == 126:
        length, start = int.from_bytes(buffer[at + 2 : at + 4]), at + 4
    elif length == 127:
        length, start = int.from_bytes(buffer[at + 2 : at + 10]), at + 10
    return (start, start + length) if len(buffer) >= start + length else None


async def _listen(plan: dict[str, Any]) -> dict[str, Any]:
    run = _Run(plan)
    loop = asyncio.get_running_loop()
    for _ in range(plan["count"]):
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", plan["port"])
    await asyncio.wait_for(run.ready, DEADLINE_SECONDS)
    print("ready", flush=True)
    if not plan["events"]:
        loop.add_reader(sys.stdin.fileno(), run.done.set)  # it is closed
    await asyncio.wait_for(run.done.wait(), DEADLINE_SECONDS)
    waits = sorted(run.waits)
    return {
        "frames": run.frames,
        "received": len(waits),
        "out_of_order": run.out_of_order,
        "p50_ms": _milliseconds(waits, 0.5),
        "p99_ms": _milliseconds(waits, 0.99),
        "max_ms": _milliseconds(waits, 1.0),
        "cpu_seconds": round(time.process_time(), 2),
    }


def _milliseconds(waits: list[float], share: float) -> float | None:
    return round(waits[min(int(len(waits) * share), len(waits) - 1)] * 1000, 1) if waits else None


if __name__ == "__main__":
    raise_open_files()
    print(json.dumps(uvloop.run(_listen(json.loads(sys.stdin.readline())))), flush=True)
