"""How nouns look on the wire."""

from decimal import Decimal
from typing import Any

import msgspec

from budget.domain import instants
from budget.domain.pricing import Price
from budget.domain.records import OVER_LIMIT, UNPRICED, Alert, Decision, Hold, Record
from budget.operations import views

NOON = instants.parse_instant("2026-11-24T12:00:00Z", "UTC")
encode = msgspec.json.Encoder(decimal_format="number").encode


def blank(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return dict.fromkeys(kind.__struct_fields__)


def a_hold(**fields: Any) -> Hold:
    values: dict[str, Any] = {
        "budget_id": "b",
        "component": "x",
        "tier": "remote_heavyweight",
        "tags": '{"team":"a"}',
        "tokens_allocated": 1000,
        "tokens_used": 250,
        "held_tokens": 750,
        "held_cost": 10**9,
        "estimated_cost": 10**9,
        "actual_cost": 0,
        "flags": 0,
        "state": "open",
        "created_at": NOON,
        "expires_at": NOON + 1,
        "updated_at": NOON,
        "metadata": "{}",
    }
    return Hold(**blank(Hold) | values | fields)


def a_record(**fields: Any) -> Record:
    values: dict[str, Any] = {
        "tags": "{}",
        "input_tokens": 100,
        "output_tokens": 50,
        "total_tokens": 150,
        "cost": 25 * 10**8,
        "parts": '{"input":[60,1000000000],"cache_read":[40,500000000],"output":[50,1000000000]}',
        "flags": 0,
        "occurred_at": NOON,
        "recorded_at": NOON,
        "booked_at": NOON,
        "metadata": '{"a":1}',
    }
    return Record(**blank(Record) | values | fields)


def shown(view: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(encode(view))
    return answer


def test_an_allocation_has_ratio_rest_and_times():
    view = shown(views.allocation_view(a_hold()))
    assert (view["usage_percentage"], view["remaining_tokens"], view["is_active"]) == (0.25, 750, True)
    assert view["creation_time"] == view["created_at"] == view["last_updated"] == "2026-11-24T12:00:00.000000Z"
    assert view["expiration_time"] == "2026-11-24T12:00:00.000001Z"
    assert (view["estimated_cost"], view["actual_cost"]) == (0.01, 0)
    assert view["tags"] == {"team": "a"}


def test_an_allocation_caps_what_was_used_beyond_it():
    view = views.allocation_view(a_hold(tokens_used=5000, held_tokens=0, state="settled"))
    assert (view["tokens_used"], view["usage_percentage"], view["is_active"]) == (1000, 1, False)


def test_flags_are_booleans():
    view = views.usage_record_view(a_record(flags=UNPRICED | OVER_LIMIT))
    assert (view["unpriced"], view["over_limit"], view["provisional"], view["estimated"]) == (True, True, False, False)
    assert views.allocation_view(a_hold(flags=UNPRICED))["unpriced"] is True


def test_a_record_splits_its_cost_and_says_it_under_both_names():
    view = shown(views.usage_record_view(a_record()))
    assert (view["input_cost"], view["output_cost"]) == (0.015, 0.01)
    assert view["cost"] == view["total_cost"] == 0.025
    assert view["parts"]["cache_read"] == {"count": 40, "cost": 0.005}
    assert view["metadata"] == {"a": 1}


def test_a_count_that_is_not_known_is_null_and_never_0():
    view = views.usage_record_view(a_record(input_tokens=None, output_tokens=None, parts='{"other":[150,0]}'))
    assert (view["input_tokens"], view["output_tokens"], view["total_tokens"]) == (None, None, 150)


def test_money_is_exact_numbers_without_trailing_zeros():
    assert b'"total_cost":1000000,' in encode(views.usage_record_view(a_record(cost=10**17)))
    assert b'"total_cost":1E-11,' in encode(views.usage_record_view(a_record(cost=1)))


def test_a_price_has_numbers_where_tekton_multiplies():
    price = Price(price_id="p", provider="acme", model="m", rates={"milliseconds": Decimal("0.001")})
    view = views.price_view(price)
    assert view["input_cost_per_token"] == view["output_cost_per_char"] == 0
    assert (view["cost_per_second"], view["cost_per_image"]) == (1, None)


def test_an_alert_has_a_title_and_numbers_in_its_details():
    values: dict[str, Any] = dict.fromkeys(Alert.__struct_fields__)
    details = '{"cost_limit":"5.00","cost_used":"4.1","threshold":"0.8"}'
    alert = Alert(**values | {"type": "cost_limit_approaching", "details": details, "raised_at": NOON})
    view = shown(views.alert_view(alert))
    assert view["title"] == "Cost limit approaching"
    assert view["details"] == {"cost_limit": 5, "cost_used": 4.1, "threshold": 0.8}
    assert view["acknowledged"] is False


def test_a_decision_shows_its_arithmetic_as_numbers():
    values: dict[str, Any] = dict.fromkeys(Decision.__struct_fields__)
    explanation = {
        "estimated_cost": "0.10",
        "limits": [{"unit": "cost", "limit": "5.00", "used": "4", "held": "0", "asked": "2"}],
        "offers": [{"kind": "later", "saving": None}],
        "retry_at": NOON,
    }
    decision = Decision(**values | {"decided_at": NOON, "explanation": encode(explanation).decode()})
    view = shown(views.decision_view(decision))
    assert view["limits"][0] == {"unit": "cost", "limit": 5, "used": 4, "held": 0, "asked": 2}
    assert view["retry_at"] == "2026-11-24T12:00:00.000000Z"
