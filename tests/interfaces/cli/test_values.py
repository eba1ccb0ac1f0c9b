"""Texts of options: what is read, and what is refused before anything is sent."""

import argparse
import doctest
from decimal import Decimal

import pytest

from budget.interfaces.cli import figures, options, values
from budget.operations.catalogue import BY_NAME


def reader(operation, field):
    return values.reader(operation, field, options.schema_of(BY_NAME[operation])["properties"][field])


@pytest.mark.parametrize(
    ("operation", "field", "text", "value"),
    [
        ("create_policy", "type", "ENFORCE", "hard_limit"),
        ("create_policy", "period", "Daily", "daily"),
        ("create_policy", "tier", "heavyweight", "remote_heavyweight"),
        ("create_policy", "cost_limit", "$0.10", Decimal("0.10")),
        ("create_policy", "token_limit", "1,000,000", 1_000_000),
        ("create_policy", "thresholds", "0.5,0.9", [Decimal("0.5"), Decimal("0.9")]),
        ("create_budget", "components", "apollo, rhetor", ["apollo", "rhetor"]),
        ("create_budget", "time_zone", "Europe/Berlin", "Europe/Berlin"),
        ("record_usage", "usage", '{"cost": 0.1}', {"cost": Decimal("0.1")}),
        ("record_usage", "occurred_at", "2026-11-24", "2026-11-24"),
        ("list_alerts", "severity", "Error", "error"),
    ],
)
def test_a_right_text_is_read(operation, field, text, value):
    assert reader(operation, field)(text) == value


@pytest.mark.parametrize(
    ("operation", "field", "text", "accepted"),
    [
        ("create_policy", "type", "deny", "hard_limit"),
        ("create_policy", "period", "yearly", "monthly"),
        ("create_policy", "cost_limit", "1e5", "2.50"),
        ("create_policy", "cost_limit", "NaN", "2.50"),
        ("create_policy", "token_limit", "-1", "from 0"),
        ("create_policy", "token_limit", "1,00", "whole number"),
        ("create_budget", "time_zone", "Mars", "Europe/Berlin"),
        ("create_budget", "name", "", "1 to 200"),
        ("create_budget", "name", "x" * 201, "1 to 200"),
        ("create_budget", "name", "a\0", "cannot be printed"),
        ("record_usage", "occurred_at", "yesterday", "YYYY-MM-DD"),
        ("record_usage", "usage", "{", "JSON"),
        ("record_usage", "usage", "@/no/such/file", "cannot be read"),
        ("list_alerts", "type", "loud", "cost_limit_exceeded"),
    ],
)
def test_a_wrong_text_is_named_with_what_is_accepted(operation, field, text, accepted):
    with pytest.raises(argparse.ArgumentTypeError, match=accepted):
        reader(operation, field)(text)


def test_a_request_is_looked_at_as_a_whole_by_the_service_s_own_rules():
    problem = options.wrong(BY_NAME["allocate"], {"component": "x", "tokens_allocated": 5})
    assert problem == "argument --context-id: is required"


def test_figures_are_written_as_their_examples_say():
    assert doctest.testmod(figures).failed == 0
