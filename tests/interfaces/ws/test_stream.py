"""Every event one by one: resumed, narrowed, with snapshots and checkpoints; and each close code with its cause."""

import json
import sqlite3

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from tests.live import USAGE, Listener, served


def numbers(frames):
    return [frame["seq"] for frame in frames]


async def test_after_a_number_every_event_comes_once_and_in_order_and_then_the_new_ones(live):
    before = await live.newest()
    async with live.listener(f"/ws?after={before - 20}") as listener:
        await live.record_many(300)
        assert numbers(await listener.events(320)) == list(range(before - 19, before + 301))


async def test_a_subscription_frame_goes_back_as_well(live):
    before = await live.newest()
    async with live.listener("/ws/budget/alerts") as listener:
        joined = await listener.ask("subscription", {"topic": "events", "after": before - 5})
        assert (joined["payload"], joined["as_of_seq"]) == ({"success": True, "topic": "events"}, before - 5)
        assert numbers(await listener.events(5)) == list(range(before - 4, before + 1))


async def test_joining_and_leaving_other_topics_misses_and_repeats_nothing(live):
    async with live.listener() as listener:
        before = await live.newest()
        seen = []
        for kind in ("subscription", "unsubscription"):
            await live.record_many(40)
            await listener.say(kind, {"topic": "budget_alerts"})
            seen += [frame for frame in await listener.hear_until(kind) if "seq" in frame]
            await live.record_many(5)
        seen += await listener.events(90 - len(seen))
    assert numbers(seen) == list(range(before + 1, before + 91))


async def test_without_a_number_events_come_from_now_on(live):
    async with live.listener() as listener:
        before = await live.newest()
        await live.record()
        assert numbers(await listener.events(1)) == [before + 1]


async def test_an_event_is_the_same_as_a_frame_as_an_item_and_when_read_again(live):
    async with live.listener() as listener:
        held = await live.post("/allocations", **USAGE, tokens_allocated=500)
        await live.record(allocation_id=held["allocation_id"])
        frames = await listener.events(2)
        await live.post(f"/allocations/{held['allocation_id']}/settle", input_tokens=5, output_tokens=5)
        after = frames[0]["seq"] - 1
        items = (await live.client.get("/api/events", params={"after": after, "limit": 2})).json()["items"]
    for frame, item in zip(frames, items, strict=True):
        assert item == {
            "seq": frame["seq"],
            "type": frame["event"],
            "time": frame["timestamp"],
            "data": frame["payload"],
            **{name: frame[name] for name in ("subject", "caller", "budget_id", "component", "severity")},
        }


async def test_a_snapshot_comes_first_and_the_events_after_it_follow(live):
    async with live.listener("/ws/events?snapshot=true&types=usage.*") as listener:
        snapshot = (await listener.hear_until("snapshot"))[-1]
        await live.record(7)
        (event,) = await listener.events(1)
        assert event["seq"] == snapshot["as_of_seq"] + 1
        daily = [limit for limit in snapshot["payload"]["limits"] if limit["period"] == "daily"]
        assert {limit["used"] for limit in daily} == {0}


async def test_filters_narrow_by_type_budget_component_and_severity(live):
    other = await live.post("/budgets", name="other", default_policies=False)
    for narrowed, component in (
        ({"types": ["usage.recorded"]}, "a"),
        ({"budget_id": other["budget_id"]}, "b"),
        ({"component": "c"}, "c"),
        ({"severity": "warning", "types": "limit.*"}, "apollo"),
    ):
        async with live.listener() as listener:
            await listener.ask("subscription", {"topic": "events", **narrowed})
            await live.record(component="other")
            await live.record(component=component, budget_id=other["budget_id"] if component == "b" else None)
            if "severity" in narrowed:
                await live.record(850_000, component=component)
            (event,) = await listener.events(1)
            found = {"types": [event["event"]], "budget_id": event["budget_id"], "component": event["component"]}
            found |= {"severity": event["severity"]}
            for name in narrowed.keys() - {"types"}:
                assert found[name] == narrowed[name]


