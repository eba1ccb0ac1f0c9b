"""Pricing anew: a rehearsal that comes true, once, by linked entries, and only for what a price list decided (P8)."""

from decimal import Decimal

import pytest

from budget.domain import commands
from budget.domain.entries import ANONYMOUS
from budget.domain.errors import Invalid
from budget.domain.records import COST_REPORTED
from budget.engine import reports, repricing
from budget.engine.reports import Asked
from tests.engine.conftest import DAY, START, a_usage

EVERYTHING = commands.RepriceUsage(start=0, end=START + DAY)


@pytest.fixture
async def mispriced(book):
    """A limit, two records at a price that was wrong, one whose cost was reported, one of another model."""
    await book.price(effective_date="2020-01-01")
    await book.price("other", effective_date="2020-01-01")
    policy = await book.policy("warn", cost_limit="1000")
    records = [await book.record(100, 50), await book.record(200, 0)]
    reported = await book.do(a_usage(100, 50, cost=Decimal("0.5")))
    await book.record(100, 50, model="other")
    await book.price(input="0.00002", output="0.00004", effective_date="2020-01-01")
    return policy, records, reported


async def test_P8_a_later_price_of_an_earlier_day_changes_nothing_by_itself(book, mispriced):
    _, records, _ = mispriced
    assert [(await book.stored(record)).cost for record in records] == [record.cost for record in records]


async def test_P8_what_is_applied_is_what_the_rehearsal_said(book, mispriced):
    policy, records, reported = mispriced
    before = (await book.balance(policy))[2]
    told, _ = await repricing.rehearse(book.ledger, EVERYTHING)
    assert (await book.balance(policy))[2] == before
    done = await repricing.reprice(book.ledger, EVERYTHING, ANONYMOUS)
    assert done.report() == told.report()
    totals = done.report()["totals"]
    assert (totals["records"], totals["difference"]) == (2, Decimal("0.004"))
    assert (await book.balance(policy))[2] == before + 400_000_000
    assert [(await book.stored(record)).cost for record in records] == [2 * record.cost for record in records]
    assert (await book.stored(reported)).flags & COST_REPORTED


async def test_P8_twice_is_once(book, mispriced):
    first = await repricing.reprice(book.ledger, EVERYTHING, ANONYMOUS)
    entries = len(await book.entries("priced"))
    again = await repricing.reprice(book.ledger, EVERYTHING, ANONYMOUS)
    assert (len(first.report()["rows"]), again.report()["rows"]) == (1, [])
    assert len(await book.entries("priced")) == entries


async def test_P8_a_correcting_entry_names_what_was_there_before(book, mispriced):
    _, (record, _), _ = mispriced
    await repricing.reprice(book.ledger, EVERYTHING, ANONYMOUS)
    (entry,) = [each for each in await book.entries("priced") if each.subject == record.record_id]
    assert '"before":{"price":' in entry.data
    assert f'"cost":{record.cost}' in entry.data


async def test_only_what_is_asked_for_is_priced_anew(book, mispriced):
    narrow = [
        commands.RepriceUsage(start=0, end=START, model="m"),
        commands.RepriceUsage(start=0, end=START + DAY, model="other"),
        commands.RepriceUsage(start=0, end=START + DAY, provider="nobody"),
        commands.RepriceUsage(start=0, end=START + DAY, budget_id="none"),
    ]
    for command in narrow:
        told, _ = await repricing.rehearse(book.ledger, command)
        assert told.report()["rows"] == []


async def test_what_was_voided_stays_void(book, mispriced):
    _, (record, _), _ = mispriced
    await book.do(commands.Void(record_id=record.record_id, reason="twice"))
    done = await repricing.reprice(book.ledger, EVERYTHING, ANONYMOUS)
    assert done.report()["totals"]["records"] == 1


async def test_P8_the_report_as_it_was_known_before_is_reproduced(book, mispriced):
    asked = Asked(by=("model",), bucket="day")
    before = await reports.summary(book.ledger, asked)
    book.clock.time += DAY
    await repricing.reprice(book.ledger, EVERYTHING, ANONYMOUS)
    await book.record(1, 1, occurred_at="2026-11-24T09:00:00Z")  # late: it was not known then
    now = await reports.summary(book.ledger, asked._replace(start="2026-10-26", end="2026-11-24"))
    known = await reports.summary(
        book.ledger, asked._replace(start="2026-10-26", end="2026-11-24", known_on="2026-11-24")
    )
    assert (known["rows"], known["totals"]) == (before["rows"], before["totals"])
    assert now["totals"]["cost"] > known["totals"]["cost"]


async def test_labels_are_not_known_as_they_were(book, mispriced):
    with pytest.raises(Invalid, match="no user, no tag"):
        await reports.summary(book.ledger, Asked(by=("user",), known_on="2026-11-24"))
