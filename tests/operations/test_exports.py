"""Exports of a service: every form says the same, and what the ledger says."""

import csv
import io
import json
from decimal import Decimal

import pytest

RECORD = {"component": "rhetor", "provider": "acme", "model": "m-1", "context_id": "c", "user_id": "grace"}


@pytest.fixture
async def ledger(client, used):
    """Five dollars' worth: a record by itself, one that was corrected, one that was voided, a credit."""
    made = [
        (await client.post("/api/usage/record", json={**RECORD, "input_tokens": tokens, "output_tokens": 0})).json()
        for tokens in (100, 200)
    ]
    corrected, voided = (f"/api/usage/records/{record['record_id']}" for record in made)
    assert (await client.post(f"{corrected}/correct", json={"output_tokens": 7, "reason": "recount"})).is_success
    assert (await client.post(f"{voided}/void", json={"reason": "sent twice"})).is_success
    return client


async def exported(client, kind="usage", **asked):
    answer = await client.get(f"/api/exports/{kind}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.text


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


async def total(client):
    report = json.loads((await client.get("/api/reports/summary")).text, parse_float=Decimal)
    return Decimal(report["totals"]["cost"]), report["totals"]["total_tokens"], report["totals"]["count"]


async def test_each_form_has_the_same_records_and_they_are_the_ledgers(ledger):
    cost, tokens, count = await total(ledger)
    as_csv = rows_of(await exported(ledger))
    as_json = json.loads(await exported(ledger, format="json"), parse_float=Decimal)
    as_lines = [json.loads(line, parse_float=Decimal) for line in (await exported(ledger, format="ndjson")).split()]
    assert as_json == as_lines
    assert [row["record_id"] for row in as_csv] == [row["record_id"] for row in as_json]
    assert sum(Decimal(row["cost"]) for row in as_csv) == sum(row["cost"] for row in as_json) == cost
    assert (sum(row["total_tokens"] for row in as_json), len(as_json)) == (tokens, count)


async def test_focus_adds_up_to_the_ledger_with_reversals_as_corrections(ledger):
    cost, tokens, _ = await total(ledger)
    rows = rows_of(await exported(ledger, "focus"))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == cost
    assert sum(int(row["ConsumedQuantity"]) for row in rows if row["ConsumedUnit"] == "Tokens") == tokens
    corrections = [Decimal(row["BilledCost"]) for row in rows if row["ChargeClass"] == "Correction"]
    assert sorted(corrections) == [Decimal("-0.2"), Decimal("-0.1"), Decimal("0.014"), Decimal("0.1")]


async def test_an_export_of_nothing_is_a_file_all_the_same(ledger):
    never = {"from": "2020-01-01", "to": "2020-01-02"}
    assert json.loads(await exported(ledger, format="json", **never)) == []
    assert await exported(ledger, format="ndjson", **never) == ""
    assert (await exported(ledger, **never)).startswith("record_id,")


async def test_a_spreadsheet_takes_text_for_text(client):
    sent = {**RECORD, "component": "=1+1", "user_id": "@SUM(A1)", "input_tokens": 1, "output_tokens": 1}
    assert (await client.post("/api/usage/record", json=sent)).is_success
    (row,) = rows_of(await exported(client))
    assert (row["component"], row["user_id"]) == ("'=1+1", "'@SUM(A1)")


async def test_users_can_be_left_unnamed(ledger):
    text = await exported(ledger, pseudonymise_users="true")
    named = {row["user_id"] for row in rows_of(text)} - {""}
    assert "grace" not in text
    assert len(named) == 1
    assert named != {row["user_id"] for row in rows_of(await exported(ledger, pseudonymise_users="true"))} - {""}


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("usage?format=parquet", 400, "format"),
        ("focus?from=soon", 422, "from"),
        ("usage?from=2026-11-02&to=2026-11-01", 422, "to"),
        ("usage?colour=red", 422, "colour"),
        ("usage?budget_id=nobodys", 404, "budget_id"),
        ("invoices", 404, "kind"),
    ],
)
async def test_what_cannot_be_exported_names_the_field(client, path, status, field):
    answer = await client.get(f"/api/v1/exports/{path}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)
    if status == 400:
        assert "csv, json, ndjson" in answer.json()["detail"]
