"""Heads of requests have a size and an end, and connections a number; what comes after is not touched."""

import asyncio
import json

import pytest

from budget.interfaces.rest import protocol
from tests.live import served

ASK = b"GET /ready HTTP/1.1\r\nhost: localhost\r\n"


async def connected(live):
    return await asyncio.open_connection("127.0.0.1", int(live.url.rpartition(":")[2]))


async def sent(live, *parts):
    """What comes back on one connection until it is closed."""
    reader, writer = await connected(live)
    for part in parts:
        writer.write(part)
        await writer.drain()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def problem(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    return json.loads(body)


@pytest.fixture
async def live(folder):
    async with served(folder) as made:
        yield made


async def test_a_head_of_64_KiB_is_read_and_a_longer_one_is_431(live):
    end = b"connection: close\r\n\r\n"
    longest = ASK + b"a: " + b"x" * (protocol.HEAD_BYTES - len(ASK) - len(end) - 5) + b"\r\n" + end
    assert len(longest) == protocol.HEAD_BYTES
    assert b" 200 " in await sent(live, longest)
    assert problem(await sent(live, longest.replace(b"a: ", b"a: x")))["code"] == "head_too_large"


async def test_many_small_headers_are_too_large_together(live):
    lines = (b"a: b\r\n" * 2000 for _ in range(10))
    assert problem(await sent(live, ASK, *lines))["status"] == 431


async def test_a_long_body_that_comes_with_its_head_is_no_long_head(live):
    body = b" " * 3 * protocol.HEAD_BYTES
    head = b"POST /api/route HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert b" 400 " in (await sent(live, head + body)).splitlines()[0]


async def test_a_head_that_does_not_come_to_its_end_is_408(live, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    assert problem(await sent(live, ASK))["code"] == "request_timeout"


async def test_neither_has_the_second_head_on_a_connection_more_time(live, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    reader, writer = await connected(live)
    writer.write(ASK + b"\r\n")
    assert b" 200 " in await reader.readuntil(b"}}")
    writer.write(ASK)
    async with asyncio.timeout(20):
        assert problem(await reader.read())["status"] == 408
    writer.close()
    await writer.wait_closed()


async def test_a_connection_on_which_nothing_comes_is_closed(live, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    assert await sent(live) == b""


async def test_an_answer_under_way_is_not_cut_off_by_a_head_behind_it(live, monkeypatch):
    given_up, give_up = asyncio.Event(), protocol.Protocol._give_up
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)

    def give_up_and_tell(connection):
        give_up(connection)
        given_up.set()

    monkeypatch.setattr(protocol.Protocol, "_give_up", give_up_and_tell)
    reader, writer = await connected(live)
    writer.write(ASK.replace(b"/ready", b"/events") + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ASK)
    await given_up.wait()
    await live.record_many(1)
    async with asyncio.timeout(20):
        await reader.readuntil(b'"type":"usage')
    writer.close()
    await writer.wait_closed()


async def test_one_connection_too_many_is_503_and_the_others_go_on(live, monkeypatch):
    monkeypatch.setattr(protocol, "most_connections", lambda: 1)
    assert (await live.client.get("/ready")).status_code == 200
    refused = await sent(live)
    assert b"retry-after: 1\r\n" in refused
    assert problem(refused)["code"] == "too_many_connections"
    assert (await live.client.get("/ready")).status_code == 200
