"""Of random ledgers every report, grouped any way by any clock, and every export adds up to the ledger, to the unit."""

import csv
import io
import itertools
import json
import random
from decimal import Decimal

import pytest

from budget.domain import commands, instants, money, periods
from budget.domain.configuration import Rules
from budget.domain.errors import BudgetError
from budget.domain.records import Record
from budget.domain.reports import BUCKETS
from budget.engine import reports
from budget.engine.exports import Exports
from budget.engine.reports import Asked
from budget.operations import exports
from tests.engine.conftest import DAY, HOUR, START

FIELDS = ("provider", "model", "component", "task_type", "tier", "budget", "user", "tag:team", "tag:other")
COLUMNS = {"budget": "budget_id", "user": "user_id"}
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York")
SPAN = {"start": "2026-10-20", "end": "2026-11-26"}


@pytest.fixture
def rules():
    return Rules(report_tags=("team",))


async def random_ledger(book, seed):
    """Usage of three budgets with clocks of their own, a change of clock, corrections, voids, credits, no prices."""
    chance = random.Random(seed)
    await book.price(effective_date="2026-01-01")
    budgets = [await book.budget(f"b{at}", time_zone=chance.choice(ZONES)) for at in range(2)]
    owners = [None, *(budget.budget_id for budget in budgets)]
    made = []
    for at in range(60):
        if at == 30:
            moved = commands.UpdateBudget(budget_id=budgets[0].budget_id, time_zone=chance.choice(ZONES))
            await book.do(moved)
        tags = {name: chance.choice("ab") for name in ("team", "other") if chance.random() < 0.5}
        fields = {
            "budget_id": chance.choice(owners),
            "model": chance.choice(("m", "n")),
            "component": chance.choice(("rhetor", "terma")),
            "task_type": chance.choice(("default", "chat")),
            "user_id": chance.choice((None, "ada", "bob")),
            "tags": tags,
            # Around the change of Europe's clocks, and near the edges of days.
            "occurred_at": instants.iso(START - chance.randrange(33) * DAY - chance.randrange(96) * HOUR // 4),
        }
        if chance.random() < 0.1:
            fields["cost"] = Decimal(chance.randrange(10**6)).scaleb(-11)
        made.append(await book.record(chance.randrange(1000), chance.randrange(1000), **fields))
        if chance.random() < 0.3:
            await change(book, chance, chance.choice(made))


async def change(book, chance, record):
    command = (
        commands.Void(record_id=record.record_id, reason="test")
        if chance.random() < 0.5
        else commands.Correct(record_id=record.record_id, output_tokens=chance.randrange(1000), reason="test")
    )
    try:
        await book.do(command)
    except BudgetError as error:
        assert error.code in ("resource_exists", "conflict"), error  # noqa: PT017 -- it has been changed before


async def records_of(book):
    rows = await book.rows("SELECT * FROM usage_records WHERE status = 'current'")
    names = Record.__struct_fields__
    return [dict(zip(names, row, strict=True)) for row in rows]


def value_of(record, field):
    if field.startswith("tag:"):
        return json.loads(record["tags"]).get(field.removeprefix("tag:"))
    return record[COLUMNS.get(field, field)]


def naive(records, by, bucket, zone, window):
    """The sums of a report, record by record."""
    start, end = (instants.parse_instant(window[side], zone) for side in ("start", "end"))
    end = periods.window_at("daily", zone, end).end
    sums: dict[tuple, list[int]] = {}
    for record in records:
        at = record["booked_at"]
        if start <= at < end:
            begin = start if bucket is None else max(periods.window_at(BUCKETS[bucket], zone, at).start, start)
            known = sums.setdefault((instants.iso(begin), *(value_of(record, field) for field in by)), [0, 0, 0])
            known[:] = known[0] + 1, known[1] + record["total_tokens"], known[2] + record["cost"]
    return {key: (count, tokens, money.to_dollars(cost)) for key, (count, tokens, cost) in sums.items()}


def shown(found, by):
    return {
        (row["start"], *(row[field] for field in by)): (row["count"], row["total_tokens"], row["cost"])
        for row in found["rows"]
        if row["count"] or row["total_tokens"] or row["cost"]
    }


@pytest.mark.parametrize("seed", [1, 2])
async def test_each_report_grouped_any_way_by_any_clock_adds_up_to_the_ledger(book, seed):
    await random_ledger(book, seed)
    records = await records_of(book)
    ways = [(), *((field,) for field in FIELDS), *itertools.combinations(FIELDS, 2)]
    clocks = itertools.cycle(itertools.product((*BUCKETS, None), ZONES))
    for by, (bucket, zone) in zip(ways, itertools.islice(clocks, 7 * seed, None), strict=False):
        found = await reports.summary(
            book.ledger, Asked(by=by, bucket=bucket, time_zone=zone, start=SPAN["start"], end=SPAN["end"])
        )
        expected = naive(records, by, bucket, zone, SPAN)
        assert shown(found, by) == expected, (by, bucket, zone)
        assert found["totals"]["cost"] == sum(cost for *_, cost in expected.values())
        assert found["totals"]["total_tokens"] == sum(tokens for _, tokens, _ in expected.values())


@pytest.mark.parametrize("seed", [3])
async def test_each_export_adds_up_to_the_ledger(book, seed):
    await random_ledger(book, seed)
    records = await records_of(book)
    cost = money.to_dollars(sum(record["cost"] for record in records))
    tokens = sum(record["total_tokens"] for record in records)
    for kind, form in itertools.product(("usage", "focus"), ("csv", "json", "ndjson")):
        file = await exports.export(Exports(book.ledger), kind, exports.ExportUsage(format=form))
        text = b"".join([piece async for piece in file.pieces]).decode()
        rows = read(form, text)
        assert sum(Decimal(str(row["BilledCost" if kind == "focus" else "cost"])) for row in rows) == cost
        if kind == "usage":
            assert sum(int(row["total_tokens"]) for row in rows) == tokens
        else:
            counted = [row for row in rows if row["ConsumedUnit"] == "Tokens"]
            assert sum(int(row["ConsumedQuantity"]) for row in counted) == tokens


def read(form, text):
    if form == "csv":
        return list(csv.DictReader(io.StringIO(text)))
    if form == "json":
        return json.loads(text, parse_float=Decimal)
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]
