"""Bodies are decoded strictly, their errors name the field, and decimals stay exact both ways."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.domain import commands
from budget.domain.errors import BudgetError, Invalid
from budget.operations import bodies

ALLOCATE: dict[str, Any] = {"context_id": "c", "component": "apollo", "tokens_allocated": 10}
POLICY = {"type": "warn", "period": "daily", "cost_limit": 1}

allocate = bodies.body_of(commands.Allocate)
create_policy = bodies.body_of(commands.CreatePolicy)


def body(**fields):
    return json.dumps({**ALLOCATE, **fields}).encode()


def refusal(parser, text, **options):
    with pytest.raises(Invalid) as caught:
        parser.parse(text if isinstance(text, bytes) else text.encode(), **options)
    return caught.value


def test_a_plain_body_is_decoded():
    assert allocate.parse(body()) == commands.Allocate(**ALLOCATE)


def test_camel_case_names_are_accepted():
    text = json.dumps({"contextId": "c", "component": "apollo", "tokensAllocated": 10, "maxOutputTokens": 5}).encode()
    assert allocate.parse(text) == commands.Allocate(**ALLOCATE, max_output_tokens=5)


def test_a_field_given_under_both_names_is_refused():
    assert refusal(allocate, body(contextId="d")).field == "contextId"


def test_unknown_fields_are_refused_where_the_route_is_strict():
    error = refusal(allocate, body(days=30))
    assert (error.field, error.message) == ("days", "is not a field of this request")


def test_unknown_fields_are_dropped_where_the_route_is_lenient():
    text = b'{"id": "p", "budgetId": "b", "costLimit": 0.10, "tokenLimit": null, "warningThreshold": 80}'
    found = bodies.body_of(commands.UpdatePolicy).parse(text, lenient=True, policy_id="p")
    assert (found.policy_id, found.budget_id, str(found.cost_limit), str(found.warning_threshold)) == (
        "p",
        "b",
        "0.10",
        "80",
    )


def test_fields_of_the_path_are_put_in():
    found = bodies.body_of(commands.Void).parse(b'{"reason": "twice"}', record_id="r")
    assert found == commands.Void(record_id="r", reason="twice")


def test_a_body_may_repeat_the_path_but_not_contradict_it():
    void = bodies.body_of(commands.Void)
    assert void.parse(b'{"reason": "twice", "record_id": "r"}', record_id="r").record_id == "r"
    assert refusal(void, b'{"reason": "twice", "record_id": "s"}', record_id="r").field == "record_id"


def test_an_empty_body_is_an_empty_object():
    assert bodies.body_of(commands.Start).parse(b"", allocation_id="a") == commands.Start(allocation_id="a")
    assert refusal(allocate, b"").field == "context_id"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tokens_allocated": -1}, "tokens_allocated"),
        ({"tokens_allocated": 0}, "tokens_allocated"),
        ({"tokens_allocated": 5.0}, "tokens_allocated"),
        ({"tokens_allocated": "5"}, "tokens_allocated"),
        ({"tokens_allocated": True}, "tokens_allocated"),
        ({"tokens_allocated": 2**53}, "tokens_allocated"),
        ({"tokens_allocated": 2**63}, "tokens_allocated"),
        ({"tokens_allocated": 10**30}, "tokens_allocated"),
        ({"context_id": None}, "context_id"),
        ({"context_id": ""}, "context_id"),
        ({"context_id": "x" * 201}, "context_id"),
        ({"priority": 11}, "priority"),
        ({"tags": {"a": 1}}, "tags[...]"),
        ({"tags": {"": "b"}}, "tags"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": "x" * bodies.MAX_OBJECT}}, "metadata"),
        ({"context_id": "a\0b"}, "context_id"),
        ({"metadata": {"a": ["b\0"]}}, "metadata.a[0]"),
        ({"metadata": {"a\0": 1}}, "metadata"),
    ],
)
def test_a_wrong_field_is_named(fields, field):
    assert refusal(allocate, body(**fields)).field == field


def test_a_missing_field_is_named():
    assert refusal(allocate, b'{"context_id": "c"}').message == "is required"


def test_what_is_wrong_inside_a_list_is_named():
    assert refusal(create_policy, json.dumps({**POLICY, "thresholds": [0.5, "x"]})).field == "thresholds[1]"


def test_another_kind_of_json_is_refused():
    assert refusal(allocate, b"[]").field == "body"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "sNaN", "1e99", "1e-99", "9" * 61])
def test_decimals_are_finite_and_of_bearable_length(text):
    assert refusal(create_policy, json.dumps({**POLICY, "cost_limit": text})).field == "cost_limit"
    assert refusal(create_policy, json.dumps({**POLICY, "thresholds": [text]})).field == "thresholds[0]"


def test_metadata_is_shallow():
    deep: dict[str, Any] = {}
    for _ in range(bodies.MAX_DEPTH):
        deep = {"a": deep}
    assert refusal(allocate, body(metadata=deep)).field == "metadata"
    assert allocate.parse(body(metadata=deep["a"])).metadata == deep["a"]
    assert refusal(allocate, body(metadata={"a": json.loads("[" * 30 + "]" * 30)})).field == "metadata"


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"not json",
        b'{"context_id": NaN}',
        b'{"context_id": "\\ud800"}',
        b'{"context_id": "\xff"}',
        b'{"context_id": "a\x00b"}',
        b'\xef\xbb\xbf{"context_id": "c"}',
        b'{"metadata": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    ],
)
def test_what_is_no_json_is_malformed(text):
    with pytest.raises(bodies.Malformed):
        allocate.parse(text)


def test_an_escaped_backslash_before_u0000_is_no_nul():
    assert allocate.parse(b'{"context_id": "a\\\\u0000", "component": "b", "tokens_allocated": 1}').context_id


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(text):
    with contextlib.suppress(BudgetError):
        assert isinstance(allocate.parse(text), commands.Allocate)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**12, places=11))
def test_decimals_come_and_go_exactly(amount):
    text = bodies.encode({**POLICY, "cost_limit": amount})
    assert create_policy.parse(text).cost_limit == amount
    assert bodies.encode({"cost": amount}) == b'{"cost":%s}' % str(amount).encode()
