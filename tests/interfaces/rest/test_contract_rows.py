"""Every row of the wire contract's section 3.1, under both prefixes, with the fields that its readers need."""

from typing import Any, NamedTuple

import httpx
import pytest

PREFIXES = ("/api", "/api/v1")

BUDGET = "budget_id name description owner policies created_at creation_time updated_at is_active metadata"
POLICY = (
    "policy_id budget_id type period tier provider component task_type token_limit cost_limit warning_threshold "
    "action_threshold enabled start_date end_date metadata created_at updated_at"
)
ALLOCATION = (
    "allocation_id budget_id context_id component tier provider model task_type priority tokens_allocated tokens_used "
    "input_tokens_used output_tokens_used estimated_cost actual_cost creation_time expiration_time last_updated "
    "is_active metadata remaining_tokens usage_percentage"
)
RECORD = (
    "record_id allocation_id budget_id context_id component provider model task_type input_tokens output_tokens "
    "input_cost output_cost total_cost pricing_version timestamp operation_id request_id user_id metadata cost "
    "total_tokens"
)
ALERT = (
    "alert_id budget_id policy_id severity type message details timestamp acknowledged acknowledged_by "
    "acknowledged_at title"
)
PRICE = (
    "pricing_id provider model price_type input_cost_per_token output_cost_per_token input_cost_per_char "
    "output_cost_per_char cost_per_image cost_per_second fixed_cost_per_request version source source_url verified "
    "effective_date end_date metadata created_at"
)
SUMMARY_ROW = (
    "budget_id name period tier provider component task_type total_tokens_allocated total_tokens_used input_tokens "
    "output_tokens token_limit token_usage_percentage total_cost cost_limit cost_usage_percentage active_allocations "
    "start_time end_time remaining_tokens remaining_cost token_limit_exceeded cost_limit_exceeded spent limit"
)
USAGE_SUMMARY = (
    "period total_input_tokens total_output_tokens input_tokens output_tokens total_tokens total_cost "
    "total_input_cost total_output_cost count request_count start_time end_time groups providers models components "
    "daily_usage coverage"
)
ANALYTICS = "date provider model component request_count input_tokens output_tokens total_cost"
RECOMMENDATION = "items current_model current_provider current_cost best_match alternatives optimization_tips"
PAGE = "items total page limit"

_USAGE = {"component": "rhetor", "provider": "acme", "model": "m-1", "input_tokens": 3, "output_tokens": 1}
_ALLOCATE = {"context_id": "c-9", "component": "rhetor", "provider": "acme", "model": "m-1", "tokens_allocated": 50}
_UI_POLICY = {
    "id": "1",
    "budgetId": None,
    "type": "warn",
    "period": "daily",
    "tokenLimit": None,
    "costLimit": 4.5,
    "warningThreshold": 80,
    "actionThreshold": 0.95,
    "enabled": True,
    "tier": None,
    "provider": None,
    "component": "rhetor",
    "taskType": None,
}


class Row(NamedTuple):
    """One endpoint: what is sent, and which fields must be there: of the answer, or of each of its items."""

    method: str
    path: str
    fields: str
    body: Any = None
    status: int = 200
    shape: str = "object"
    """`object`, `array` (of rows with the fields) or `page`."""