async def test_a_narrowed_stream_says_how_far_it_has_come(folder):
    async with served(folder) as live:
        bus = live.app.state.ledger.bus
        async with live.listener("/ws/events?types=price.*") as listener:
            await live.record_many(50)
            newest = await live.all_handed_out()
            bus.remind()
            checkpoint = (await listener.hear_until("checkpoint"))[-1]
            assert checkpoint["payload"]["seq"] == checkpoint["as_of_seq"] == newest


async def test_a_url_that_asks_for_nonsense_gets_an_error_and_an_open_socket(live):
    for query in ("after=x", "after=999999", "types=nix", "colour=red", "after=1&snapshot=true"):
        async with live.listener(f"/ws/budget/prices?{query}") as listener:
            assert (await listener.hear())["payload"]["field"] == query.partition("=")[0]
            assert (await listener.ask("heartbeat"))["type"] == "heartbeat"


# Close codes


async def test_1001_the_service_stops(live):
    async with live.listener() as one, live.listener("/ws/budget/alerts") as two:
        live.server.should_exit = True
        assert [(await each.closed())[0] for each in (one, two)] == [1001, 1001]


async def test_1008_a_page_of_a_foreign_origin(live):
    async with connect(f"{live.url.replace('http', 'ws')}/ws", origin=Origin("http://elsewhere.example")) as refused:
        assert await Listener(refused).closed() == (
            1008,
            "pages of this origin may not listen here; see BUDGET_CORS_ORIGINS",
        )
    async with live.listener("/ws", origin="http://localhost:8080") as listener:
        assert (await listener.ask("heartbeat"))["type"] == "heartbeat"


async def test_1009_a_frame_that_is_too_large(live):
    async with live.listener() as listener:
        await listener.socket.send("x" * (64 * 1024 + 1))
        assert (await listener.closed())[0] == 1009


async def test_1011_something_went_wrong_here(live, folder):
    with sqlite3.connect(folder / "budget.db") as database:
        database.execute("UPDATE entries SET data = '{' WHERE seq = 5")
    database.close()
    async with live.listener("/ws/events?after=1") as listener:
        assert await listener.closed() == (1011, "something went wrong here; the log says what")


async def test_1013_a_client_that_does_not_read_and_it_can_come_back(live):
    await live.record()
    before = await live.newest()
    url = f"{live.url.replace('http', 'ws')}/ws/events"
    async with connect(url, compression=None, max_queue=1) as slow:
        await live.record_many(10_000)
        await live.record_many(10_000)
        await live.all_handed_out()
        seen = [frame["seq"] async for frame in frames_of(slow) if "seq" in frame]
        assert (slow.close_code, slow.close_reason) == (1013, "too slow; come back with the last number")
    assert seen == list(range(before + 1, before + 1 + len(seen)))
    async with live.listener(f"/ws/events?after={seen[-1]}") as listener:
        assert numbers(await listener.events(3)) == [seen[-1] + 1, seen[-1] + 2, seen[-1] + 3]


async def frames_of(websocket):
    try:
        async for text in websocket:
            yield json.loads(text)
    except ConnectionClosed:
        return


async def test_4410_a_number_that_is_no_longer_kept(old):
    await old.record()
    newest = await old.newest()
    async with connect(f"{old.url.replace('http', 'ws')}/ws?after=1") as refused:
        code, reason = await Listener(refused).closed()
    assert (code, json.loads(reason)) == (4410, {"oldest_seq": newest, "snapshot": "/api/events/snapshot"})
    async with old.listener("/ws/budget/prices") as listener:
        await listener.say("subscription", {"topic": "events", "after": newest - 2})
        assert (await listener.closed())[0] == 4410
    async with old.listener(f"/ws/events?after={newest - 1}") as listener:
        assert numbers(await listener.events(1)) == [newest]
