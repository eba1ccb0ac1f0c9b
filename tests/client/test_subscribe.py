"""`budget.client.subscribe` over a real socket."""

import asyncio
import contextlib
import shutil

import pytest

from benchmarks.service import free_port
from budget.client import Gone, Invalid, NotAllowed, Unavailable, subscribe
from budget.client.exchange import Retries
from budget.domain import errors
from budget.engine.bus import Bus
from tests.live import PATIENCE_SECONDS, MovableClock, served

MONTH = 31 * 24 * 3600 * 1_000_000


@pytest.fixture
def folder(tmp_path, new_database):
    shutil.copytree(new_database, tmp_path, dirs_exist_ok=True)
    return tmp_path


async def some(count, *arguments, **more):
    async with asyncio.timeout(PATIENCE_SECONDS), contextlib.aclosing(subscribe(*arguments, **more)) as events:
        return [await anext(events) for _ in range(count)]


async def test_it_gives_events_as_the_api_lists_them(folder):
    async with served(folder) as live:
        before = await live.newest()
        await live.record_many(3)
        items = (await live.client.get("/api/events", params={"after": before})).json()["items"]
        found = await some(3, live.url, after=before)
    assert [{**event, "data": None} for event in found] == [{**item, "data": None} for item in items]
    assert found[0]["data"]["record"]["record_id"] == items[0]["data"]["record"]["record_id"]


async def test_it_knows_where_it_was_although_nothing_had_happened_yet(folder):
    recorded = asyncio.Event()

    async def until_recorded(_):
        await recorded.wait()

    async with served(folder) as live:
        port = int(live.url.rpartition(":")[2])
        listening = asyncio.create_task(some(4, live.url, types=["usage.*"], sleep=until_recorded))
        await live.somebody_listens()
    async with served(folder, port=port) as live:
        before = await live.newest()
        await live.record_many(4)
        recorded.set()
        found = await listening
    assert [event["seq"] for event in found] == list(range(before + 1, before + 5))


async def test_a_database_that_is_away_while_one_comes_is_waited_for(folder, monkeypatch):
    bounds, failures = Bus.bounds, [errors.Unavailable("the database is gone for a moment")]

    async def failing(bus):
        if failures:
            raise failures.pop()
        return await bounds(bus)

    async with served(folder) as live:
        before = await live.newest()
        await live.record_many(2)
        monkeypatch.setattr(Bus, "bounds", failing)
        found = await some(2, live.url, after=before, types=["usage.*"])
    assert ([event["seq"] for event in found], failures) == ([before + 1, before + 2], [])


async def test_filters_go_along(folder):
    async with served(folder) as live:
        before = await live.newest()
        await live.record(component="a")
        await live.record(component="b")
        (event,) = await some(1, live.url, after=before, types=["usage.*"], component="b", severity=["info"])
        assert event["component"] == "b"


async def test_what_no_further_try_can_help_is_an_exception_at_once(folder):
    clock = MovableClock()
    clock.ahead = MONTH
    async with served(folder, clock=clock) as live:
        await live.record()
        with pytest.raises(Gone) as gone:
            await some(1, live.url, after=1)
        assert (gone.value.oldest_seq, gone.value.snapshot) == (await live.newest(), "/api/events/snapshot")
        with pytest.raises(Invalid, match="99999 has not been given out"):
            await some(1, live.url, after=99_999)
        with pytest.raises(Invalid, match="none of the types"):
            await some(1, live.url, types=["nix"])


async def test_tries_are_counted_and_waits_grow():
    waits = []

    async def wait(seconds):
        waits.append(seconds)

    with pytest.raises(Unavailable, match="onnect"):
        await some(1, f"http://127.0.0.1:{free_port()}", retries=Retries(tries=4), sleep=wait)
    assert len(waits) == 3
    assert waits[0] < waits[2]


async def test_a_service_that_lets_nobody_in_is_not_asked_again():
    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    port = free_port()
    async with await asyncio.start_server(refuse, "127.0.0.1", port):
        with pytest.raises(NotAllowed):
            await some(1, f"http://127.0.0.1:{port}")