ROWS = (
    Row("GET", "/budgets", BUDGET, shape="page"),
    Row("GET", "/budgets?page=1&limit=5&is_active=true", BUDGET, shape="page"),
    Row("POST", "/budgets", BUDGET, {"name": "Team", "description": "d", "owner": "o"}, 201),
    Row("GET", "/budgets/summary?period=monthly", SUMMARY_ROW, shape="array"),
    Row("GET", "/budgets/{budget_id}", BUDGET),
    Row("PUT", "/budgets/{budget_id}", BUDGET, {"description": "new", "id": "extra"}),
    Row("DELETE", "/budgets/{other_budget_id}", "message data"),
    Row("GET", "/budgets/{budget_id}/policies", POLICY, shape="page"),
    Row("PUT", "/budgets/{budget_id}/policies", "", {"policies": ["{policy_id}"]}),
    Row("GET", "/budgets/{budget_id}/allocations?is_active=true", ALLOCATION, shape="page"),
    Row("GET", "/budgets/{budget_id}/summary?period=daily", SUMMARY_ROW, shape="array"),
    Row("GET", "/budgets/{budget_id}/summary", SUMMARY_ROW, shape="array"),
    Row("GET", "/budgets/{budget_id}/limits", "unit limit used held free window resets_at forecast", shape="page"),
    Row("GET", "/limits?period=daily", "unit limit used held free window resets_at forecast", shape="page"),
    Row("POST", "/policies", POLICY, {"type": "WARN", "period": "daily", "cost_limit": 5}, 201),
    Row("GET", "/policies?period=daily&enabled=true", POLICY, shape="page"),
    Row("GET", "/policies/{policy_id}", POLICY),
    Row("PUT", "/policies/{policy_id}", POLICY, _UI_POLICY),
    Row("DELETE", "/policies/{policy_id}", "message data"),
    Row("POST", "/allocations", ALLOCATION, _ALLOCATE, 201),
    Row("GET", "/allocations?page=1&limit=20&component=rhetor&is_active=true", ALLOCATION, shape="page"),
    Row("GET", "/allocations/{allocation_id}", ALLOCATION),
    Row("GET", "/allocations/context/{context_id}", ALLOCATION),
    Row("POST", "/allocations/{allocation_id}/release", "message data tokens_released"),
    Row("POST", "/usage/record", RECORD, {**_USAGE, "context_id": "c-3"}, 201),
    Row("GET", "/usage/records?limit=20", RECORD, shape="page"),
    Row("GET", "/usage/records?start_date=2020-01-01&end_date=2999-01-01", RECORD, shape="page"),
    Row("GET", "/usage/records/{record_id}", RECORD),
    Row("POST", "/usage/summary", USAGE_SUMMARY, {"period": "monthly"}),
    Row("POST", "/usage/summary", USAGE_SUMMARY, {"period": "daily", "days": 30, "extra": 1}),
    Row("GET", "/usage/summary?period=daily&provider=acme", SUMMARY_ROW, shape="array"),
    Row("GET", "/usage/analytics?period=daily", ANALYTICS, shape="array"),
    Row("GET", "/alerts?page=1&limit=20&acknowledged=false", ALERT, shape="page"),
    Row("GET", "/alerts?limit=5", ALERT, shape="page"),
    Row("GET", "/alerts/{alert_id}", ALERT),
    Row("POST", "/alerts/{alert_id}/acknowledge", ALERT),
    Row("PUT", "/alerts/{alert_id}/dismiss", ALERT),
    Row("POST", "/alerts/check?budget_id={budget_id}&period=daily", "", shape="array"),
    Row("GET", "/prices", PRICE, shape="array"),
    Row("GET", "/prices?provider=acme&model=m-1", PRICE, shape="array"),
    Row("POST", "/prices/current", PRICE, {"provider": "acme", "model": "m-1"}),
    Row("GET", "/prices/history/{provider}/{model}", PRICE, shape="array"),
    Row("POST", "/prices/recommendations", RECOMMENDATION, {"provider": "acme", "model": "m-1", "context_size": 100}),
    Row("POST", "/prices/recommend", RECOMMENDATION, {"task_type": "chat", "context_size": 100, "output_size": 50}),
    Row(
        "POST",
        "/prices/calculate",
        "input_cost output_cost total_cost",
        {"provider": "acme", "model": "m-1", "input_tokens": 10, "output_tokens": 5},
    ),
    Row("POST", "/command", "success result", {"command": "/usage daily"}),
    Row("GET", "/command/help", "success result"),
    Row("GET", "/command/help?command=usage", "success result"),
    Row("GET", "/decisions/{allocation_id}", "decision_id verdict limits decided_at"),
    Row("GET", "/decisions", "", shape="page"),
    Row("GET", "/models/openai/gpt-4o", "provider model tier capabilities equivalents"),
    Row("GET", "/health", "status component version timestamp"),
)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path} {row.body or ''}"[:90])
async def test_a_row_of_the_contract(client: httpx.AsyncClient, used: dict[str, Any], prefix: str, row: Row) -> None:
    if "{other_budget_id}" in row.path:
        used["other_budget_id"] = (await client.post("/api/budgets", json={"name": "x"})).json()["budget_id"]
    body = row.body
    if isinstance(body, dict) and body.get("policies"):
        body = {"policies": [used["policy_id"]]}
    answer = await client.request(row.method, prefix + row.path.format(**used), json=body)
    assert answer.status_code == row.status, answer.text
    assert answer.headers["content-type"] == "application/json"
    for found in _rows(answer.json(), row):
        missing = set(row.fields.split()) - set(found)
        assert not missing, missing


def _rows(answer: Any, row: Row) -> list[dict[str, Any]]:
    if row.shape == "object":
        assert isinstance(answer, dict)
        return [answer]
    items = answer
    if row.shape == "page":
        assert set(PAGE.split()) <= set(answer)
        items = answer["items"]
    assert isinstance(items, list)
    if row.fields:
        assert items, "the row's example must have something to show"
    return items


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("path", ["budgets", "policies", "allocations", "usage/records", "alerts"])
async def test_an_unknown_id_is_404_and_names_it(client: httpx.AsyncClient, prefix: str, path: str) -> None:
    answer = await client.get(f"{prefix}/{path}/nobody")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "resource_not_found"


async def test_a_period_without_summary_is_400(client: httpx.AsyncClient, used: dict[str, Any]) -> None:
    for period in ("per_session", "yearly"):
        answer = await client.get(f"/api/budgets/{used['budget_id']}/summary?period={period}")
        assert answer.status_code == 400


# What the two generations of pages do with the answers (wire contract 3.3, 14, 15)


