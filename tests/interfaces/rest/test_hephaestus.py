"""Every call that Tekton's two generations of dashboard pages make, as they make it, and what they draw from it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from tests.interfaces.rest.test_contract_rows import _UI_POLICY


def _numbers(row: Any, *names: str) -> bool:
    return all(isinstance(row[name], int | float) and not isinstance(row[name], bool) for name in names)


def _summary(answer: Any) -> bool:
    return all(
        _numbers(row, "spent", "limit", "cost_usage_percentage") and row["limit"] > 0 and row["name"] for row in answer
    )


def _trend(answer: Any) -> bool:
    return len(answer["daily_usage"]) == 30 and all(_numbers(day, "cost", "limit") for day in answer["daily_usage"])


def _shares(answer: Any) -> bool:
    rows = [*answer["providers"], *answer["models"], *answer["components"]]
    return bool(rows) and all(0 <= row["percentage"] <= 100 and row["name"] for row in rows)


def _records(answer: Any) -> bool:
    return all(_numbers(row, "cost", "total_tokens", "input_tokens", "output_tokens") for row in answer["items"])


def _top(answer: Any) -> bool:
    return all(_numbers(row, "requests", "tokens", "cost") for row in answer["top_usage"]) and _records(answer)


def _alerts(answer: Any) -> bool:
    return all(alert["severity"].upper() and alert["title"] and alert["message"] for alert in answer["items"])


def _prices(answer: Any) -> bool:
    return all(_numbers(price, "input_cost_per_token", "output_cost_per_token") for price in answer)


def _said(answer: Any) -> bool:
    return answer["success"] is True and bool(answer["result"])


class Call(NamedTuple):
    """A call of a page, and whether its answer can be drawn."""

    page: str
    method: str
    path: str
    drawn: Callable[[Any], bool]
    body: Any = None


CALLS = (
    # In the order in which the second page loads (contract 14).
    Call("UI-A", "GET", "/api/budgets/summary?period=monthly", _summary),
    Call("UI-A", "POST", "/api/usage/summary", _shares, {"period": "monthly"}),
    Call("UI-A", "POST", "/api/usage/summary", _trend, {"period": "daily", "days": 30}),
    Call("UI-A", "GET", "/api/usage/records", _records),
    Call("UI-A", "GET", "/api/budgets", lambda answer: bool(answer["items"][0]["budget_id"])),
    Call("UI-A", "GET", "/api/budgets/{budget_id}/policies", lambda answer: len(answer["items"]) > 0),
    Call("UI-A", "GET", "/api/prices", _prices),
    Call("UI-A", "GET", "/api/alerts?page=1&limit=20&acknowledged=false", _alerts),
    # What its buttons do.
    Call("UI-A", "GET", "/api/alerts?page=1&limit=20", _alerts),
    Call("UI-A", "PUT", "/api/policies/{policy_id}", lambda answer: answer["warning_threshold"] == 0.8, _UI_POLICY),
    Call("UI-A", "PUT", "/api/budgets/{budget_id}", lambda answer: answer["owner"] == "ann", {"owner": "ann", "id": 1}),
    Call("UI-A", "POST", "/api/alerts/{alert_id}/acknowledge", lambda answer: answer["acknowledged"] is True),
    Call("UI-A", "GET", "/api/usage/records?start_date=2026-01-01&end_date=2999-01-01", _records),
    Call("UI-A", "GET", "/api/prices?provider=acme&model=m-1", _prices),
    Call("UI-A", "POST", "/api/command", _said, {"command": "/budget monthly"}),
    Call("UI-A", "GET", "/api/command/help", bool),
    # The first page.
    Call("UI-B", "GET", "/api/v1/budgets", lambda answer: bool(answer["items"][0]["budget_id"])),
    Call("UI-B", "GET", "/api/v1/budgets/{budget_id}/summary?period=daily", lambda answer: _summary(answer[:1])),
    Call("UI-B", "GET", "/api/v1/usage/records?limit=20", _top),
)


async def test_each_call_of_a_page_can_be_drawn(client: httpx.AsyncClient, used: dict[str, Any]) -> None:
    # Pages send this with a GET, too; they come from another port of the same host.
    headers = {"content-type": "application/json", "origin": "http://localhost:8080"}
    for call in CALLS:
        answer = await client.request(call.method, call.path.format(**used), json=call.body, headers=headers)
        assert answer.status_code == 200, (call, answer.text)
        assert answer.headers["access-control-allow-origin"] == "http://localhost:8080"
        assert call.drawn(answer.json()), (call, answer.text)


async def test_a_browser_may_ask_before_it_writes(client: httpx.AsyncClient) -> None:
    asked = {"access-control-request-method": "PUT", "access-control-request-headers": "content-type"}
    answer = await client.options("/api/policies/1", headers={"origin": "http://localhost:8080", **asked})
    assert answer.status_code == 200
    assert "PUT" in answer.headers["access-control-allow-methods"]
