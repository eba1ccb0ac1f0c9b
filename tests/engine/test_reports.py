"""Reports by anything, from whatever serves them: they say what the ledger says."""

from decimal import Decimal

import pytest

from budget.domain import commands
from budget.domain.configuration import Rules
from budget.domain.errors import Invalid, NotFound
from budget.engine import burn_down, reports
from budget.engine.reports import Asked
from tests.engine.conftest import HOUR


@pytest.fixture
def rules():
    return Rules(report_tags=("team",))


def figures(rows, *fields):
    return [(*(row[field] for field in fields), row["count"]) for row in rows]


async def test_a_summary_has_a_row_for_each_pair_and_totals_of_all(book):
    await book.price()
    await book.record(100, 50)
    await book.record(10, 5, component="terma")
    await book.record(1, 1, provider="other", model="n")
    found = await reports.summary(book.ledger, Asked(by=("model", "component")))
    assert figures(found["rows"], "model", "component") == [("m", "rhetor", 1), ("m", "terma", 1), ("n", "rhetor", 1)]
    assert found["totals"] == {
        "input_tokens": 111, "output_tokens": 56, "total_tokens": 167, "cost": Decimal("0.0022"), "count": 3
    }  # fmt: skip
    assert (found["source"], found["coverage"]["priced_ratio"]) == ("rollups", round(165 / 167, 6))


async def test_users_and_declared_tags_come_from_rollups_and_what_has_none_stands_under_null(book):
    await book.record(1, 0, user_id="ada", tags={"team": "red"})
    await book.record(2, 0, user_id="ada")
    await book.record(4, 0, model="n")
    by_user = await reports.summary(book.ledger, Asked(by=("user", "model")))
    assert figures(by_user["rows"], "user", "model") == [(None, "n", 1), ("ada", "m", 2)]
    by_tag = await reports.summary(book.ledger, Asked(by=("tag:team",)))
    assert figures(by_tag["rows"], "tag:team") == [(None, 2), ("red", 1)]
    assert {by_user["source"], by_tag["source"]} == {"rollups"}


@pytest.mark.parametrize("by", [("user", "tag:team"), ("tag:other", "tag:team"), ("tag:other",)])
async def test_two_labels_or_an_undeclared_tag_come_from_records(book, by):
    await book.record(1, 0, user_id="ada", tags={"team": "red", "other": 'a "b"'})
    await book.record(2, 0)
    found = await reports.summary(book.ledger, Asked(by=by))
    values = {"user": "ada", "tag:team": "red", "tag:other": 'a "b"'}
    assert figures(found["rows"], *by) == [(*[None] * len(by), 1), (*[values[field] for field in by], 1)]
    assert found["source"] == "records"


@pytest.mark.parametrize(
    ("zone", "source"), [("UTC", "rollups"), ("Europe/Berlin", "rollups"), ("Asia/Kathmandu", "records")]
)
async def test_a_day_is_that_of_the_zone_that_was_asked_for(book, zone, source):
    await book.record(1, 0, occurred_at="2026-11-23T18:20:00Z")  # 00:05 on the 24th in Kathmandu
    await book.record(2, 0, occurred_at="2026-11-23T23:30:00Z")  # 00:30 on the 24th in Berlin
    await book.record(4, 0, occurred_at="2026-11-24T00:30:00Z")
    found = await reports.trend(book.ledger, Asked(start="2026-11-23", end="2026-11-24", time_zone=zone))
    yesterday = {"UTC": 3, "Europe/Berlin": 1, "Asia/Kathmandu": 0}[zone]
    tokens = {row["start"]: row["input_tokens"] for row in found["rows"]}
    assert [tokens.get(bucket["start"], 0) for bucket in found["buckets"]] == [yesterday, 7 - yesterday]
    assert found["source"] == source


async def test_a_change_of_zone_is_said_and_leaves_the_days_exact(book):
    budget = await book.budget()
    await book.record(1, 0, budget_id=budget.budget_id, occurred_at="2026-11-23T23:30:00Z")
    await book.do(commands.UpdateBudget(budget_id=budget.budget_id, time_zone="Europe/Berlin"))
    await book.record(2, 0, budget_id=budget.budget_id)
    found = await reports.trend(book.ledger, Asked(start="2026-11-23", budget_id=budget.budget_id))
    assert figures(found["rows"], "start", "input_tokens") == [("2026-11-23T23:00:00.000000Z", 3, 2)]
    (change,) = found["zone_changes"]
    assert (change["before"], change["after"]) == ("UTC", "Europe/Berlin")


async def test_weeks_and_months_are_cut_where_the_stretch_ends(book):
    await book.record(1, 0, occurred_at="2026-10-31T12:00:00Z")
    await book.record(2, 0, occurred_at="2026-11-02T12:00:00Z")
    weeks = await reports.trend(book.ledger, Asked(bucket="week", start="2026-10-30", end="2026-11-05"))
    bounds = [(row["start"][:10], row["end"][:10], row["input_tokens"]) for row in weeks["rows"]]
    assert bounds == [("2026-10-30", "2026-11-02", 1), ("2026-11-02", "2026-11-06", 2)]
    months = await reports.trend(book.ledger, Asked(bucket="month", start="2026-10-30", end="2026-11-05"))
    assert [row["input_tokens"] for row in months["rows"]] == [1, 2]


