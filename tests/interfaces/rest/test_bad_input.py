"""Whatever a client sends, it gets a 4xx problem that names the field, and the ledger stays as it was."""

import asyncio
import json

import httpx
import pytest
import uvicorn

from budget.storage import journal

ALLOCATE = {"context_id": "c", "component": "apollo", "tokens_allocated": 10}
RECORD = {"context_id": "c", "component": "apollo", "provider": "openai", "model": "gpt-4o"}
USED = {**RECORD, "input_tokens": 5, "output_tokens": 1}
POLICY = {"type": "warn", "period": "daily", "cost_limit": 1}
PRICE = {"provider": "acme", "model": "m", "input_cost_per_token": 0.001}
DEEP = "[" * 100_000 + "]" * 100_000


async def head(service):
    return (await service.state.ledger.database.read(journal.head)).seq


def is_problem(answer, status=None, field=None):
    problem = answer.json()
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["error"]["code"] == problem["code"]
    assert status in (None, answer.status_code), answer.text
    assert field is None or field in [error["field"] for error in problem["errors"]], answer.text
    return True


FIELDS = [
    ("/allocations", ALLOCATE, "tokens_allocated", [-1, 0, 1.5, 1.0, "1", None, True, 2**53, 2**63, 10**30, [], {}]),
    ("/allocations", ALLOCATE, "priority", [0, 11, "high", 2.5]),
    ("/allocations", ALLOCATE, "input_tokens", [-1, 11, 2**63]),
    ("/allocations", ALLOCATE, "min_tokens", [0, 11]),
    ("/allocations", ALLOCATE, "tier", ["gigantic", "", 5]),
    ("/allocations", ALLOCATE, "expiration_time", ["yesterday", "2020-01-01", "2999-01-01T00:00:00Z", 5, "9" * 40]),
    ("/allocations", ALLOCATE, "budget_id", ["nope", "", 7, "x" * 201]),
    ("/allocations", ALLOCATE, "component", ["", "x" * 1_000_000, "a\0b"]),
    ("/allocations", ALLOCATE, "request_id", ["", "x" * 256]),
    ("/allocations", ALLOCATE, "unknown", [1, None, {"a": "b"}]),
    ("/usage/record", USED, "input_tokens", [-1, 1.0, 2**63, 10**30, "five"]),
    ("/usage/record", USED, "requests", [-1, 2**63]),
    ("/usage/record", USED, "cost", ["NaN", "Infinity", "-Infinity", "1e30", 1e20, "1e999999", "abc"]),
    ("/usage/record", USED, "seconds", ["NaN", "Infinity", -1, 0.0001]),
    ("/usage/record", USED, "occurred_at", ["tomorrow", "2999-01-01", "2026-02-30"]),
    ("/usage/record", USED, "allocation_id", ["nope", "", 5]),
    ("/usage/record", USED, "cache_read_tokens", [-1]),
    ("/usage/record", {**RECORD, "usage": {"a": 1}}, "usage_format", ["nope"]),
    ("/budgets", {"name": "b"}, "name", ["", None, 5, "x" * 201]),
    ("/budgets", {"name": "b"}, "time_zone", ["Mars/Olympus", "", "../etc/passwd"]),
    ("/policies", POLICY, "type", ["nope", "", None, 5]),
    ("/policies", POLICY, "period", ["yearly", ""]),
    ("/policies", POLICY, "cost_limit", [-1, "NaN", "Infinity", "1e40", True]),
    ("/policies", POLICY, "token_limit", [-1, 1.5, 2**63, 10**30]),
    ("/policies", POLICY, "warning_threshold", [-1, 0, "NaN", "Infinity"]),
    ("/policies", POLICY, "budget_id", ["nope"]),
    ("/prices", PRICE, "input_cost_per_token", [-1, "NaN", "1e-59", 10**9]),
    ("/prices", PRICE, "effective_date", ["someday"]),
]


@pytest.mark.parametrize(
    ("path", "body", "field", "values"), FIELDS, ids=[f"{path}-{field}" for path, _, field, _ in FIELDS]
)
async def test_a_wrong_value_is_refused_by_name(client, service, path, body, field, values):
    before = await head(service)
    for value in values:
        answer = await client.post("/api" + path, json={**body, field: value})
        assert is_problem(answer, field=field), value
    assert await head(service) == before


BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"5",
    b"{}{}",
    b"\xff\xfe",
    b'{"metadata": NaN}',
    b'{"component": "\\ud800"}',
    b'{"component": "\\udc00\\ud800"}',
    ('{"metadata": ' + DEEP + "}").encode(),
    ('{"unknown": ' + DEEP + "}").encode(),
    b"[" * 500_000,
]


@pytest.mark.parametrize("path", ["/allocations", "/usage/record", "/budgets", "/policies", "/prices", "/check"])
async def test_a_broken_body_is_refused(client, service, path):
    before = await head(service)
    for body in BROKEN:
        assert is_problem(await client.post("/api/v1" + path, content=body)), body[:30]
    assert await head(service) == before


