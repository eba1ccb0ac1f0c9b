"""Tekton's tools, in every form of HTTP that the wire contract lists (5.2, 5.3, 15.15, 15.16)."""

import json
from typing import Any, NamedTuple

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from budget.interfaces.mcp.tools import TOOLS

MODEL = {"provider": "acme", "model": "m-1"}
LISTED = {"id", "name", "description", "schema", "tags", "category", "version", "endpoint", "metadata"}


class Row(NamedTuple):
    """A tool, what it is called with, and what its result holds."""

    name: str
    arguments: dict[str, Any]
    fields: str
    category: str


ROWS = (
    Row(
        "AllocateBudget",
        {**MODEL, "context_id": "c", "amount": 9, "component": "terma"},
        "allocation_id context_id amount remaining tier provider model",
        "budget",
    ),
    Row("CheckBudget", {**MODEL, "input_text": "Hi", "component": "terma"}, "allowed info", "budget"),
    Row(
        "RecordUsage",
        {**MODEL, "input_tokens": 3, "output_tokens": 2, "component": "terma"},
        "recorded_tokens success remaining context_id",
        "budget",
    ),
    Row("GetBudgetStatus", {"component": "apollo"}, "period success tiers", "budget"),
    Row("GetModelRecommendations", MODEL, "provider model task_type context_size recommendations", "optimization"),
    Row(
        "RouteWithBudgetAwareness",
        {"input_text": "Hi", "default_provider": "acme", "default_model": "m-1"},
        "provider model warnings original_provider original_model is_downgraded",
        "optimization",
    ),
    Row("GetUsageAnalytics", {"period": "weekly"}, "period providers components task_types time_series", "analytics"),
    Row("health_check", {"detailed": True}, "status component timestamp uptime details", "component"),
    Row(
        "component_info", {"include_capabilities": True}, "name version description capabilities metadata", "component"
    ),
)

# Where a tool is called, how, and where its result is in the answer.
CALLS = (
    ("/api/mcp/process", {"tool_name": "{name}", "arguments": "{arguments}", "context": {}}, ("result",)),
    ("/api/v1/mcp/process", {"tool": "{name}", "parameters": "{arguments}", "client_id": "me"}, ("result",)),
    ("/mcp/process", {"tool_name": "{name}", "arguments": "{arguments}"}, ()),
    ("/mcp/mcp/process", {"tool": "{name}", "parameters": "{arguments}"}, ()),
    ("/mcp/tools/{name}/execute", {"parameters": "{arguments}", "context": {}}, ()),
    ("/mcp/mcp/tools/{name}/execute", {"parameters": "{arguments}"}, ()),
    ("/mcp/tools/invoke", {"tool_name": "{name}", "arguments": "{arguments}"}, ("result",)),
    ("/api/mcp/v2/tools/call", {"name": "{name}", "arguments": "{arguments}"}, ("content", 0, "text")),
    ("/api/v1/mcp/v2/tools/call", {"name": "{name}", "arguments": "{arguments}"}, ("content", 0, "text")),
    ("/api/tools/{name}/execute", {"parameters": "{arguments}", "context": {}}, ("result",)),
    ("/api/v1/tools/{name}/execute", {"parameters": "{arguments}"}, ("result",)),
)


