"""Tekton's message protocol, row by row of the wire contract's section 5.1."""

import json
from typing import Any, NamedTuple

import pytest

from budget.interfaces.mcp.messages import HANDLERS, TEKTON
from budget.operations.answers import ANSWERS
from budget.operations.catalogue import BY_NAME

MODEL = {"provider": "acme", "model": "m-1"}
TOKENS = {**MODEL, "input_tokens": 7, "output_tokens": 3}
RECORDED = (
    "provider model component task_type timestamp input_tokens output_tokens total_tokens input_cost output_cost "
    "total_cost record_id context_id allocation_id recorded_tokens remaining success"
)
SUMMARY = (
    "budget_id tier provider component tokens_allocated tokens_used tokens_remaining token_limit "
    "token_usage_percentage token_limit_exceeded cost cost_limit cost_usage_percentage cost_limit_exceeded"
)
TIER = "allocated used remaining limit usage_percentage limit_exceeded"
TOTALS = "total_input_tokens total_output_tokens total_tokens total_cost record_count"


class Row(NamedTuple):
    """A message, and the fields that its readers need: of the answer, and of an error's payload."""

    kind: str
    payload: dict[str, Any]
    response: str
    fields: str
    wrong: dict[str, Any]
    wrong_fields: str = ""


ROWS = (
    Row(
        "budget.allocate_tokens",
        {**MODEL, "context_id": "c", "amount": 50, "task_type": "chat", "priority": 5, "ours": "ignored"},
        "budget.allocation_response",
        "allocation_id context_id amount remaining tier provider model",
        {"context_id": "c", "amount": -1},
        "context_id amount remaining",
    ),
    Row(
        "budget.check_budget",
        {**MODEL, "input_text": "How much is left?", "component": "apollo", "context_id": "c"},
        "budget.check_response",
        "allowed info",
        {"input_text": 5},
        "allowed info",
    ),
    Row(
        "budget.record_usage",
        {**TOKENS, "context_id": "c", "metadata": {"a": 1}},
        "budget.usage_response",
        RECORDED,
        {**MODEL, "input_tokens": -1, "output_tokens": 1},
        "context_id recorded_tokens remaining success",
    ),
    Row(
        "budget.get_budget_status",
        {},
        "budget.status_response",
        "period success summaries",
        {"period": "yearly"},
        "success",
    ),
    Row(
        "budget.get_model_recommendations",
        {**MODEL, "context_size": 1000},
        "budget.recommendations_response",
        "provider model task_type context_size recommendations",
        {"context_size": "x"},
    ),
    Row(
        "budget.route_with_budget_awareness",
        {"input_text": "Hello", "default_provider": "acme", "default_model": "m-1"},
        "budget.routing_response",
        "provider model warnings original_provider original_model is_downgraded",
        {"input_text": None, "task_type": 3},
    ),
    Row(
        "budget.get_usage_analytics",
        {"period": "daily", "component": "rhetor"},
        "budget.analytics_response",
        f"period start_date end_date {TOTALS} providers components task_types time_series budget_id",
        {"start_date": "yesterday"},
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_a_message_is_answered_as_its_readers_expect(send, row):
    answer = send(row.kind, row.payload, message_id="m-1")
    assert (answer["status"], answer["error"]) == ("success", None)
    assert (answer["sender"], answer["message_type"], answer["request_id"]) == ("budget", row.response, "m-1")
    assert answer["message_id"]
    assert answer["timestamp"].endswith("Z")
    assert set(row.fields.split()) <= set(answer["payload"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_a_wrong_payload_is_an_error_of_the_same_type(send, row):
    answer = send(row.kind, row.wrong)
    assert (answer["status"], answer["message_type"]) == ("error", row.response)
    assert set(row.wrong_fields.split()) <= set(answer["payload"])
    problem = answer["payload"]["problem"]
    assert 400 <= problem["status"] < 500
    assert answer["error"].startswith(problem["errors"][0]["field"])


def test_the_seven_and_every_operation_have_a_type():
    assert {row.kind for row in ROWS} == set(TEKTON)
    assert set(HANDLERS) == set(TEKTON) | {f"budget.{name}" for name in BY_NAME}


@pytest.mark.parametrize(
    "path", ["/api/mcp/message", "/api/v1/mcp/message", "/mcp/message", "/mcp", "/api/mcp", "/api/v1/mcp"]
)
def test_messages_are_taken_on_every_path(send, path):
    answer = send("budget.list_budgets", path=path)
    assert answer["message_type"] == "budget.list_budgets_response"
    assert answer["payload"]["items"][0]["is_default"]
    assert answer["request_id"]


def test_an_unknown_type_is_named(send):
    answer = send("budget.make_coffee")
    assert (answer["status"], answer["message_type"], answer["payload"]) == ("error", "budget.error", {})
    assert "Unknown message type: budget.make_coffee" in answer["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "sender: is required"),
        (b"nonsense", "not JSON"),
        (b"[]", "body: expected object"),
        (b'{"message_type": "budget.check_budget"}', "sender: is required"),
        (b'{"sender": "a"}', "message_type: is required"),
        (b'{"sender": "a", "message_type": 1}', "message_type: expected str"),
        (b'{"sender": "a", "message_type": "budget.check_budget", "payload": [1]}', "payload: must be an object"),
        (b'{"sender": "a", "message_type": "budget.check_budget", "payload": "{}"}', "payload: must be an object"),
        (b'{"sender": "a", "message_type": "b", "message_id": ""}', "message_id: expected str of length >= 1"),
        (b'{"sender": "a\\u0000", "message_type": "b"}', "NUL"),
        (b'{"sender": "' + b"x" * 2_000_000 + b'"}', "larger than"),
        (b'{"payload": ' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_message_is_answered_with_200_and_the_reason(http, body, said):
    answer = http.post("/api/mcp/message", content=body)
    assert answer.status_code == 200
    assert answer.json()["status"] == "error"
    assert said in answer.json()["error"]


def test_a_null_payload_is_none_and_names_may_be_camel_case(http):
    message = {"sender": "a", "messageType": "budget.get_budget_status", "messageId": "m", "payload": None, "extra": 1}
    answer = (http.post("/mcp", json=message)).json()
    assert (answer["status"], answer["request_id"]) == ("success", "m")


# Whose usage it is, and in which context


def test_the_sender_is_the_component_and_a_context_is_made_up(send):
    recorded = (send("budget.record_usage", TOKENS))["payload"]
    assert (recorded["component"], recorded["recorded_tokens"], recorded["remaining"]) == ("terma", 10, 0)
    assert recorded["context_id"].startswith("generated-")
    held = (send("budget.allocate_tokens", {**MODEL, "amount": 20}))["payload"]
    assert (held["amount"], held["remaining"]) == (20, 20)
    drawn = (send("budget.record_usage", {**TOKENS, "context_id": held["context_id"]}))["payload"]
    assert (drawn["allocation_id"], drawn["remaining"]) == (held["allocation_id"], 10)


def test_rule_2_6_a_context_that_was_made_up_counts_as_absent(http, send, budget):
    limit = {"type": "hard_limit", "period": "per_session", "token_limit": 5, "budget_id": budget}
    http.post("/api/policies", json=limit)
    assert (send("budget.allocate_tokens", {**MODEL, "amount": 20}))["status"] == "success"
    refused = send("budget.allocate_tokens", {**MODEL, "amount": 20, "context_id": "mine"})
    assert refused["status"] == "error"
    assert refused["payload"]["problem"]["code"] == "insufficient_budget"
    assert refused["payload"]["amount"] == 0
    assert refused["payload"]["problem"]["offers"][0]["request"]["tokens_allocated"] == 5


def test_usage_by_its_texts_is_estimated_and_says_so(send):
    texts = {**MODEL, "input_text": "x" * 41, "output_text": "", "metadata": {"a": 1}}
    recorded = (send("budget.record_usage", texts))["payload"]
    assert (recorded["input_tokens"], recorded["output_tokens"]) == (11, 0)
    assert recorded["metadata"] == {"a": 1, "estimated_from_text": ["input_tokens", "output_tokens"]}
    mixed = {**MODEL, "input_text": "x" * 41, "input_tokens": 5, "output_tokens": 2}
    assert (send("budget.record_usage", mixed))["payload"]["total_tokens"] == 7


def test_money_and_counts_stay_exact(send):
    recorded = send("budget.record_usage", {**TOKENS, "cost": "0.00000012345"})
    assert recorded["payload"]["total_cost"] == 0.00000012345
    assert recorded["payload"]["cost_reported"] is True


def test_a_check_says_what_is_in_the_contract(send):
    info = (send("budget.check_budget", {**MODEL, "input_text": "x" * 40}))["payload"]["info"]
    assert {"allowed", "tier", "estimated_cost", "estimated_tokens", "alternatives", "context_id"} <= set(info)
    assert info["cost_estimate"] == {
        "input_tokens": 10,
        "output_tokens": 40,
        "input_cost": 0.01,
        "output_cost": 0.08,
        "total_cost": 0.09,
    }


def test_a_refused_check_says_which_limit_it_was(http, send, budget):
    limit = {"type": "hard_limit", "period": "daily", "cost_limit": 0.05, "budget_id": budget}
    http.post("/api/policies", json=limit)
    answer = send("budget.check_budget", {**MODEL, "input_text": "x" * 40})
    info = answer["payload"]["info"]
    assert (answer["status"], answer["payload"]["allowed"]) == ("success", False)
    assert (info["policy_type"], info["limit"], info["period"], info["usage"]) == ("hard_limit", 0.05, "daily", 0)
    assert info["estimated_additional"] == 0.09
    assert "would be passed" in info["reason"]


# Status, for each of its readers


@pytest.mark.parametrize(
    ("sender", "keys"),
    [
        ("apollo", ["lightweight", "midweight", "heavyweight", "all"]),
        ("rhetor", ["local_lightweight", "local_midweight", "remote_heavyweight", "all"]),
    ],
)
def test_apollo_and_rhetor_get_status_by_their_own_names_of_tiers(send, used, sender, keys):
    for more in ({"sender": sender}, {"payload": {"component": sender}}):
        payload = (send("budget.get_budget_status", **{"payload": {}, **more}))["payload"]
        assert list(payload["tiers"]) == keys
        assert all(set(TIER.split()) == set(tier) for tier in payload["tiers"].values())
        assert payload["tiers"]["all"]["used"] == 30
        assert payload["tiers"][keys[2]]["allocated"] == 1000


def test_other_senders_get_summaries_with_ratios(send, used):
    (row,) = (send("budget.get_budget_status", {"period": "DAILY"}))["payload"]["summaries"]
    assert set(SUMMARY.split()) == set(row)
    assert (row["tokens_used"], row["cost"], row["cost_limit"]) == (30, 0.04, 5)
    assert row["cost_usage_percentage"] == 0.008


@pytest.mark.parametrize("word", ["heavyweight", "remote_heavyweight", "REMOTE_HEAVYWEIGHT"])
def test_15_17_both_vocabularies_of_tiers_are_understood(send, word):
    status = send("budget.get_budget_status", {"tier": word}, sender="apollo")["payload"]
    assert list(status["tiers"]) == ["heavyweight"]
    allocated = send("budget.allocate_tokens", {"amount": 5, "tier": word})["payload"]
    assert allocated["tier"] == "remote_heavyweight"


def test_15_17_an_unknown_tier_is_an_error(send):
    answer = send("budget.allocate_tokens", {"amount": 5, "tier": "middleweight"})
    assert (answer["status"], answer["payload"]["problem"]["status"]) == ("error", 422)
    assert "tier" in answer["error"]


# Analytics


def test_analytics_nest_models_in_providers_and_have_no_series_below_ten_records(send, used):
    payload = (send("budget.get_usage_analytics", {"period": "daily"}))["payload"]
    group = {"input_tokens": 20, "output_tokens": 10, "total_tokens": 30, "cost": 0.04, "count": 2}
    assert payload["providers"] == {"acme": {**group, "models": {"m-1": group}}}
    assert payload["components"] == {"rhetor": group}
    assert payload["task_types"] == {"default": group}
    assert (payload["record_count"], payload["time_series"], payload["period"]) == (2, None, "daily")


def test_analytics_of_a_date_range_are_custom_and_have_a_series_from_ten_records_on(send, used):
    for _ in range(8):
        send("budget.record_usage", TOKENS)
    payload = (send("budget.get_usage_analytics", {"start_date": "2020-01-01", "end_date": "2020-12-31"}))["payload"]
    assert (payload["period"], payload["record_count"], payload["time_series"]) == ("custom", 0, None)
    series = (send("budget.get_usage_analytics", {"period": "monthly"}))["payload"]["time_series"]
    assert (sum(series["counts"]), sum(series["input_tokens"]), len(series["labels"])) == (10, 76, 1)
    assert set(series) == {"labels", "input_tokens", "output_tokens", "costs", "counts"}


# Keys (rule 7.1)


def test_rule_7_1_an_explicit_message_id_is_the_key(send):
    first = send("budget.record_usage", TOKENS, message_id="once")
    again = send("budget.record_usage", TOKENS, message_id="once")
    assert again["payload"]["record_id"] == first["payload"]["record_id"]
    other = send("budget.record_usage", {**TOKENS, "input_tokens": 8}, message_id="once")
    assert other["payload"]["problem"]["code"] == "idempotency_key_reused"


def test_rule_7_1_a_request_id_outranks_the_message_id(http, send, budget):
    first = send("budget.record_usage", {**TOKENS, "request_id": "r", "context_id": "c"}, message_id="a")
    again = send("budget.record_usage", {**TOKENS, "request_id": "r", "context_id": "c"}, message_id="b")
    assert again["payload"]["record_id"] == first["payload"]["record_id"]
    over_rest = {**TOKENS, "context_id": "c", "component": "terma", "request_id": "r", "budget_id": budget}
    answer = http.post("/api/usage/record", json=over_rest)
    assert (answer.json()["record_id"], answer.headers["idempotency-replayed"]) == (
        first["payload"]["record_id"],
        "true",
    )


def test_rule_7_1_a_generated_id_is_no_key(send):
    ids = {(send("budget.record_usage", {**TOKENS, "context_id": "c"}))["payload"]["record_id"] for _ in range(3)}
    assert len(ids) == 3


# The rest of the catalogue


def test_every_other_operation_is_a_message(send):
    made = send("budget.create_budget", {"name": "By message", "default_policies": False, "more": "ignored"})
    assert made["message_type"] == "budget.create_budget_response"
    assert set(ANSWERS["Budget"]["required"]) <= set(made["payload"])
    lists = send("budget.list_prices", {"provider": "acme"})
    assert [price["model"] for price in lists["payload"]["result"]] == ["m-1"]
    missing = send("budget.get_policy", {})
    assert (missing["status"], missing["error"]) == ("error", "policy_id: is required")


def test_an_answer_is_json_all_through(http):
    message = {"sender": "a", "message_type": "budget.list_limits", "payload": {}}
    text = (http.post("/mcp", json=message)).text
    assert json.loads(text)["payload"]["items"]
