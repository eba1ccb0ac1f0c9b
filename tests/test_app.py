"""The wiring: prefixes, request ids, CORS, and what a refusal looks like from outside."""

import httpx
import pytest

from budget import app as wiring
from budget import settings
from budget.engine.clock import Clock

ASK = {"context_id": "c", "component": "apollo", "provider": "openai", "model": "gpt-4o", "tokens_allocated": 1000}


@pytest.fixture
async def client(tmp_path):
    app = wiring.create_app(settings.load({"BUDGET_DB_PATH": str(tmp_path / "b.db"), "HOME": str(tmp_path)}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://budget") as made,
    ):
        yield made


async def a_budget(client, **policy):
    budget = (await client.post("/api/budgets", json={"name": "b", "default_policies": False})).json()
    limits = {"type": "hard_limit", "period": "daily", "budget_id": budget["budget_id"], **policy}
    assert (await client.post("/api/policies", json=limits)).status_code == 201
    return {**ASK, "budget_id": budget["budget_id"]}


async def test_both_prefixes_answer_alike(client):
    for path in ("/budgets", "/prices?provider=openai&model=gpt-4o", "/models"):
        old, new = [await client.get(prefix + path) for prefix in wiring.PREFIXES]
        assert (old.status_code, old.content) == (200, new.content)
    for prefix in wiring.PREFIXES:
        assert (await client.post(f"{prefix}/allocations", json=ASK)).status_code == 201


async def test_each_answer_carries_a_request_id(client):
    given = await client.post("/api/allocations", json=ASK, headers={"X-Request-Id": "mine"})
    assert given.headers["x-request-id"] == "mine"
    ids = {(await client.get(path)).headers["x-request-id"] for path in ("/health", "/api/budgets", "/nope")}
    assert len(ids) == 3


async def test_a_browser_of_tekton_may_call_and_another_may_not(client):
    for path in ("/api/allocations", "/api/check"):
        good = await client.post(path, json=ASK, headers={"Origin": "http://localhost:8080"})
        bad = await client.post(path, json=ASK, headers={"Origin": "http://elsewhere.example"})
        assert good.headers["access-control-allow-origin"] == "http://localhost:8080"
        assert "access-control-allow-origin" not in bad.headers
    preflight = {"Origin": "http://localhost:8080", "Access-Control-Request-Method": "PUT"}
    assert (await client.options("/api/policies/x", headers=preflight)).status_code == 200


async def test_a_refusal_that_waiting_does_not_help_is_402_and_its_offer_is_granted(client):
    ask = await a_budget(client, cost_limit=0.001)
    refused = await client.post("/api/allocations", json=ask)
    problem = refused.json()
    assert (refused.status_code, problem["status"], problem["code"]) == (402, 402, "insufficient_budget")
    assert refused.headers["content-type"] == "application/problem+json"
    (limit,) = problem["limits"]
    assert (limit["limit"], limit["used"], limit["held"], limit["unit"]) == (0.001, 0, 0, "cost")
    assert limit["asked"] == problem["estimated_cost"] > 0.001
    assert (problem["allowed"], problem["policy_type"], problem["period"]) == (False, "hard_limit", "daily")
    assert problem["retryable"] is False
    assert problem["error"]["details"]["decision_id"] == problem["decision_id"]
    assert (await client.get(f"/api/decisions/{problem['decision_id']}")).json()["verdict"] == "refused"
    (offer,) = problem["offers"]
    assert offer["kind"] == "fewer_tokens"
    assert (await client.post("/api/allocations", json=offer["request"])).status_code == 201


async def test_a_refusal_that_waits_for_others_is_429_and_says_until_when(client):
    ask = await a_budget(client, token_limit=1500)
    assert (await client.post("/api/allocations", json=ask)).status_code == 201
    refused = await client.post("/api/allocations", json={**ask, "min_tokens": 1000})
    problem = refused.json()
    assert (refused.status_code, problem["retryable"]) == (429, True)
    assert 1 <= int(refused.headers["retry-after"]) <= 86_400
    assert problem["retry_at"].endswith("Z")
    assert [offer["kind"] for offer in problem["offers"]] == ["later"]


async def test_a_model_without_a_price_is_refused_under_a_hard_cost_limit(client):
    ask = await a_budget(client, cost_limit=1)
    refused = await client.post("/api/allocations", json={**ask, "model": "unheard-of"})
    assert (refused.status_code, refused.json()["code"]) == (402, "price_unknown")


async def test_a_check_explains_itself_and_holds_nothing(client):
    ask = await a_budget(client, cost_limit=0.5)
    allowed = (await client.post("/api/check", json={**ask, "input_tokens": 400, "max_output_tokens": 600})).json()
    assert allowed["allowed"] is True
    assert allowed["cost_estimate"]["total_cost"] == allowed["estimated_cost"]
    (limit,) = allowed["explanation"]["limits"]
    assert (limit["limit"], limit["used"], limit["held"], limit["fits"]) == (0.5, 0, 0, True)
    assert allowed["explanation"]["price"]["model"] == "gpt-4o"
    assert [left["cost"] for left in allowed["remaining"]] == [0.5]
    refused = (await client.post("/api/check", json={**ask, "tokens_allocated": 200_000})).json()
    assert (refused["allowed"], refused["limit"], refused["usage"]) == (False, 0.5, 0)
    assert refused["offers"][0]["kind"] == "fewer_tokens"
    after = (await client.post("/api/check", json=ask)).json()
    assert after["remaining"] == allowed["remaining"]


async def test_a_repeat_gets_the_first_answer(client):
    ask = await a_budget(client, cost_limit=1)
    held = (await client.post("/api/allocations", json={**ask, "request_id": "r"})).json()
    path = f"/api/allocations/{held['allocation_id']}"
    used = {"input_tokens": 10, "output_tokens": 5}
    for method, where, body in (
        ("POST", "/api/allocations", {**ask, "request_id": "r"}),
        ("POST", f"{path}/start", {}),
        ("POST", f"{path}/increase", {"tokens": 5}),
        ("POST", "/api/usage/record", {**used, "allocation_id": held["allocation_id"]}),
        ("POST", f"{path}/settle", used),
    ):
        first, again = [
            await client.request(method, where, json=body, headers={"Idempotency-Key": "r"}) for _ in range(2)
        ]
        assert first.is_success, first.text
        assert again.headers["idempotency-replayed"] == "true"
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        other = await client.request(method, where, json={**body, "metadata": {}}, headers={"Idempotency-Key": "s"})
        assert "idempotency-replayed" not in other.headers
    reused = await client.post("/api/allocations", json={**ask, "tokens_allocated": 7, "request_id": "r"})
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_correction_and_a_void_name_each_other(client):
    used = {
        "context_id": "c",
        "component": "x",
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": 5,
        "output_tokens": 1,
    }
    first = (await client.post("/api/usage/record", json=used)).json()
    path = "/api/usage/records/"
    corrected = await client.post(
        path + first["record_id"] + "/correct", json={"output_tokens": 2, "reason": "recount"}
    )
    assert corrected.json()["corrects"] == first["record_id"]
    again = await client.post(path + first["record_id"] + "/void", json={"reason": "gone"})
    assert again.status_code == 409
    gone = await client.post(path + corrected.json()["record_id"] + "/void", json={"reason": "gone"})
    assert (gone.status_code, gone.json()["status"]) == (200, "void")


async def test_what_is_deleted_is_only_switched_off(client):
    ask = await a_budget(client, cost_limit=1)
    policy = (await client.get(f"/api/budgets/{ask['budget_id']}/policies")).json()["items"][0]
    assert (await client.delete(f"/api/policies/{policy['policy_id']}")).json()["data"] is None
    assert (await client.get(f"/api/policies/{policy['policy_id']}")).json()["enabled"] is False
    assert (await client.delete(f"/api/budgets/{ask['budget_id']}")).status_code == 200
    assert (await client.post("/api/allocations", json=ask)).status_code == 409


async def test_the_clock_comes_from_outside(tmp_path):
    class Stopped(Clock):
        def now(self):
            return 1_800_000_000_000_000

    read = settings.load({"BUDGET_DB_PATH": str(tmp_path / "c.db"), "HOME": str(tmp_path)})
    app = wiring.create_app(read, clock=Stopped())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://budget") as client,
    ):
        assert (await client.get("/health")).json()["timestamp"].startswith("2027-01-15T08:00:00.")


def test_a_server_may_import_it_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("BUDGET_DB_PATH", str(tmp_path / "b.db"))
    monkeypatch.setenv("BUDGET_VERSION", "9.9.9")
    assert wiring.from_environment().version == "9.9.9"
