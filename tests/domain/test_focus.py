"""Rows of FOCUS obey the published rules of its columns; the validator itself is too large to be a test's."""

import re
from decimal import Decimal

import msgspec
import pytest

from budget.domain import focus
from budget.domain.records import UNPRICED, Record

NOT_NULL = set(focus.COLUMNS) - {
    "ChargeClass", "ConsumedQuantity", "ConsumedUnit", "InvoiceId", "PricingQuantity", "PricingUnit", "Tags",
    *(name for name in focus.COLUMNS if name.startswith("x_")),
}  # fmt: skip
COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")


def a_record(**fields):
    values = dict.fromkeys(Record.__struct_fields__) | {
        "seq": 1, "record_id": "r", "budget_id": "b", "component": "rhetor", "provider": "acme", "model": "m",
        "tier": "remote_heavyweight", "task_type": "default", "input_tokens": 3, "output_tokens": 2, "total_tokens": 5,
        "cost": 700, "parts": '{"input":[3,300],"output":[2,400],"requests":[1,0]}', "flags": 0,
        "occurred_at": 0, "recorded_at": 0, "booked_at": 1_795_516_088_123_456, "hour_start": 0, "day_start": 0,
        "status": "current", "tags": '{"team":"red"}', "metadata": "{}",
    }  # fmt: skip
    return Record(**{**values, **fields})


RECORDS = {
    "usage": a_record(),
    "credit": a_record(cost=-700, parts="{}"),
    "correction": a_record(corrects="q"),
    "void": a_record(status="void"),
    "old total": a_record(parts="{}", provider=None, model=None, flags=UNPRICED),
    "void credit": a_record(cost=-700, parts="{}", status="void"),
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_each_row_obeys_the_rules_of_its_columns(record):
    for row in focus.rows_of(record, "Team"):
        assert tuple(row) == focus.COLUMNS
        assert all(row[name] is not None for name in NOT_NULL)
        assert (row["ChargeCategory"] in ("Usage", "Credit"), row["ChargeClass"] in (None, "Correction")) == (
            True,
            True,
        )
        assert {row[name] for name in COSTS} == {row["BilledCost"]}
        assert (row["ConsumedQuantity"] is None) == (row["ConsumedUnit"] is None) == (row["ChargeCategory"] == "Credit")
        for name in ("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row[name])
        assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["BillingPeriodEnd"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("usage", [("Usage", None, 3, 300), ("Usage", None, 2, 400)]),
        ("credit", [("Credit", None, None, -700)]),
        ("correction", [("Usage", "Correction", 3, 300), ("Usage", "Correction", 2, 400)]),
        (
            "void",
            [
                ("Usage", None, 3, 300),
                ("Usage", None, 2, 400),
                ("Usage", "Correction", -3, -300),
                ("Usage", "Correction", -2, -400),
            ],
        ),
        ("old total", [("Usage", None, 1, 700)]),
        ("void credit", [("Credit", None, None, -700), ("Credit", "Correction", None, 700)]),
    ],
)
def test_corrections_and_credits_have_classes_of_their_own(name, expected):
    rows = [
        (row["ChargeCategory"], row["ChargeClass"], row["ConsumedQuantity"], row["BilledCost"])
        for row in focus.rows_of(RECORDS[name], "Team")
    ]
    assert rows == [(*what, Decimal(cost).scaleb(-11)) for *what, cost in expected]


def test_a_quantity_is_a_decimal_and_tags_are_an_object():
    first = next(iter(focus.rows_of(RECORDS["usage"], "Team")))
    assert (str(first["PricingQuantity"]), first["Tags"]) == ("3.0", {"team": "red"})
    assert msgspec.json.encode(first)
