"""What is answered past the SDK is answered as the SDK would; what is unusual goes to the SDK."""

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from budget.interfaces.mcp import plain_calls
from budget.interfaces.mcp.plain_calls import BEFORE, CURRENT

PREFIX = "io.modelcontextprotocol/"
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("list_budgets", {"limit": 1}),
    ("list_prices", {"provider": "acme"}),
    ("get_policy", {"policy_id": "none"}),
    ("get_policy", {}),
    ("list_budgets", {"limit": "many"}),
    ("list_models", {"page": 1, "limit": 2}),
)


def call(version: str, name: str, arguments: Any, **changes: Any) -> tuple[bytes, dict[str, str]]:
    """A call, body and headers; `meta`, `headers`, `body` and `params` are added."""
    headers = {**HEADERS, "mcp-protocol-version": version}
    meta = {}
    if version == CURRENT:
        headers |= {"mcp-method": "tools/call", "mcp-name": name}
        meta = {f"{PREFIX}protocolVersion": CURRENT, f"{PREFIX}clientCapabilities": {}}
    meta |= changes.get("meta", {})
    params = {"name": name, "arguments": arguments, **({"_meta": meta} if meta else {}), **changes.get("params", {})}
    body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params, **changes.get("body", {})}
    return json.dumps(body).encode(), {**headers, **changes.get("headers", {})}


def recognised(body: bytes, headers: dict[str, str]) -> bool:
    scope = {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    return plain_calls.recognised(scope, body) is not None


@pytest.mark.parametrize("version", [CURRENT, BEFORE])
@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_both_answers_are_the_same(http, monkeypatch, version, name, arguments):
    body, headers = call(version, name, arguments)
    assert recognised(body, headers)
    ours = http.post("/mcp", content=body, headers=headers)
    monkeypatch.setattr(plain_calls, "recognised", lambda _scope, _body: None)
    theirs = http.post("/mcp", content=body, headers=headers)
    assert (ours.status_code, ours.headers["content-type"]) == (theirs.status_code, theirs.headers["content-type"])
    assert ours.json() == theirs.json()


@pytest.mark.parametrize(
    "changes",
    [
        {"meta": {"progressToken": 5}},
        {"meta": {f"{PREFIX}clientInfo": {"name": "a", "version": "1", "title": "A"}}},
        {"meta": {f"{PREFIX}clientCapabilities": {"elicitation": {}}}},
        {"body": {"id": "text"}},
    ],
)
def test_what_changes_nothing_is_still_plain(http, changes):
    body, headers = call(CURRENT, "list_budgets", {}, **changes)
    assert recognised(body, headers)
    assert http.post("/mcp", content=body, headers=headers).json()["result"]["isError"] is False


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"params": {"name": "make_coffee"}}, 400),
        ({"params": {"arguments": [1]}}, 400),
        ({"params": {"task": {}}}, 200),
        ({"meta": {f"{PREFIX}protocolVersion": BEFORE}}, 400),
        ({"meta": {f"{PREFIX}clientCapabilities": None}}, 400),
        ({"meta": {f"{PREFIX}logLevel": "debug"}}, 200),
        ({"headers": {"mcp-name": "get_budget"}}, 400),
        ({"headers": {"mcp-method": "tools/list"}}, 400),
        ({"headers": {"mcp-protocol-version": "2020-01-01"}}, 400),
        ({"headers": {"mcp-param-limit": "1"}}, 200),
        ({"headers": {"accept": "text/event-stream"}}, 406),
        ({"headers": {"content-type": "text/plain"}}, 400),
        ({"body": {"id": None}}, 400),
        ({"body": {"jsonrpc": "1.0"}}, 400),
        ({"body": {"method": "tools/list"}}, 400),
    ],
)
def test_what_is_unusual_is_the_sdks_to_answer(http, changes, status):
    body, headers = call(CURRENT, "list_budgets", {}, **changes)
    assert not recognised(body, headers)
    assert http.post("/mcp", content=body, headers=headers).status_code == status


def test_what_is_no_json_is_the_sdks_to_refuse(http):
    _, headers = call(CURRENT, "list_budgets", {})
    answer = http.post("/mcp", content=b"{", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32700)


def test_blanks_around_a_header_are_no_part_of_it(address):
    body, headers = call(CURRENT, "list_budgets", {}, headers={"mcp-name": "  list_budgets  "})
    connection = HTTPConnection(urlsplit(address).netloc)  # httpx would not send this
    connection.request("POST", "/mcp", body, headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert answer["result"]["isError"] is False


def test_exact_amounts_go_out_exactly(http):
    price = {"provider": "acme", "model": "exact", "input_cost_per_token": "0.12345678901234567890123"}
    http.post("/api/prices", json=price).raise_for_status()
    body, headers = call(CURRENT, "get_price", {"provider": "acme", "model": "exact"})
    assert (
        b'"input_cost_per_token":0.12345678901234567890123' in http.post("/mcp", content=body, headers=headers).content
    )
