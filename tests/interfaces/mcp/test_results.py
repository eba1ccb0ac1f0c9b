"""Messages that are answered later: acknowledged, told as an event, found by id, some of them after a restart."""

import asyncio
import shutil
from typing import Any

import httpx
import pytest

from budget import app as wiring
from budget import settings
from budget.domain.events import RESULT, Filter
from budget.interfaces.mcp import results

USAGE = {"provider": "acme", "model": "m-1", "context_id": "c", "input_tokens": 7, "output_tokens": 3}


def message(kind: str = "budget.record_usage", payload: dict[str, Any] = USAGE, **more: Any) -> dict[str, Any]:
    return {"sender": "terma", "message_type": kind, "payload": payload, **more}


async def result(client: httpx.AsyncClient, result_id: str) -> httpx.Response:
    answer = await client.get(f"/api/mcp/results/{result_id}")
    while answer.status_code == 202:
        assert answer.json()["status"] == "pending"
        await asyncio.sleep(0)  # over ASGI nothing else lets the message's own task run
        answer = await client.get(f"/api/mcp/results/{result_id}")
    return answer


async def test_it_is_acknowledged_at_once_and_its_result_is_told_and_kept(service, client):
    heard = await service.state.ledger.bus.subscribe(Filter(types=frozenset(), announced=frozenset((RESULT,))))
    sent = message(message_id="later", reply_to="http://terma/replies")
    acknowledged = (await client.post("/mcp", json=sent)).json()
    assert (acknowledged["status"], acknowledged["message_type"]) == ("success", "budget.usage_response")
    assert acknowledged["payload"] == {"accepted": True, "result_id": "later", "reply_to": "http://terma/replies"}
    (told,) = await heard.next()
    heard.close()
    answer = await result(client, "later")
    assert answer.json()["payload"]["recorded_tokens"] == 10
    assert (answer.json()["request_id"], told.event.said["receiver"]) == ("later", "terma")
    assert bytes(told.event.said["response"]) == answer.content


async def test_one_without_an_id_gets_one(client):
    acknowledged = (await client.post("/mcp", json={**message("budget.list_budgets", {}), "async": True})).json()
    assert acknowledged["payload"]["result_id"] == acknowledged["request_id"]
    answer = await result(client, acknowledged["request_id"])
    assert answer.json()["payload"]["items"]


async def test_the_same_message_again_is_not_carried_out_again(client):
    sent = {**message(message_id="same"), "async": True}
    for _ in range(3):
        assert (await client.post("/mcp", json=sent)).json()["payload"]["accepted"]
        await result(client, "same")
    assert (await client.get("/api/v1/usage/records")).json()["total"] == 1
    other = (await client.post("/mcp", json={**sent, "payload": {}})).json()
    assert (other["status"], other["payload"]) == ("error", {})
    assert "used before" in other["error"]


async def test_what_goes_wrong_is_a_result_too(client):
    await client.post(
        "/mcp", json=message("budget.get_budget", {"budget_id": "none"}, message_id="wrong", reply_to="x")
    )
    answer = await result(client, "wrong")
    assert (answer.json()["status"], answer.json()["payload"]["problem"]["status"]) == ("error", 404)


async def test_an_unknown_type_is_refused_at_once(client):
    refused = (await client.post("/mcp", json=message("budget.nothing", {}, reply_to="x"))).json()
    assert (refused["status"], refused["message_type"]) == ("error", "budget.error")
    assert "Unknown message type" in refused["error"]


async def test_an_unknown_id_is_not_found(client):
    answer = await client.get("/api/mcp/results/none")
    assert (answer.status_code, answer.json()["code"]) == (404, "resource_not_found")


async def test_more_than_can_be_worked_on_are_told_to_wait(client, monkeypatch):
    monkeypatch.setattr(results, "MOST_RUNNING", 0)
    refused = (await client.post("/mcp", json=message(reply_to="x"))).json()
    assert (refused["status"], "too many" in refused["error"]) == ("error", True)
    assert (await client.get("/api/v1/usage/records")).json()["total"] == 0


async def test_the_oldest_results_give_way(client, monkeypatch):
    monkeypatch.setattr(results, "MOST_KEPT", 2)
    for name in ("a", "b", "c"):
        await client.post("/mcp", json=message("budget.list_budgets", {}, message_id=name, reply_to="x"))
        await result(client, name)
    found = [(await client.get(f"/api/mcp/results/{name}")).status_code for name in ("a", "b", "c")]
    assert found == [404, 200, 200]


@pytest.mark.parametrize(
    ("kind", "payload", "field"),
    [
        ("budget.record_usage", USAGE, "record_id"),
        ("budget.allocate_tokens", {"amount": 10, "context_id": "c"}, "allocation_id"),
        ("budget.create_budget", {"name": "Later", "default_policies": False}, "budget_id"),
        ("budget.create_policy", {"type": "warn", "period": "daily", "token_limit": 5}, "policy_id"),
        ("budget.set_price", {"provider": "acme", "model": "m", "input_cost_per_token": 1}, "pricing_id"),
    ],
)
async def test_after_a_restart_a_commands_result_is_in_the_journal(new_database, tmp_path, kind, payload, field):
    shutil.copytree(new_database, tmp_path, dirs_exist_ok=True)
    read = settings.load({"BUDGET_DB_PATH": str(tmp_path / "budget.db"), "HOME": str(tmp_path)})
    answers = []
    for first in (True, False):
        app = wiring.create_app(read)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://b") as client,
        ):
            if first:
                await client.post("/mcp", json=message(kind, payload, message_id="kept", reply_to="x"))
            answers.append((await result(client, "kept")).json())
    assert answers[1]["message_type"] == "budget.result"
    assert answers[1]["payload"][field] == answers[0]["payload"][field]


async def test_what_was_accepted_is_finished_before_the_service_stops(new_database, tmp_path):
    shutil.copytree(new_database, tmp_path, dirs_exist_ok=True)
    app = wiring.create_app(settings.load({"BUDGET_DB_PATH": str(tmp_path / "budget.db"), "HOME": str(tmp_path)}))
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://b") as client:
        sent = [client.post("/mcp", json=message(message_id=f"m-{at}", reply_to="x")) for at in range(20)]
        await asyncio.gather(*sent)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://b") as client:
        assert (await client.get("/api/v1/usage/records")).json()["total"] == 20
