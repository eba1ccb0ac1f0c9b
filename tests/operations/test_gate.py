"""The door: names that lead here, and rates."""

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from budget.operations.rates import Rate
from tests.serving import serving

WAYS = [("GET", "/api/budgets"), ("POST", "/api/usage/record"), ("POST", "/mcp"), ("GET", "/"), ("GET", "/health")]


@pytest.fixture(scope="module")
def address(new_database, tmp_path_factory):
    rates = {"BUDGET_RATE_PER_ADDRESS": "60", "BUDGET_ALLOWED_HOSTS": "budget.example"}
    with serving(new_database, tmp_path_factory.mktemp("rates"), variables=rates) as running:
        yield running.address


@pytest.fixture
def client(address):
    with httpx.Client(base_url=address, verify=False) as client:
        yield client


@pytest.mark.parametrize(("method", "path"), WAYS)
def test_a_public_name_that_was_made_to_lead_here_gets_nothing(client, method, path):
    refused = client.request(method, path, headers={"Host": "evil.example:8013"}, json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "authorization_error")
    assert "BUDGET_ALLOWED_HOSTS" in refused.json()["detail"]


@pytest.mark.parametrize(
    "host", ["localhost:1", "127.0.0.1", "[::1]:8013", "budget", "penia:8013", "Budget.example:80"]
)
def test_addresses_plain_names_and_those_that_are_listed_are_ours(client, host):
    assert client.get("/health", headers={"Host": host}).status_code == 200


def test_a_socket_by_a_borrowed_name_is_closed(address):
    headers = {"Host": "evil.example"}
    url = address.replace("http", "ws") + "/ws"
    with connect(url, additional_headers=headers) as socket, pytest.raises(ConnectionClosed, match="1008"):
        socket.recv(timeout=20)


def test_an_address_that_sends_too_much_is_told_when_to_come_back(client):
    answers = [client.get("/api/prices/current") for _ in range(61)]
    first = answers[0]
    assert first.headers["ratelimit-policy"] == '"address";q=60;w=60'
    assert first.headers["ratelimit"].startswith('"address";r=')
    last = answers[-1]
    assert (last.status_code, last.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(last.headers["retry-after"]) <= 60
    assert last.headers["ratelimit"].startswith('"address";r=0;')


def test_a_rate_begins_anew_with_each_minute_and_remembers_a_bounded_number():
    now = [0.0]
    rate = Rate("key", 2, lambda: now[0])
    assert [rate.take("a").left for _ in range(3)] == [1, 0, -1]
    assert rate.take("b").left == 1
    now[0] = 60.0
    assert rate.take("a").left == 1
    for name in range(30_000):
        rate.take(str(name))
    assert len(rate._seen) <= 20_000
