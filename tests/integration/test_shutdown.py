"""SIGTERM under load: everything that was acknowledged is in the database, and the figures add up (P1, P3)."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys

import httpx
from websockets.sync.client import connect

from benchmarks.service import Service

CLIENTS = 16


async def test_everything_acknowledged_before_a_sigterm_is_kept(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BUDGET_", "TEKTON_"))}
    variables = {**kept, "HOME": str(tmp_path), "BUDGET_DB_PATH": str(tmp_path / "b.db"), "BUDGET_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "budget", env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    acknowledged: list[str] = []
    enough = asyncio.Event()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client, killed_at_the_end(process):
        await ready(client)
        workers = [asyncio.create_task(spend(client, acknowledged, enough)) for _ in range(CLIENTS)]
        await enough.wait()
        process.send_signal(signal.SIGTERM)
        await asyncio.gather(*workers)
    assert await process.wait() == 0
    with sqlite3.connect(tmp_path / "b.db") as database:
        stored = {row[0] for row in database.execute("SELECT record_id FROM usage_records")}
    database.close()
    assert set(acknowledged) <= stored
    verifying = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "budget", "verify", env=variables, stdout=subprocess.PIPE
    )
    report, _ = await verifying.communicate()
    assert json.loads(report)["differences"] == 0


def test_a_frame_stops_the_service_as_tekton_s_killer_asks_when_its_requests_fail(tmp_path):
    with Service(tmp_path) as service:
        with connect(f"{service.url.replace('http', 'ws')}/ws") as ws:
            ws.send(json.dumps({"type": "shutdown", "reason": "Tekton stops", "timestamp": 1764000000}))
            assert "error" not in [json.loads(frame)["type"] for frame in ws]  # until it is closed
        assert (ws.close_code, service.wait()) == (1001, 0)


@contextlib.asynccontextmanager
async def killed_at_the_end(process):
    try:
        yield
    except BaseException:
        process.kill()
        await process.wait()
        raise


async def ready(client):
    async with asyncio.timeout(30):
        for _ in range(1000):
            try:
                await client.get("/ready")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return


async def spend(client, acknowledged, enough):
    """Record until the service no longer answers; what was answered counts."""
    used = {
        "context_id": "c",
        "component": "x",
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": 5,
        "output_tokens": 1,
    }
    while True:
        try:
            answer = await client.post("/api/usage/record", json=used)
        except httpx.TransportError:
            return
        if answer.status_code == 503:
            return
        assert answer.status_code == 201
        acknowledged.append(answer.json()["record_id"])
        if len(acknowledged) >= 500:
            enough.set()