async def test_the_first_page_can_call_number_methods_on_spent_and_limit(
    client: httpx.AsyncClient, used: dict[str, Any]
) -> None:
    (row,) = (await client.get(f"/api/v1/budgets/{used['budget_id']}/summary?period=daily")).json()
    assert isinstance(row["spent"], int | float)
    assert row["limit"] > 0
    assert row["spent"] == pytest.approx(0.04)
    assert row["cost_usage_percentage"] == pytest.approx(0.04 / row["limit"])


async def test_the_second_page_gets_percentages_from_0_to_100(client: httpx.AsyncClient, used: dict[str, Any]) -> None:
    (row,) = (await client.get("/api/budgets/summary?period=daily")).json()
    assert row["cost_usage_percentage"] == pytest.approx(100 * 0.04 / row["limit"])


async def test_a_summary_without_a_cost_policy_shows_the_default_limit(client: httpx.AsyncClient) -> None:
    made = (await client.post("/api/budgets", json={"name": "bare", "default_policies": False})).json()
    (row,) = (await client.get(f"/api/budgets/{made['budget_id']}/summary")).json()
    assert row["limit"] == 500
    assert row["limit_is_default"] is True


async def test_the_usage_summary_has_groups_lists_and_a_trend(client: httpx.AsyncClient, used: dict[str, Any]) -> None:
    summary = (await client.post("/api/usage/summary", json={"period": "daily", "days": 30})).json()
    assert summary["groups"]["provider"]["acme"] == {
        "input_tokens": 20,
        "output_tokens": 10,
        "total_tokens": 30,
        "cost": 0.04,
        "count": 2,
    }
    assert summary["models"] == [
        {"name": "m-1", "model": "m-1", "provider": "acme", "tokens": 30, "cost": 0.04, "percentage": 100}
    ]
    assert len(summary["daily_usage"]) == 30
    assert summary["daily_usage"][-1]["cost"] == 0.04
    assert summary["coverage"]["priced_ratio"] == 1
    assert summary["coverage"]["held_tokens"] == 985


async def test_usage_records_bring_the_top_models(client: httpx.AsyncClient, used: dict[str, Any]) -> None:
    answer = (await client.get("/api/v1/usage/records?limit=20")).json()
    assert answer["total"] == 2
    assert answer["total_exact"] is True
    assert answer["top_usage"] == [{"model": "m-1", "provider": "acme", "requests": 2, "tokens": 30, "cost": 0.04}]
    assert all(item["cost"] == item["total_cost"] == 0.02 for item in answer["items"])


async def test_severity_and_title_can_be_shown_as_they_are(client: httpx.AsyncClient, used: dict[str, Any]) -> None:
    for alert in (await client.get("/api/alerts?page=1&limit=20&acknowledged=false")).json()["items"]:
        assert alert["severity"].upper()
        assert alert["title"]


async def test_only_api_answers_an_old_client_with_an_array(client: httpx.AsyncClient, used: dict[str, Any]) -> None:
    for path in ("/allocations", "/alerts", "/budgets?name=Default Budget"):
        assert isinstance((await client.get(f"/api{path}")).json(), list)
        assert isinstance((await client.get(f"/api/v1{path}")).json(), dict)
        paged = f"/api{path}{'&' if '?' in path else '?'}page=1"
        assert isinstance((await client.get(paged)).json(), dict)
    assert isinstance((await client.get("/api/budgets")).json(), dict)


async def test_prices_can_be_multiplied(client: httpx.AsyncClient, used: dict[str, Any]) -> None:
    (price,) = (await client.get("/api/prices?provider=acme&model=m-1")).json()
    assert price["input_cost_per_token"] * 1000 == 1
    calculated = await client.post(
        "/api/prices/calculate", json={"provider": "acme", "model": "m-1", "input_tokens": 10, "output_tokens": 5}
    )
    assert calculated.json()["total_cost"] == 0.02


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/usage/records?limit=101", "limit"),
        ("/usage/records?page=0", "page"),
        ("/usage/records?start_date=yesterday", "start_date"),
        ("/usage/records?start_date=2026-02-02&end_date=2026-02-01", "end_date"),
        ("/policies?period=yearly", "period"),
        ("/alerts?severity=loud", "severity"),
        ("/allocations?tier=huge", "tier"),
    ],
)
async def test_a_wrong_parameter_is_named(client: httpx.AsyncClient, path: str, field: str) -> None:
    answer = await client.get(f"/api{path}")
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("line", ["/help", "/budget daily", "/limits daily", "/usage monthly rhetor", "/alerts list"])
async def test_chat_commands_are_answered(client: httpx.AsyncClient, used: dict[str, Any], line: str) -> None:
    answer = (await client.post("/api/command", json={"command": line})).json()
    assert answer["success"] is True
    assert answer["result"]


@pytest.mark.parametrize("line", ["/nothing", "/usage yearly", "/limits daily 5", "/query colour=red", "/alerts clear"])
async def test_a_chat_command_that_cannot_be_answered_says_why(client: httpx.AsyncClient, line: str) -> None:
    answer = (await client.post("/api/command", json={"command": line})).json()
    assert answer["success"] is False
    assert isinstance(answer["result"], str)