async def test_the_top_has_shares_and_the_others_together(book):
    await book.price()
    for model, tokens in (("m", 700), ("n", 200), ("o", 100)):
        await book.record(tokens, 0, model=model)
    by_tokens = await reports.top(book.ledger, Asked(by=("model",)), "tokens", 2)
    assert [(row["model"], row["share"]) for row in by_tokens["rows"]] == [("m", 0.7), ("n", 0.2)]
    assert (by_tokens["others"]["total_tokens"], by_tokens["others"]["share"]) == (100, 0.1)
    by_cost = await reports.top(book.ledger, Asked(by=("model",)), "cost", 1)
    assert [(row["model"], row["share"]) for row in by_cost["rows"]] == [("m", 1.0)]


async def test_coverage_says_what_has_no_price(book):
    await book.price()
    await book.record(100, 0)
    await book.record(10, 0, model="unheard-of")
    found = await reports.how_far(book.ledger, Asked(by=("model",)))
    assert [(row["model"], row["unpriced_tokens"], row["priced_ratio"]) for row in found["rows"]] == [
        ("unheard-of", 10, 0.0),
        ("m", 0, 1.0),
    ]


async def test_corrections_and_voids_are_in_every_sum(book):
    record = await book.record(100, 0, tags={"x": "y"})
    await book.do(commands.Correct(record_id=record.record_id, output_tokens=9, reason="recount"))
    gone = await book.record(7, 0, tags={"x": "y"})
    await book.do(commands.Void(record_id=gone.record_id, reason="test"))
    for by in (("model",), ("tag:x",)):
        found = await reports.summary(book.ledger, Asked(by=by))
        assert [(row["total_tokens"], row["count"]) for row in found["rows"]] == [(109, 1)]


async def test_a_burn_down_ends_at_what_the_limit_has_left(book):
    await book.price()
    policy = await book.policy(cost_limit="1", token_limit=1000, component="rhetor")
    ada = await book.policy("warn", token_limit=500, user_id="ada")
    await book.record(300, 0, user_id="ada")
    await book.record(5, 5, component="terma")
    book.clock.time += 2 * HOUR
    await book.record(100, 0)
    found = await burn_down.burn_down(book.ledger, "daily", None)
    own = [row for row in found["rows"] if row["policy_id"] == policy.policy_id]
    tokens = [row["remaining"] for row in own if row["unit"] == "tokens"]
    assert tokens == [1000] * 10 + [700, 700, 600]
    assert own[-1]["remaining"] == Decimal("0.996")
    left = [row["remaining"] for row in found["rows"] if row["policy_id"] == ada.policy_id]
    assert left == [500] * 10 + [200] * 3
    assert own[11]["even_pace"] == 500


async def test_what_a_report_cannot_say_names_the_field(book):
    await book.record(1, 0)
    for asked, field in (
        (Asked(by=("colour",)), "by"),
        (Asked(by=("model", "model")), "by"),
        (Asked(by=("model", "tier", "user")), "by"),
        (Asked(by=("tag:",)), "by"),
        (Asked(start="soon"), "from"),
        (Asked(start="2030-01-01"), "from"),
        (Asked(start="2026-11-20", end="2026-11-19"), "to"),
        (Asked(start="2026-11-20", period="daily"), "period"),
        (Asked(time_zone="Middle/Earth"), "time_zone"),
        (Asked(by=("tag:x",), start="2026-08-01"), "from"),
        (Asked(bucket="hour", start="2026-01-01"), "bucket"),
        (Asked(bucket="day", start="2025-01-01", time_zone="Europe/Berlin"), "from"),
    ):
        with pytest.raises(Invalid) as caught:
            await reports.summary(book.ledger, asked)
        assert caught.value.field == field, asked
    with pytest.raises(NotFound):
        await reports.summary(book.ledger, Asked(budget_id="nobody's"))


async def test_without_a_stretch_of_time_it_is_of_thirty_days(book):
    await book.record(1, 0, occurred_at="2026-10-25T23:59:59Z")
    await book.record(2, 0, occurred_at="2026-10-26T00:00:00Z")
    found = await reports.summary(book.ledger, Asked())
    assert (found["start"][:10], found["end"][:10], found["totals"]["input_tokens"]) == ("2026-10-26", "2026-11-25", 2)


async def test_what_apollo_left_is_counted_in_all_budgets_only_when_asked(book):
    old = await book.budget(metadata={"imported": {"origin": "apollo"}})
    await book.record(1, 0, budget_id=old.budget_id)
    await book.record(2, 0)
    counted = [
        (await reports.summary(book.ledger, Asked(budget_id=budget_id, include_overlap=overlap)))["totals"]["count"]
        for budget_id, overlap in ((None, False), (None, True), (old.budget_id, False))
    ]
    assert counted == [1, 2, 1]
