"""Holds that end well, whatever happens in their block."""

import asyncio

import httpx
import pytest

from budget.client import (
    Conflict,
    Refused,
    Retries,
    Unavailable,
)
from tests.client.conftest import CALL, Lossy, Sleeps, client_of, held_tokens, recorded, until


async def test_a_settled_hold_is_left_alone(client):
    async with client.allocation(**CALL) as hold:
        assert hold.allocation["state"] == "started"
        await hold.settle(input_tokens=100, output_tokens=50)
    allocation = await client.get_allocation(hold.allocation_id)
    assert allocation["state"] == "settled"
    assert await held_tokens(client) == 0


async def test_what_is_recorded_is_kept_and_the_rest_released(client):
    async with client.allocation(**CALL) as hold:
        await hold.record(usage={"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150})
        await hold.record(input_tokens=10, output_tokens=5)
        await hold.increase(500)
    allocation = await client.get_allocation(hold.allocation_id)
    assert (allocation["state"], allocation["tokens_used"]) == ("released", 165)
    assert await held_tokens(client) == 0


async def test_a_body_that_made_no_call_pays_nothing(client):
    async with client.allocation(**CALL) as hold:
        pass
    assert (await client.get_allocation(hold.allocation_id))["state"] == "released"
    async with client.allocation(**CALL) as hold:
        await hold.release()
    assert (await client.get_allocation(hold.allocation_id))["state"] == "released"
    assert await recorded(client) == 0


async def test_an_exception_in_the_body_gives_the_hold_back_and_goes_on(client):
    with pytest.raises(ZeroDivisionError):
        async with client.allocation(**CALL) as hold:
            1 / 0  # noqa: B018
    assert (await client.get_allocation(hold.allocation_id))["state"] == "released"
    assert await held_tokens(client) == 0


async def test_an_exception_after_usage_keeps_the_usage(client):
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with client.allocation(**CALL) as hold:
            await hold.record(input_tokens=10, output_tokens=5)
            1 / 0  # noqa: B018
    assert await held_tokens(client) == 0
    assert await recorded(client) == 1


async def test_a_call_whose_usage_is_unknown_is_charged_and_settled_late(client):
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with client.allocation(**CALL) as hold:
            hold.calling()
            1 / 0  # noqa: B018
    ended = await client.get_allocation(hold.allocation_id)
    for _ in range(60):
        if ended["state"] == "provisional":
            break
        await asyncio.sleep(0.05)
        ended = await client.get_allocation(hold.allocation_id)
    assert ended["state"] == "provisional"
    settled = await client.settle(hold.allocation_id, input_tokens=10, output_tokens=5)
    assert settled["allocation"]["state"] == "settled"
    assert await recorded(client) == 1


async def test_usage_that_could_not_be_settled_is_not_released_as_unused(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda _, request: request.url.path.endswith("/settle"))
    async with client_of(app, transport=lossy) as client:
        with pytest.raises(Unavailable):
            async with client.allocation(**CALL) as hold:
                await hold.settle(input_tokens=10, output_tokens=5)
        assert (await client.get_allocation(hold.allocation_id))["state"] == "settled"


async def test_a_cancelled_body_gives_the_hold_back(client):
    inside = asyncio.Event()
    holds = []

    async def body():
        async with client.allocation(**CALL) as hold:
            holds.append(hold)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await client.get_allocation(holds[0].allocation_id))["state"] == "released"


async def test_cancelled_while_allocating_the_hold_is_found_and_given_back(app):
    lossy = Lossy(httpx.ASGITransport(app))
    async with client_of(app, transport=lossy) as client:
        task = asyncio.create_task(client.allocation(**CALL).__aenter__())
        await until(lambda: len(lossy.answered) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: any(request.url.path.endswith("/release") for request in lossy.answered))
        assert await held_tokens(client) == 0


async def test_a_refused_hold_does_not_run_the_body(client):
    await client.create_policy(type="hard_limit", period="daily", token_limit=0, component="apollo")
    with pytest.raises(Refused):
        async with client.allocation(**CALL):
            pytest.fail("the body ran")


async def test_a_hold_lives_fifteen_minutes_and_is_renewed_a_third_before_its_end(app):
    sleeps: list[float] = []
    go_on: asyncio.Queue[None] = asyncio.Queue()

    async def sleep(seconds):
        sleeps.append(seconds)
        await go_on.get()

    async with client_of(app, sleep=sleep) as client, client.allocation(**CALL) as hold:
        first = hold.allocation["expiration_time"]
        go_on.put_nowait(None)
        await until(lambda: hold.extensions == 1 and len(sleeps) == 2)
        assert hold.allocation["expiration_time"] > first
    assert sleeps == [600, 600]


async def test_renewing_is_tried_again_while_the_service_is_away(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda _, request: request.url.path.endswith("/extend"))
    sleeps = Sleeps()
    async with client_of(app, transport=lossy, sleep=sleeps, retries=Retries(tries=1)) as client:
        async with client.allocation(**CALL) as hold:
            await until(lambda: len(sleeps.waits) >= 3)
            assert isinstance(hold.extension_error, Unavailable)
        assert sleeps.waits[:3] == [600, 30, 30]


async def test_renewing_stops_when_the_hold_has_ended(app):
    sleeps = Sleeps()
    async with client_of(app, sleep=sleeps) as client, client.allocation(**CALL) as hold:
        await client.release(hold.allocation_id, confirm_unused=True)
        await until(lambda: hold.extension_error is not None)
        assert isinstance(hold.extension_error, Conflict)


async def test_a_hold_that_cannot_be_ended_is_noted_on_the_bodys_error(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda _, request: request.url.path.endswith("/release"))
    async with client_of(app, transport=lossy) as client:
        with pytest.raises(ZeroDivisionError) as caught:
            async with client.allocation(**CALL):
                1 / 0  # noqa: B018
        assert "could not be ended" in caught.value.__notes__[0]
        with pytest.raises(Unavailable):
            async with client.allocation(**CALL):
                pass