def called(http, form, name: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The whole answer, and the result in it."""
    path, template, way = form
    body = {key: {"{name}": name, "{arguments}": arguments}.get(str(value), value) for key, value in template.items()}
    answer = http.post(path.format(name=name), json=body)
    assert answer.status_code == 200, answer.text
    result: Any = answer.json()
    for step in way:
        result = result[step]
    return answer.json(), json.loads(result) if isinstance(result, str) else result


@pytest.mark.parametrize("form", CALLS, ids=lambda form: form[0])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_tool_gives_its_result_in_every_form(http, form, row):
    _, result = called(http, form, row.name, row.arguments)
    assert set(row.fields.split()) <= set(result)
    assert "error" not in result


@pytest.mark.parametrize("form", CALLS, ids=lambda form: form[0])
def test_a_tool_that_fails_says_so_in_every_form(http, form):
    answer, result = called(http, form, "AllocateBudget", {"context_id": "c", "amount": 0, "component": "terma"})
    assert (result["context_id"], result["amount"], result["remaining"]) == ("c", 0, 0)
    assert result["error"].startswith("amount: ")
    assert answer.get("success", False) is False
    assert answer.get("isError", True) is True


def test_15_15_process_answers_both_of_its_readers(http):
    good, _ = called(http, CALLS[0], "GetBudgetStatus", {})
    bad, _ = called(http, CALLS[1], "GetBudgetStatus", {"period": "x"})
    assert (good["success"], good["status"], good["error"], good["metadata"]["tool"]) == (
        True,
        "success",
        None,
        "GetBudgetStatus",
    )
    assert (bad["success"], bad["status"], bad["error"][:7]) == (False, "error", "period:")
    assert bad["metadata"]["problem"]["status"] == 422


@pytest.mark.parametrize("prefix", ["", "budget_", "budget."])
def test_a_name_may_have_the_component_before_it(http, prefix):
    for name in ("GetBudgetStatus", "list_budgets", "health_check"):
        answer, _ = called(http, CALLS[9], prefix + name, {})
        assert answer["success"] is True


def test_every_operation_of_the_catalogue_is_a_tool(http):
    _, result = called(http, CALLS[4], "list_prices", {"provider": "acme", "ours": "ignored"})
    assert [price["model"] for price in result["result"]] == ["m-1"]


def test_the_component_asks_else_the_client(http):
    usage = {**MODEL, "input_tokens": 1, "output_tokens": 1}
    answer = http.post("/api/mcp/process", json={"tool": "RecordUsage", "parameters": usage, "client_id": "ergon"})
    assert answer.json()["result"]["component"] == "ergon"
    _, result = called(http, CALLS[0], "RecordUsage", {**usage, "component": "sophia"})
    assert result["component"] == "sophia"


def test_a_request_id_or_the_header_is_the_key(http):
    usage = {**MODEL, "input_tokens": 1, "output_tokens": 1, "context_id": "c", "component": "terma"}
    ids = {called(http, CALLS[0], "RecordUsage", {**usage, "request_id": "tool"})[1]["record_id"] for _ in range(2)}
    sent = {"parameters": usage}
    for _ in range(2):
        answer = http.post("/mcp/tools/RecordUsage/execute", json=sent, headers={"Idempotency-Key": "tool"})
        ids.add(answer.json()["record_id"])
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/mcp/process", {"tool": "MakeCoffee"}, 404),
        ("/mcp/tools/MakeCoffee/execute", {}, 404),
        ("/api/mcp/process", {}, 422),
        ("/api/mcp/process", [], 422),
        ("/api/mcp/process", {"tool": "RecordUsage", "parameters": {"a": 1}, "arguments": {"a": 2}}, 422),
    ],
)
def test_what_is_no_call_is_a_problem(http, path, body, status):
    answer = http.post(path, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("arguments", ["nonsense", [1], 5])
def test_arguments_that_are_no_object_are_refused_by_the_tool(http, arguments):
    answer, _ = called(http, CALLS[0], "GetBudgetStatus", arguments)
    assert (answer["success"], answer["metadata"]["problem"]["status"]) == (False, 422)


# Lists


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/mcp/tools"),
        ("GET", "/mcp/mcp/tools"),
        ("GET", "/api/mcp/tools"),
        ("GET", "/api/v1/mcp/tools"),
        ("GET", "/api/mcp/v2/tools"),
        ("POST", "/api/mcp/v2/tools/list"),
    ],
)
def test_the_tools_are_listed_with_every_field_that_is_read(http, method, path):
    answer = http.request(method, path).json()
    assert answer["count"] == len(answer["tools"]) == len(TOOLS)
    listed = {tool["name"]: tool for tool in answer["tools"]}
    for row in ROWS:
        tool = listed[row.name]
        assert set(tool) >= LISTED
        assert tool["schema"] == tool["input_schema"] == tool["inputSchema"]
        assert (tool["category"], tool["id"]) == (row.category, f"budget.{row.name}")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_tools_schema_takes_what_it_is_called_with(row):
    schema = TOOLS[row.name].schema
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(row.arguments, schema)
    if schema["required"]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({}, schema)


@pytest.mark.parametrize("path", ["/api/mcp/capabilities", "/api/v1/mcp/capabilities", "/mcp/capabilities"])
def test_the_capabilities_are_the_contracts(http, path):
    answer = http.get(path).json()
    found = {(each["name"], each["modality"]) for each in answer["capabilities"]}
    assert answer["count"] == 3
    assert found == {
        ("budget_management", "resource"),
        ("model_recommendations", "optimization"),
        ("budget_analytics", "analytics"),
    }


def test_calls_are_counted_by_their_form(http):
    called(http, CALLS[4], "health_check", {})
    assert 'route="/mcp/tools/{name}/execute",status="200"' in http.get("/metrics").text


def test_mcp_has_a_health_of_its_own(http):
    assert http.get("/api/mcp/health").json() == {"status": "healthy", "message": "MCP of budget is healthy"}


@pytest.mark.parametrize("path", ["/mcp", "/api/mcp/message", "/api/mcp/process", "/api/tools/RecordUsage/execute"])
def test_a_page_of_another_origin_is_refused(http, path):
    body = {"sender": "a", "message_type": "budget.list_budgets", "tool": "health_check"}
    foreign = http.post(path, json=body, headers={"Origin": "http://elsewhere.example"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "authorization_error")
    own = http.post(path, json=body, headers={"Origin": "http://localhost:8080"})
    assert own.headers["access-control-allow-origin"] == "http://localhost:8080"
