"""Apollo's HTTP call, which never worked, on Budget's port."""

ASKED = {"contextId": "c", "component": "telos", "task_type": "chat"}


async def test_tokens_are_allocated_and_priority_zero_is_a_normal_one(client):
    said = (await client.post("/api/budget/allocate", json={**ASKED, "priority": 0})).json()
    assert (said["status"], said["errors"]) == ("success", None)
    assert list(said["data"]) == ["context_id", "allocated_tokens", "expiration", "policy"]
    assert (said["data"]["allocated_tokens"], said["data"]["policy"]) == (4000, "warn")


async def test_a_limit_that_only_warns_is_a_warning(client):
    await client.post("/api/budget/allocate", json=ASKED)
    budget = (await client.get("/api/v1/budgets", params={"name": "Apollo Budget"})).json()["items"][0]
    limit = {"budget_id": budget["budget_id"], "type": "soft_limit", "period": "daily", "token_limit": 4500}
    assert (await client.post("/api/policies", json=limit)).status_code == 201
    said = (await client.post("/api/budget/allocate", json=ASKED)).json()
    assert (said["status"], said["data"]["policy"]) == ("warning", "soft_limit")
    assert said["message"].startswith("soft limit of 4,500 tokens")


async def test_a_refusal_says_which_limit(client):
    await client.post("/api/budget/allocate", json=ASKED)
    budget = (await client.get("/api/v1/budgets", params={"name": "Apollo Budget"})).json()["items"][0]
    limit = {"budget_id": budget["budget_id"], "type": "hard_limit", "period": "daily", "token_limit": 4500}
    assert (await client.post("/api/policies", json=limit)).status_code == 201
    answer = await client.post("/api/budget/allocate", json={**ASKED, "contextId": "d"})
    assert (answer.status_code, answer.json()["status"], answer.json()["data"]) == (200, "error", None)
    assert "the daily token limit of 4,500 tokens" in answer.json()["errors"][0]


async def test_what_is_wrong_is_said(client):
    assert (await client.post("/api/budget/allocate", json={"component": "telos"})).status_code == 422
    assert (await client.post("/api/budget/allocate", json={**ASKED, "priority": 11})).json()["status"] == "error"
