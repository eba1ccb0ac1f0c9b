"""Requests are read from JSON and from parameters alike, and described as they are read."""

import json
from decimal import Decimal
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from budget.domain.errors import Invalid
from budget.operations import inputs
from budget.operations.answers import ANSWERS, standing_alone
from budget.operations.catalogue import BY_NAME, CATALOGUE


def from_texts(operation: str, **texts: str) -> Any:
    return inputs.from_texts(BY_NAME[operation], texts)


def refusal(operation: str, **texts: str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        from_texts(operation, **texts)
    return caught.value


def test_parameters_become_what_they_stand_for():
    asked = from_texts("list_policies", page="2", enabled="true", provider="openai", tier="null")
    assert (asked.page, asked.enabled, asked.provider, asked.tier) == (2, True, "openai", "null")


@pytest.mark.parametrize(
    ("texts", "field"),
    [
        ({"page": "0"}, "page"),
        ({"page": "many"}, "page"),
        ({"limit": "101"}, "limit"),
        ({"enabled": "perhaps"}, "enabled"),
        ({"provider": "a\0"}, "provider"),
        ({"provider": "x" * 201}, "provider"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_parameter_is_named(texts, field):
    assert refusal("list_policies", **texts).field == field


def test_an_unknown_parameter_is_told_which_there_are():
    assert refusal("list_prices", colour="red").message.endswith("it takes: model, provider")


def test_an_id_must_be_given_where_no_path_gives_it():
    with pytest.raises(Invalid, match="is required"):
        inputs.from_body(BY_NAME["void_usage"], b'{"reason": "twice"}')
    asked = inputs.from_body(BY_NAME["void_usage"], b'{"reason": "twice"}', {"record_id": "r"})
    assert asked.record_id == "r"


@pytest.mark.parametrize("operation", CATALOGUE, ids=lambda operation: operation.name)
def test_schemas_of_requests_and_answers_stand_alone(operation):
    for schema in (inputs.schema_of(operation.request), standing_alone(operation.answer)):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert "#/components" not in json.dumps(schema)


def test_a_decimal_may_be_a_number_or_text():
    schema = inputs.schema_of(BY_NAME["set_price"].request)
    price = {"provider": "a", "model": "m", "input_cost_per_token": 0.1, "output_cost_per_token": "0.2"}
    jsonschema.validate(price, schema)
    asked = inputs.from_body(BY_NAME["set_price"], json.dumps(price).encode())
    assert (asked.input_cost_per_token, asked.output_cost_per_token) == (Decimal("0.1"), Decimal("0.2"))


def test_every_noun_is_described():
    for name, schema in ANSWERS.items():
        assert schema["description"], name
        assert set(schema["required"]) <= set(schema["properties"]), name
