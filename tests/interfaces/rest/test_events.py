"""The stream over plain HTTP: pages of it, and server-sent events."""

import json

import pytest

from tests import asyncapi
from tests.live import USAGE

RECORD = {**USAGE, "input_tokens": 5, "output_tokens": 1}


async def newest(client):
    return (await client.get("/api/events/snapshot")).json()["as_of_seq"]


async def record(client, count=1):
    answer = await client.post("/api/usage/batch", json={"records": [RECORD] * count})
    assert answer.json()["accepted"] == count


async def all_pages(client, **asked):
    found, after = [], asked.pop("after", None)
    while True:
        query = asked if after is None else {**asked, "after": after}
        page = (await client.get("/api/v1/events", params=query)).json()
        found += page["items"]
        after = page["next_after"]
        if after == page["as_of_seq"]:
            return found


async def test_pages_hold_every_event_once_and_in_order(client):
    await record(client, 50)
    found = await all_pages(client, limit=7)
    assert [event["seq"] for event in found] == list(range(1, await newest(client) + 1))
    for event in found:
        asyncapi.judge("sse").validate(event)


async def test_a_page_may_be_empty_where_little_passes_and_says_where_to_go_on(client):
    await record(client, 6_000)
    before = await newest(client)
    assert (await client.post("/api/alerts/check")).is_success
    first = (await client.get("/api/events", params={"after": before - 5_990, "types": "price.set"})).json()
    assert (first["items"], first["next_after"]) == ([], before - 990)
    assert await all_pages(client, types="price.set") == []


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=99999", "types=nix", "severity=bad", "limit=0", "limit=1001", "colour=red"]
)
async def test_a_wrong_parameter_is_named(client, query):
    answer = await client.get(f"/api/events?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, query.partition("=")[0])


async def test_a_snapshot_says_which_event_it_contains(client):
    await record(client, 3)
    shown = (await client.get("/api/events/snapshot")).json()
    daily = [row for row in shown["limits"] if row["unit"] == "tokens" and row["period"] == "daily" and row["used"]]
    assert [row["used"] for row in daily] == [18]
    assert (await all_pages(client, after=shown["as_of_seq"])) == []


async def test_server_sent_events_go_on_after_the_last_id_and_with_what_is_new(live):
    await live.record_many(3)
    before = await live.newest()
    headers = {"Last-Event-ID": str(before - 2)}
    async with live.client.stream("GET", "/events?after=1", headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        first = [await anext(lines) for _ in range(4)]
        assert first == ["retry: 1000", f"id: {before - 2}", "event: checkpoint", f'data: {{"seq":{before - 2}}}']
        await live.record()
        assert [event["seq"] for event in await some(lines, 3)] == [before - 1, before, before + 1]


async def some(lines, count):
    found = []
    async for line in lines:
        if line.startswith("data: ") and '"type"' in line:
            found.append(json.loads(line.removeprefix("data: ")))
            asyncapi.judge("sse").validate(found[-1])
        if len(found) == count:
            return found
    raise AssertionError("the stream ended")


async def test_a_quiet_stream_shows_that_it_lives_and_how_far_it_has_come(live):
    async with live.client.stream("GET", "/events?types=price.*") as stream:
        lines = stream.aiter_lines()
        for _ in range(5):
            await anext(lines)
        await live.record()
        newest = await live.all_handed_out()
        live.app.state.ledger.bus.remind()
        assert [await anext(lines) for _ in range(3)] == [": keep-alive", f"id: {newest}", "event: checkpoint"]


async def test_a_stream_ends_when_the_service_stops(live):
    async with live.client.stream("GET", "/events") as stream:
        lines = stream.aiter_lines()
        await anext(lines)
        live.server.should_exit = True
        assert [line async for line in lines if line.startswith("id")] != []


async def test_events_that_are_no_longer_kept_are_gone_and_the_answer_says_where_to_begin(old):
    await old.record()
    newest = await old.newest()
    for path, headers in (("/api/events?after=0", {}), ("/events", {"Last-Event-ID": "3"})):
        answer = await old.client.get(path, headers=headers)
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["status"]) == (410, "gone", 410)
        assert (problem["oldest_seq"], problem["snapshot"]) == (newest, "/api/events/snapshot")
    assert [event["seq"] for event in await all_pages(old.client)] == [newest]


async def test_a_stream_has_no_pages_and_refuses_what_it_does_not_know(client):
    for query in ("limit=5", "colour=red", "after=x"):
        answer = await client.get(f"/events?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, query.partition("=")[0])
