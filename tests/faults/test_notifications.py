"""Alerts reach a receiver that fails a third of the time, over two restarts: each made once, none lost (P12, P16)."""

import asyncio
import itertools
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from tests.live import USAGE, MovableClock, served
from tests.webhook_receiver import receiving

SESSIONS = 12
"""Limits that are passed between two restarts, each of them a session's own."""


class HastyClock(MovableClock):
    """Whoever sleeps by it has slept at once, and it is later: as long as was slept, or many times that."""

    def __init__(self, times=1):
        super().__init__()
        self.times = times

    async def sleep(self, seconds):
        self.ahead += int(seconds * self.times * 1_000_000)
        await asyncio.sleep(0.002)


def moody():
    """Three answers of ten are no yes: an error, a redirect, a hang-up."""
    moods = itertools.cycle((500, 204, 204, None, 204, 204, 302, 204, 204, 204))
    return lambda _: next(moods)


async def passed_limits(live, name):
    for number in range(SESSIONS):
        await live.record(tokens=12, **{**USAGE, "context_id": f"{name}-{number}"})


async def items(live, path, **params):
    return (await live.client.get(f"/api{path}", params={"limit": 100, **params})).json()["items"]


async def listed(live, count, **params):
    """The deliveries of such a kind, once there are so many."""
    async with asyncio.timeout(20):
        while len(found := await items(live, "/deliveries", **params)) < count:  # noqa: ASYNC110 -- it tells nobody
            await asyncio.sleep(0.01)
    return found


async def test_P12_P16_each_crossing_is_made_once_and_delivered_over_two_restarts(tmp_path):
    async with receiving(moody()) as receiver:
        async with served(tmp_path, clock=HastyClock()) as live:
            rule = {"kind": "webhook", "address": f"{receiver.url}/hook", "severities": ["error"]}
            made = await live.post("/receivers", **rule)
            limit = {"type": "warn", "period": "per_session", "token_limit": 10, "component": "x"}
            await live.post("/policies", **limit)
            await passed_limits(live, "first")
        async with served(tmp_path, clock=HastyClock()) as live:  # some were on their way when it stopped
            await passed_limits(live, "second")
        async with served(tmp_path, clock=HastyClock()) as live:
            await passed_limits(live, "third")
            events = await items(live, "/events", types="limit.*", severity="error", after=0)
            await listed(live, len(events), state="delivered")
            deliveries = await items(live, "/deliveries")
    assert len(events) >= 3 * SESSIONS
    assert sorted(each["seq"] for each in deliveries) == [event["seq"] for event in events]
    assert {each["state"] for each in deliveries} == {"delivered"}
    assert {heard.headers["webhook-id"] for heard in receiver.accepted} == {each["delivery_id"] for each in deliveries}
    assert {heard.path for heard in receiver.heard} == {"/hook"}
    assert len(receiver.heard) > len(events)
    for heard in receiver.accepted:
        signed_at = heard.headers["webhook-timestamp"]
        assert heard.headers["webhook-signature"] == signature(made["secret"], heard, signed_at)


def signature(secret, heard, signed_at):
    """By the standard package, whose check of the age goes by the clock on the wall."""
    return Webhook(secret).sign(
        heard.headers["webhook-id"], datetime.fromtimestamp(int(signed_at), UTC), heard.body.decode()
    )


async def test_what_is_never_taken_is_listed_as_dead_and_replayed(tmp_path):
    answers = {"status": 503}
    async with receiving(lambda _: answers["status"]) as receiver, served(tmp_path, clock=HastyClock(600)) as live:
        made = await live.post("/receivers", kind="slack", address=receiver.url, name="chat")
        tested = await live.post(f"/receivers/{made['receiver_id']}/test")
        dead = await listed(live, 1, state="dead")
        assert [(each["delivery_id"], each["attempts"], each["status"]) for each in dead] == [
            (tested["delivery_id"], 10, 503)
        ]
        answers["status"] = 200
        await live.post(f"/deliveries/{tested['delivery_id']}/replay")
        await listed(live, 1, state="delivered")
    assert receiver.accepted[-1].json["text"].endswith("This is a test of Budget's notifications.")


@pytest.mark.parametrize("change", [{"enabled": False}, {"types": ["price.set"]}])
async def test_a_receiver_hears_nothing_of_what_it_did_not_want_then(tmp_path, change):
    async with receiving() as receiver, served(tmp_path, clock=HastyClock()) as live:
        wanted = {"kind": "webhook", "address": receiver.url, "types": ["policy.created"]}
        made, witness = [(await live.post("/receivers", **wanted))["receiver_id"] for _ in range(2)]
        await live.client.put(f"/api/receivers/{made}", json=change)
        await live.post("/policies", type="warn", period="daily", token_limit=10)
        await listed(live, 1, receiver_id=witness)
        await live.client.put(f"/api/receivers/{made}", json={"enabled": True, "types": ["policy.created"]})
        await live.post("/policies", type="warn", period="weekly", token_limit=10)
        (delivery,) = await listed(live, 1, receiver_id=made, state="delivered")
        body = (await live.client.get(f"/api/deliveries/{delivery['delivery_id']}")).json()["body"]
    assert (body["type"], body["data"]["data"]["period"]) == ("policy.created", "weekly")
