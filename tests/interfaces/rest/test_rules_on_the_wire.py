"""Rules that are about what goes over the wire: keys of a batch (7.4), refusals (10.1, 10.2), unknown fields (12.1)."""

import pytest

RECORD = {
    "context_id": "c",
    "component": "a",
    "provider": "acme",
    "model": "m",
    "input_tokens": 1,
    "output_tokens": 1,
}


async def test_rule_7_1_the_header_comes_before_the_bodys_request_id(client):
    await client.post("/api/usage/record", json={**RECORD, "request_id": "body"}, headers={"Idempotency-Key": "k"})
    again = await client.post("/api/usage/record", json=RECORD, headers={"Idempotency-Key": "k"})
    other = await client.post("/api/usage/record", json={**RECORD, "request_id": "body"})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in other.headers


async def test_rule_7_4_a_batchs_header_makes_each_records_key(client):
    body = {"records": [RECORD, {**RECORD, "input_tokens": 2}]}
    first = await client.post("/api/usage/batch", json=body, headers={"Idempotency-Key": "k"})
    again = await client.post("/api/usage/batch", json=body, headers={"Idempotency-Key": "k"})
    assert (first.json()["accepted"], again.json()["duplicates"]) == (2, 2)
    alone = await client.post("/api/usage/record", json=RECORD, headers={"Idempotency-Key": "k:0"})
    assert alone.json()["record_id"] == first.json()["results"][0]["record_id"]


async def test_rule_7_4_a_batchs_own_keys_are_its_records(client):
    body = {"records": [{**RECORD, "request_id": "r"}]}
    first = await client.post("/api/usage/batch", json=body)
    alone = await client.post("/api/usage/record", json={**RECORD, "request_id": "r"})
    assert alone.json()["record_id"] == first.json()["results"][0]["record_id"]


async def test_rule_10_1_a_refusal_is_a_problem_document_with_tektons_words_inside(client):
    await client.post("/api/policies", json={"type": "hard_limit", "period": "daily", "token_limit": 10})
    refused = await client.post("/api/allocations", json={"context_id": "c", "component": "a", "tokens_allocated": 11})
    problem = refused.json()
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.status_code, problem["status"], problem["code"]) == (402, 402, "insufficient_budget")
    assert problem["error"]["code"] == "insufficient_budget"
    assert problem["limits"][0] | {"limit": 10, "asked": 11, "unit": "tokens"} == problem["limits"][0]
    assert (problem["retryable"], problem["retry_at"]) == (False, None)


async def test_rule_10_2_waiting_for_others_is_429_with_retry_after(client):
    await client.post("/api/policies", json={"type": "hard_limit", "period": "daily", "token_limit": 10})
    hold = {"context_id": "c", "component": "a", "tokens_allocated": 10}
    assert (await client.post("/api/allocations", json=hold)).status_code == 201
    refused = await client.post("/api/allocations", json=hold)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", ["allocations", "usage/record", "policies", "budgets", "prices"])
async def test_rule_12_1_unknown_fields_are_refused(client, path):
    answer = await client.post(f"/api/{path}", json={"nonsense": 1})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "nonsense" or "required" in answer.json()["detail"]


async def test_rule_12_1_unknown_fields_are_ignored_where_tektons_pages_send_them(client):
    made = await client.post("/api/policies", json={"type": "warn", "period": "daily", "token_limit": 10, "model": "m"})
    sent = {"id": made.json()["policy_id"], "days": 30, "tokenLimit": 20}
    changed = await client.put(f"/api/policies/{made.json()['policy_id']}", json=sent)
    assert (changed.status_code, changed.json()["token_limit"]) == (200, 20)


@pytest.mark.parametrize("path", ["budgets?foo=1", "usage/records?budgetid=x", "limits?pge=2", "health?x=1"])
async def test_rule_12_1_an_unknown_query_parameter_is_refused(client, path):
    answer = await client.get(f"/api/{path}")
    assert answer.status_code == 422
    assert "is not a parameter of this request" in answer.json()["detail"]
