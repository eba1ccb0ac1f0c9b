"""Rhetor's HTTP calls about budgets, on Budget's port."""

import pytest

USAGE = {"component": "telos", "provider": "openai", "model": "gpt-4", "input_tokens": 10, "output_tokens": 5}


async def test_limits_and_policies_are_set_and_shown_as_rhetor_showed_them(client):
    limit = {"period": "daily", "limitAmount": 4, "enforcement": "enforce"}
    answer = {"success": True, "period": "daily", "limit_amount": 4, "provider": "all", "enforcement": "enforce"}
    assert (await client.post("/budget/limit", json=limit)).json() == answer
    policy = {"period": "daily", "policy": "warn", "provider": "openai"}
    assert (await client.post("/budget/policy", json=policy)).json() == {"success": True, **policy}
    found = (await client.get("/budget")).json()
    assert list(found) == ["daily", "weekly", "monthly"]
    assert found["daily"] == {"usage": 0.0, "limit": 4.0, "remaining": 4.0, "policy": "enforce", "percentage": 0.0}
    assert found["weekly"] == {"usage": 0.0, "limit": 0.0, "remaining": None, "policy": "warn", "percentage": None}
    rows = (await client.get("/budget/settings")).json()["daily"]
    assert [(row["provider"], row["enforcement"]) for row in rows] == [("all", "enforce"), ("openai", "warn")]


async def test_usage_comes_by_rows_and_by_groups(client):
    await client.get("/budget")
    budget = (await client.get("/api/v1/budgets", params={"name": "Rhetor Budget"})).json()["items"][0]
    record = {**USAGE, "context_id": "c", "budget_id": budget["budget_id"], "cost": 0.5}
    assert (await client.post("/api/usage/record", json=record)).status_code == 201
    found = (await client.get("/budget/usage", params={"period": "weekly", "provider": "openai"})).json()
    assert (found["period"], found["provider"], found["count"]) == ("weekly", "openai", 1)
    assert found["usage"][0]["cost"] == 0.5
    today = (await client.get("/api/v1/budget/usage")).json()
    assert today == (await client.get("/budget/summary")).json()
    assert today["groups"]["openai"]["count"] == 1
    assert set((await client.get("/budget/model-tiers")).json()) == {"free", "low", "medium", "high"}


async def test_the_route_for_policies_that_never_worked_works(client):
    made = await client.post("/api/v1/budget/policies", json={"name": "Team", "max_cost": 7.5, "period": "monthly"})
    assert (made.json()["limit_amount"], made.json()["provider"]) == (7.5, "all")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/budget/limit", {"period": "hourly", "limit_amount": 1}, 400),
        ("/budget/policy", {"period": "daily", "policy": "block"}, 400),
        ("/budget/limit", {"period": "daily"}, 422),
        ("/budget/limit", {"period": "daily", "limit_amount": "much"}, 422),
        ("/api/v1/budget/policies", {"name": "Team", "max_cost": 1, "color": "red"}, 422),
    ],
)
async def test_what_is_wrong_is_said_and_changes_nothing(client, path, body, status):
    answer = await client.post(path, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (await client.get("/budget/settings")).json() == {"daily": [], "weekly": [], "monthly": []}


async def test_a_wrong_group_is_a_bad_request(client):
    assert (await client.get("/budget/summary", params={"group_by": "color"})).status_code == 400
