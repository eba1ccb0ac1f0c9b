"""A bad disk under SQLite: full, read-only, locked by another process, slow. Nothing answered is lost (P3, P4)."""

import asyncio
import os
import resource
import shutil
import sqlite3
from contextlib import closing, contextmanager

import httpx
import pytest

from benchmarks.service import Service

pytestmark = pytest.mark.load

QUEUE_LIMIT = 20
RECORD = {
    "context_id": "c",
    "component": "apollo",
    "provider": "openai",
    "model": "gpt-4o",
    "input_tokens": 7,
    "output_tokens": 3,
}
AS_OTHERS = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override") if os.geteuid() == 0 else ()
"""The rights of a file do not bind root, unless it gives that up."""


@pytest.fixture
def folder(new_database, tmp_path):
    return shutil.copytree(new_database, tmp_path / "service")


@pytest.fixture
def service(folder):
    with Service(folder, environment={"BUDGET_QUEUE_LIMIT": str(QUEUE_LIMIT)}) as made:
        yield made


@pytest.fixture
async def client(service):
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=60) as made:
        yield made


async def recorded(client, key):
    answer = await client.post("/api/usage/record", json=RECORD, headers={"Idempotency-Key": key})
    if answer.status_code != 201:
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True), answer.text
    return answer


def is_whole(service, acknowledged):
    """Exactly these are in the database, once each, and everything adds up."""
    service.stop()
    with closing(sqlite3.connect(service.database)) as database:
        stored = [row[0] for row in database.execute("SELECT record_id FROM usage_records")]
    assert sorted(stored) == sorted(answer.json()["record_id"] for answer in acknowledged)
    assert service.verify()["differences"] == 0


@contextmanager
def room(service, size):
    """Files of the service cannot grow beyond this: a write past it fails as on a full disk, in the midst of it."""
    before = resource.prlimit(service.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def locked(service):
    """Another connection writes to the file, and does not come to an end."""
    with closing(sqlite3.connect(service.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_a_full_disk_is_503_until_there_is_room_and_loses_nothing(service, client):
    before = [await recorded(client, f"before-{number}") for number in range(3)]
    with room(service, service.database.with_name("budget.db-wal").stat().st_size + 8192):
        full = [await recorded(client, f"full-{number}") for number in range(20)]
        assert full[-1].status_code == 503
        assert (await client.get("/api/usage/records")).status_code == 200
    again = [await recorded(client, f"full-{number}") for number in range(20)]
    assert {answer.status_code for answer in [*before, *again]} == {201}
    is_whole(service, [*before, *again])


async def test_a_file_that_another_process_keeps_locked_is_503_and_works_again(service, client):
    before = await recorded(client, "before")
    with locked(service):
        kept_out = await recorded(client, "locked")
        assert kept_out.status_code == 503
        assert "locked" in kept_out.json()["detail"]
        assert (await client.get("/api/usage/records")).status_code == 200
    is_whole(service, [before, await recorded(client, "locked")])


async def test_while_the_disk_is_slow_few_wait_the_others_are_told_to_come_again(service, client):
    with locked(service):
        asked = [asyncio.ensure_future(recorded(client, f"slow-{number}")) for number in range(4 * QUEUE_LIMIT)]
        refused = 0
        for first in asyncio.as_completed(asked):
            refused += (await first).status_code == 503
            if refused == 2 * QUEUE_LIMIT:  # one batch is being written, behind it the queue is full
                break
    answers = await asyncio.gather(*asked)
    written = [answer for answer in answers if answer.status_code == 201]
    assert QUEUE_LIMIT < len(written) <= 2 * QUEUE_LIMIT
    is_whole(service, written)


@pytest.mark.parametrize("name", ["budget.db", "budget.db.lock"])
def test_a_read_only_file_is_one_clear_line_at_the_start(folder, name):
    (folder / name).chmod(0o444)
    service = Service(folder, through=AS_OTHERS)
    with pytest.raises(AssertionError, match="it ended with 1"), service:
        pass
    (said,) = service.log().splitlines()
    assert said.startswith("budget: ")
    assert str(folder / name) in said