@pytest.mark.parametrize("path", ["/allocations", "/budgets", "/usage/record", "/usage/batch"])
async def test_a_body_that_is_too_large_is_refused(client, path):
    assert is_problem(await client.post("/api" + path, content=b" " * 50_000_000), 413)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/allocations/nope/start"),
        ("POST", "/allocations/nope/extend"),
        ("POST", "/allocations/nope/release"),
        ("POST", "/alerts/nope/acknowledge"),
        ("PUT", "/alerts/nope/dismiss"),
        ("PUT", "/budgets/nope"),
        ("DELETE", "/budgets/nope"),
        ("PUT", "/policies/nope"),
        ("DELETE", "/policies/nope"),
        ("POST", "/alerts/check?budget_id=nope"),
        ("GET", "/nope"),
        ("POST", "/allocations/%00/start"),
    ],
)
async def test_what_is_not_there_is_404(client, service, method, path):
    before = await head(service)
    assert is_problem(await client.request(method, "/api" + path), 404)
    assert await head(service) == before


async def test_a_wrong_method_is_405(client):
    assert is_problem(await client.delete("/api/allocations"), 405)


async def test_a_wrong_query_parameter_is_named(client):
    assert is_problem(await client.get("/api/budgets?page=0"), 422, "page")
    assert is_problem(await client.post("/api/alerts/check?period=yearly"), 422, "period")


async def test_policies_of_another_budget_cannot_be_listed(client):
    budget = (await client.post("/api/budgets", json={"name": "b", "default_policies": False})).json()
    policy = (await client.post("/api/policies", json=POLICY)).json()
    path = f"/api/budgets/{budget['budget_id']}/policies"
    assert is_problem(await client.put(path, json={"policies": [policy["policy_id"]]}), 422, "policies[0]")
    assert is_problem(await client.put(path, json={"policies": ["nope"]}), 422, "policies[0]")


async def test_a_bad_record_of_a_batch_is_refused_alone(client):
    records = [USED, {**USED, "input_tokens": -1}, {**USED, "component": "a\0b"}, "text", {**USED, "request_id": "r"}]
    answer = (await client.post("/api/usage/batch", json={"records": [*records, records[-1]]})).json()
    assert [result["status"] for result in answer["results"]] == [
        "accepted",
        "refused",
        "refused",
        "refused",
        "accepted",
        "duplicate",
    ]
    assert (answer["accepted"], answer["duplicates"], answer["refused"]) == (2, 1, 3)
    assert answer["results"][1]["error"]["field"] == "input_tokens"
    assert answer["results"][2]["error"]["field"] == "component"


async def test_a_batch_may_be_lines(client):
    lines = [json.dumps(USED), "", "{", json.dumps(USED)]
    headers = {"content-type": "application/x-ndjson", "idempotency-key": "night"}
    for accepted, duplicates in ((2, 0), (0, 2)):
        answer = await client.post("/api/v1/usage/batch", content="\n".join(lines), headers=headers)
        counts = answer.json()
        assert (counts["accepted"], counts["duplicates"], counts["refused"]) == (accepted, duplicates, 1)


async def test_a_batch_has_at_most_10000_records(client, service):
    before = await head(service)
    answer = await client.post(
        "/api/usage/batch", content=b"{}\n" * 10_001, headers={"content-type": "application/x-ndjson"}
    )
    assert is_problem(answer, 422, "records")
    assert await head(service) == before


async def test_an_empty_batch_is_fine(client):
    assert (await client.post("/api/usage/batch", json={"records": []})).json()["results"] == []


async def test_an_empty_key_is_refused(client):
    answer = await client.post("/api/allocations", json=ALLOCATE, headers={"idempotency-key": "k" * 256})
    assert is_problem(answer, 422, "Idempotency-Key")


async def test_an_unforeseen_error_is_a_problem_too(client, service, monkeypatch):
    async def broken(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr(service.state.ledger, "submit", broken)
    for path in ("/api/allocations", "/api/budgets"):
        answer = await client.post(path, json=ALLOCATE if path.endswith("allocations") else {"name": "b"})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "boom" not in answer.text


@pytest.fixture
async def socket_client(service):
    """The same service behind a real server on a real socket."""
    server = uvicorn.Server(
        uvicorn.Config(service, port=0, lifespan="off", log_config=None, access_log=False, http="httptools", ws="none")
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 -- uvicorn sets no event
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as made:
        yield made
    server.should_exit = True
    await serving


async def test_over_a_socket_too(socket_client, service):
    before = await head(service)
    for path in ("/api/allocations", "/api/v1/budgets"):
        assert is_problem(await socket_client.post(path, content=b" " * 50_000_000), 413)
        assert is_problem(await socket_client.post(path, content=b'{"component": "\xff"}'))
        assert is_problem(await socket_client.post(path, content=DEEP.encode()))
        assert is_problem(await socket_client.post(path, json={"component": "x" * 900_000}), 422)
    assert is_problem(await socket_client.get("/api/%ff%00"), 404)
    assert await head(service) == before
    good = await socket_client.post("/api/allocations", json=ALLOCATE, headers={"Idempotency-Key": "once"})
    again = await socket_client.post("/api/allocations", json=ALLOCATE, headers={"Idempotency-Key": "once"})
    assert (good.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == good.content
