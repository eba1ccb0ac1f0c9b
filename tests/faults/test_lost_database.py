"""PostgreSQL goes away: in the middle of a commit, before it or after it, and for a while (rule 6, P3, P4)."""

import asyncio
import contextlib

import httpx
import pytest
from sqlalchemy import make_url

from benchmarks.service import Service
from budget.storage import statements
from budget.storage.database import Database

MARKED = "cut-me"
"""The session of the usage in whose commit the connection is cut."""

RECORD = {
    "context_id": "c",
    "component": "apollo",
    "provider": "openai",
    "model": "gpt-4o",
    "input_tokens": 7,
    "output_tokens": 3,
}


class Wire:
    """A TCP way to the server's socket that can be cut, and can cut itself at the COMMIT of what is marked."""

    def __init__(self, url):
        self.url = url.render_as_string(hide_password=False)
        self._socket = f"{url.query['host']}/.s.PGSQL.5432"
        self._pairs = set()
        self.cut_at_commit = None
        """`before` the server hears of it, or `after` it has answered."""
        self.is_cut = False
        self.cuts = 0

    async def start(self):
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    def cut(self):
        for task in self._pairs:
            task.cancel()

    async def _connect(self, reader, writer):
        task = asyncio.current_task()
        self._pairs.add(task)
        try:
            if self.is_cut:
                return
            from_server, to_server = await asyncio.open_unix_connection(self._socket)
            with contextlib.closing(to_server):
                answers = asyncio.ensure_future(self._copy(from_server, writer))
                await self._ask(reader, from_server, to_server, answers)
                answers.cancel()
        except (asyncio.CancelledError, OSError):
            pass  # cut
        finally:
            self._pairs.discard(task)
            writer.close()

    async def _ask(self, reader, from_server, to_server, answers):
        marked = False
        while data := await reader.read(65536):
            marked = marked or MARKED.encode() in data
            if marked and self.cut_at_commit and b"COMMIT;" in data:
                when, self.cut_at_commit = self.cut_at_commit, None
                self.cuts += 1
                if when == "after":
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)
                    to_server.write(data)
                    await from_server.readuntil(b"COMMIT\0")
                return
            to_server.write(data)

    async def _copy(self, source, target):
        while data := await source.read(65536):
            target.write(data)
        target.close()


@pytest.fixture
async def wire(postgres):
    url = postgres.new_database()
    made = Wire(make_url(url))
    await made.start()
    yield made
    await made.stop()
    postgres.drop(url)


@pytest.fixture
async def service(wire, tmp_path):
    through = make_url(wire.url).set(host="127.0.0.1", port=wire.port, query={})
    made = Service(tmp_path, database_url=through.render_as_string(hide_password=False))
    await asyncio.to_thread(made.start)
    yield made
    await asyncio.to_thread(made.stop)


@pytest.fixture
async def client(service):
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=60) as made:
        yield made


def _stored(wire, sql):
    database = Database(wire.url)
    return database.read_now(statements.value, sql)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("key", ["a key", None])
async def test_P4_a_commit_of_unknown_outcome_is_found_out(wire, client, when, key):
    headers = {"Idempotency-Key": key} if key else {}
    wire.cut_at_commit = when
    answer = await client.post("/api/usage/record", json={**RECORD, "context_id": MARKED}, headers=headers)
    assert wire.cuts == 1
    assert answer.status_code == 201, answer.text
    assert _stored(wire, "SELECT COUNT(*) FROM usage_records") == 1
    assert _stored(wire, "SELECT record_id FROM usage_records") == answer.json()["record_id"]


async def test_P3_a_lost_database_is_503_and_loses_nothing_that_was_answered(wire, client):
    answers = [await client.post("/api/usage/record", json=RECORD) for _ in range(3)]
    wire.is_cut = True
    wire.cut()
    away = await client.post("/api/usage/record", json=RECORD)
    assert (away.status_code, int(away.headers["retry-after"]) > 0) == (503, True)
    assert away.headers["content-type"].startswith("application/problem+json")
    assert (await client.get("/api/usage/records")).status_code == 503
    assert (await client.get("/ready")).status_code == 503

    wire.is_cut = False
    again = await client.post("/api/usage/record", json=RECORD)
    assert again.status_code == 201, again.text
    listed = (await client.get("/api/usage/records")).json()["items"]
    assert {row["record_id"] for row in listed} == {answer.json()["record_id"] for answer in [*answers, again]}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_allocation_is_held_once_whatever_happens_to_its_commit(wire, client, when):
    asked = {"context_id": MARKED, "component": "apollo", "tokens_allocated": 500, "request_id": "once"}
    wire.cut_at_commit = when
    answers = [await client.post("/api/allocations", json=asked) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert wire.cuts == 1
    assert answers[0].json()["allocation_id"] == answers[1].json()["allocation_id"]
    assert _stored(wire, "SELECT COUNT(*) FROM holds") == 1
    assert _stored(wire, "SELECT MAX(held_tokens) FROM balances") == 500
