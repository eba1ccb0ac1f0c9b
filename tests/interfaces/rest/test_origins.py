"""Which web pages may write."""

import pytest

FOREIGN = ["http://elsewhere.example", "null", "http://localhost:9", "http://budget", "http://[", ""]


async def _post(client, path="/api/allocations", **headers):
    # As a page may send it without asking first: a simple request, whose body is text to the browser.
    headers = {"Content-Type": "text/plain", **headers}
    return await client.post(
        path, content='{"context_id":"c","component":"apollo","tokens_allocated":10}', headers=headers
    )


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_page_of_another_origin_changes_nothing(client, origin):
    answer = await _post(client, Origin=origin)
    assert (answer.status_code, answer.json()["code"]) == (403, "authorization_error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "BUDGET_CORS_ORIGINS" in answer.json()["detail"]
    assert (await client.get("/api/v1/allocations")).json()["total"] == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_whatever_writes_is_refused_to_it(client, method):
    answer = await client.request(method, "/api/budgets/x", headers={"Origin": "http://elsewhere.example"})
    assert answer.status_code == 403


async def test_it_may_read_what_cors_lets_it(client):
    answer = await client.get("/api/budgets", headers={"Origin": "http://elsewhere.example"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8080", "budget"),  # listed
        ("http://localhost:9000", "localhost:9000"),  # the service's own pages, through whatever port they came
        ("http://192.0.2.7:9000", "192.0.2.7:9000"),
        ("http://[::1]:9000", "[::1]:9000"),
    ],
)
async def test_a_listed_page_and_the_services_own_may_write(client, origin, host):
    assert (await _post(client, Origin=origin, Host=host)).status_code == 201


async def test_a_name_that_was_made_to_lead_here_is_not_the_services_own(client):
    assert (await _post(client, Origin="http://evil.example:8013", Host="evil.example:8013")).status_code == 403


async def test_a_program_sends_no_origin_and_writes(client):
    assert (await _post(client)).status_code == 201
