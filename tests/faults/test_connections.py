"""Bad clients, and far too many: the service answers the others, and stays small."""

import asyncio
import resource
import shutil
import sqlite3
from contextlib import asynccontextmanager, closing

import httpx
import pytest

from benchmarks.service import Service

pytestmark = pytest.mark.load

SILENT = 300
"""Connections that have nothing more to say."""
QUEUE_LIMIT = 100
LARGE = 600
"""Megabytes; it starts with about 130."""

RECORD = {"component": "apollo", "provider": "openai", "model": "gpt-4o", "input_tokens": 7, "output_tokens": 3}
HEAD = b"POST /api/usage/record HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.fixture
def service(new_database, tmp_path):
    shutil.copytree(new_database, tmp_path, dirs_exist_ok=True)
    with Service(tmp_path, environment={"BUDGET_QUEUE_LIMIT": str(QUEUE_LIMIT)}) as made:
        yield made


@pytest.fixture
async def client(service):
    limits = httpx.Limits(max_connections=1000)
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=60, limits=limits) as made:
        yield made


@asynccontextmanager
async def connections(service, count, said):
    """So many, on each of which this was said."""
    opened = []
    try:
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
            opened.append((reader, writer))
            writer.write(said)
            await writer.drain()
        yield opened
    finally:
        for _, writer in opened:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for _, writer in opened), return_exceptions=True)


async def is_well(service, client):
    """It takes a record, and has not grown."""
    answer = await client.post("/api/usage/record", json={**RECORD, "context_id": "c"})
    assert answer.status_code == 201, answer.text
    assert (service.peak_megabytes() or 0) < LARGE


def records_of(service):
    """What is stored after the service has stopped, and that it adds up."""
    service.stop()
    assert service.verify()["differences"] == 0
    with closing(sqlite3.connect(service.database)) as database:
        return [row[0] for row in database.execute("SELECT record_id FROM usage_records")]


async def test_heads_that_come_slowly_are_408_and_hold_nobody_up(service, client):
    async with connections(service, SILENT, HEAD) as slow:
        await is_well(service, client)
        answers = await asyncio.gather(*(reader.read() for reader, _ in slow))
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    await is_well(service, client)


async def test_no_file_is_left_to_open_and_one_connection_too_many_is_503(service, client):
    most = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
    await is_well(service, client)
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (256, most[1]))
    async with connections(service, 150, b"") as idle:
        refused = await idle[-1][0].read()
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in refused
        await is_well(service, client)  # on the connection that it has


async def test_of_a_flood_what_has_no_room_is_503_and_what_was_answered_is_stored_once(service, client):
    async def send(number):
        records = [{**RECORD, "context_id": "c", "request_id": f"{number}-{at}"} for at in range(50)]
        return await client.post("/api/usage/batch", json={"records": records})

    answers = await asyncio.gather(*(send(number) for number in range(QUEUE_LIMIT)))
    kept = [answer.json() for answer in answers if answer.is_success]
    refused = [answer for answer in answers if not answer.is_success]
    assert kept
    assert refused
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in refused} == {(503, "1")}
    await is_well(service, client)
    assert len(await asyncio.to_thread(records_of, service)) == 50 * len(kept) + 1
