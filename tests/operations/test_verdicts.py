"""What a check says."""

ASK = {"context_id": "c", "component": "apollo", "tokens_allocated": 10}


async def test_rule_2_6_a_check_says_which_limits_do_not_apply_for_want_of_a_task(client):
    policy = {"type": "hard_limit", "period": "per_task", "token_limit": 5}
    policy_id = (await client.post("/api/policies", json=policy)).json()["policy_id"]
    verdict = (await client.post("/api/check", json=ASK)).json()
    missing = {"policy_id": policy_id, "period": "per_task", "reason": "the request has no task_id"}
    assert verdict["explanation"]["not_applied"] == [missing]
    assert verdict["allowed"] is True
    refused = (await client.post("/api/check", json={**ASK, "task_id": "t"})).json()
    assert (refused["allowed"], refused["explanation"]["not_applied"]) == (False, [])
