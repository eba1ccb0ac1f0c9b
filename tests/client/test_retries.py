"""Retries that never double."""

import httpx
import pytest

from budget.client import (
    Refused,
    Retries,
    Unavailable,
)
from tests.client.conftest import HOLD, USAGE, Lossy, Sleeps, client_of, recorded


async def test_a_lost_answer_is_asked_for_again_and_counts_once(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda number, _: number in (1, 2))
    async with client_of(app, transport=lossy) as client:
        record = await client.record(**USAGE, context_id="c")
        assert await recorded(client) == 1
    assert len({request.headers["Idempotency-Key"] for request in lossy.sent[:3]}) == 1
    assert record["total_tokens"] == 1150


async def test_each_call_has_a_key_of_its_own_unless_one_is_given(app):
    lossy = Lossy(httpx.ASGITransport(app))
    async with client_of(app, transport=lossy) as client:
        await client.record(**USAGE, context_id="c")
        await client.record(**USAGE, context_id="c")
        await client.record(**USAGE, context_id="c", key="mine")
        await client.record(**USAGE, context_id="c", request_id="other")
        assert await recorded(client) == 4
    first, second, given, other = (request.headers.get("Idempotency-Key") for request in lossy.sent[:4])
    assert first != second
    assert given == "mine"
    assert other is None


async def test_a_lost_batch_counts_once(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda number, _: number == 1)
    async with client_of(app, transport=lossy) as client:
        answer = await client.record_batch([{**USAGE, "context_id": "c"}] * 3)
        assert answer["duplicates"] == 3
        assert await recorded(client) == 3


async def test_tries_are_bounded_and_the_error_carries_the_key(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda *_: True)
    sleeps = Sleeps()
    async with client_of(app, transport=lossy, retries=Retries(tries=3), sleep=sleeps) as client:
        with pytest.raises(Unavailable) as caught:
            await client.record(**USAGE, context_id="c")
    assert len(lossy.sent) == 3
    assert len(sleeps.waits) == 2
    async with client_of(app) as client:
        await client.record(**USAGE, context_id="c", key=caught.value.idempotency_key)
        assert await recorded(client) == 1


async def test_a_busy_service_is_asked_again_when_it_says(app):
    answers = iter(
        [httpx.Response(503, headers={"Retry-After": "7"}), httpx.Response(503), httpx.Response(200, json={})]
    )
    sleeps = Sleeps()
    transport = httpx.MockTransport(lambda _: next(answers))
    async with client_of(app, transport=transport, sleep=sleeps) as client:
        assert await client.limits() == {}
    assert sleeps.waits[0] == 7
    assert 0 < sleeps.waits[1] <= 0.2


async def test_a_refusal_is_not_repeated(app):
    lossy = Lossy(httpx.ASGITransport(app))
    async with client_of(app, transport=lossy) as client:
        await client.create_policy(type="hard_limit", period="daily", token_limit=0, component="apollo")
        with pytest.raises(Refused):
            await client.allocate(**HOLD)
    assert len(lossy.sent) == 2


def test_waits_double_up_to_a_bound():
    retries = Retries(tries=10, first_wait_seconds=1, longest_wait_seconds=4)
    outcome = httpx.ConnectError("refused")
    waits = [retries.wait(tried, outcome) for tried in range(1, 11)]
    assert all(
        wait is not None and wait <= bound for wait, bound in zip(waits, (1, 2, 4, 4, 4, 4, 4, 4, 4), strict=False)
    )
    assert waits[-1] is None
    assert retries.wait(1, httpx.UnsupportedProtocol("ftp")) is None
