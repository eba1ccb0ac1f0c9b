"""A real Budget and a Hermes on real sockets: found in the registry, spoken to where it says, heard, and gone after."""

import asyncio
import time

import httpx
import pytest
import uvicorn

from benchmarks.service import Service, free_port
from tests.fake_hermes import FakeHermes

PATIENCE_SECONDS = 60


@pytest.fixture
async def hermes():
    made = FakeHermes(time.time)
    made.port = free_port()
    server = uvicorn.Server(uvicorn.Config(made.app, host="127.0.0.1", port=made.port, log_config=None, ws="none"))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0)
    yield made
    server.should_exit = True
    await task


@pytest.fixture
async def service(hermes, tmp_path):
    made = Service(
        tmp_path,
        environment={
            "BUDGET_HERMES": "on",
            "HERMES_URL": f"http://127.0.0.1:{hermes.port}/api",
            "BUDGET_HERMES_ALIASES": "penia",
            "BUDGET_HOST": "127.0.0.1",
        },
    )
    await asyncio.to_thread(made.start)
    yield made
    await asyncio.to_thread(made.stop)


async def until(condition):
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 -- what a process elsewhere does has no event here
            await asyncio.sleep(0.02)


async def found(hermes):
    """Budget, as a component finds it through Hermes."""
    await until(lambda: {"budget", "penia"} <= set(hermes.components))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{hermes.port}", trust_env=False) as client:
        listed = (await client.get("/api/components", params={"healthy_only": "true"})).json()["components"]
    (entry,) = [entry for entry in listed if entry["name"] == "budget"]
    return entry


async def test_every_message_that_it_advertises_is_answered_where_it_says(hermes, service):
    advertised = (await found(hermes))["metadata"]["mcp_capabilities"]
    names = [message["message_type"] for message in advertised["message_types"]]
    assert len(names) > 30
    async with httpx.AsyncClient(trust_env=False) as client:
        for message in advertised["message_types"]:
            body = {"sender": "apollo", "message_type": message["message_type"], "payload": {}}
            answer = await client.post(advertised["endpoint"], json=body)
            assert answer.status_code == 200
            said = answer.json()
            assert said["sender"] == "budget"
            assert said["status"] in ("success", "error")
            if said["status"] == "success":
                assert said["message_type"] == message["response_type"]


async def test_what_happens_arrives_through_an_outage_and_a_restart(hermes, service):
    await found(hermes)
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:

        async def record(number):
            usage = {"context_id": f"c{number}", "component": "apollo", "provider": "openai", "model": "gpt-4o"}
            answer = await client.post("/api/usage/record", json={**usage, "input_tokens": 1, "output_tokens": 1})
            assert answer.status_code == 201

        for number in range(5):
            await record(number)
        hermes.mood = "away"
        for number in range(5, 10):
            await record(number)
        await asyncio.to_thread(service.stop)
        await asyncio.to_thread(service.start)
        await record(10)
        hermes.mood = None
        updated = lambda: [m for m in hermes.published if m["channel"] == "budget.updated"]
        await until(lambda: len({m["message"]["payload"]["seq"] for m in updated()}) >= 11)
        numbers = [message["message"]["payload"]["seq"] for message in updated()]
        assert sorted(set(numbers)) == list(dict.fromkeys(numbers)), "in order, repeats aside"
        health = (await client.get("/health")).json()
    assert (health["registeredWithHermes"], health["dependencies"][0]["status"]) == (True, "healthy")


async def test_it_says_goodbye_when_it_is_told_to_stop_over_http(hermes, service):
    await found(hermes)
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        answer = await client.post("/shutdown")
        assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    await until(lambda: not hermes.components)
    await asyncio.to_thread(service.stop)
    assert list(hermes.tools) == ["tool-1"]
