"""Rules 11: what rollups keep, what lists count, what the summary calls its limit."""

import datetime as dt
from decimal import Decimal

import pytest

from budget.domain import commands
from budget.domain.configuration import Rules
from budget.engine import limits, queries, summaries
from budget.engine.loading import Submission
from tests.engine.conftest import HOUR, a_usage


async def _rollups(book, grain):
    return await book.rows(
        "SELECT r.start, k.model, k.label_kind, k.label, r.count, r.input_count, r.input_cost FROM rollups r "
        "JOIN rollup_keys k USING (key_id) WHERE r.grain = ? ORDER BY 1, 2, 4",
        grain,
    )


async def test_rule_11_1_usage_is_summed_by_hour_and_by_day_of_the_budgets_zone(book):
    await book.price()
    budget = await book.budget(time_zone="Asia/Kathmandu")  # 5:45 ahead: its hours begin at a quarter past ours
    await book.record(100, 0, budget_id=budget.budget_id)
    await book.record(10, 0, budget_id=budget.budget_id)
    ((hour, *_, count, tokens, cost),) = await _rollups(book, "hour")
    assert (count, tokens, cost) == (2, 110, 110_000_000)
    assert hour // 1_000_000 % 3600 == 15 * 60
    ((day, *_),) = await _rollups(book, "day")
    assert dt.datetime.fromtimestamp(day / 1e6, dt.UTC).strftime("%H:%M") == "18:15"


class TestDeclaredTags:
    @pytest.fixture
    def rules(self):
        return Rules(report_tags=("team",))

    async def test_rule_11_1_users_and_declared_tags_are_summed_by_day(self, book):
        await book.record(100, 0, user_id="ada", tags={"team": "red", "other": "x"})
        await book.record(10, 0, user_id="bob", tags={"team": "red"})
        labels = [(kind, label, tokens) for _, _, kind, label, _, tokens, _ in await _rollups(book, "label")]
        assert sorted(labels) == [("team", "red", 110), ("user_id", "ada", 100), ("user_id", "bob", 10)]
        assert sum(row[5] for row in await _rollups(book, "day")) == 110


async def test_rule_11_1_after_a_change_of_zone_a_correction_goes_to_the_records_own_buckets(book):
    budget = await book.budget()
    record = await book.record(100, 0, budget_id=budget.budget_id)
    await book.do(commands.UpdateBudget(budget_id=budget.budget_id, time_zone="Asia/Kathmandu"))
    await book.do(commands.Void(record_id=record.record_id, reason="test"))
    assert [(row[0], row[4]) for row in await _rollups(book, "hour")] == [(record.hour_start, 0)]


async def test_rule_11_2_the_total_of_a_list_is_exact_where_rollups_give_it(book):
    await book.ledger.submit_many([Submission(a_usage(1, 0, context_id=f"c{i}")) for i in range(30)])
    await book.record(1, 0, component="apollo", task_id="t")
    everything = await queries.list_records(book.ledger, {}, 1, 10)
    assert (everything.total, everything.total_exact, len(everything.items)) == (31, True, 10)
    one = await queries.list_records(book.ledger, {"component": "apollo"}, 1, 10)
    assert (one.total, one.total_exact) == (1, True)


async def test_rule_11_3_every_limit_says_what_is_used_held_and_free(book):
    policy = await book.policy(token_limit=1000, component="rhetor")
    await book.record(100, 0)
    await book.hold(200)
    rows = (await limits.list_limits(book.ledger, {"component": "rhetor"})).items
    (row,) = [row for row in rows if row["policy_id"] == policy.policy_id]
    assert (row["limit"], row["used"], row["held"], row["free"]) == (1000, 100, 200, 700)


async def test_rule_11_4_the_summarys_limit_is_the_smallest_unscoped_cost_limit_else_the_setting(book):
    budget = await book.budget()
    (row,) = await summaries.summary_rows(book.ledger, "daily", budget_id=budget.budget_id)
    assert (row["limit"], row["limit_is_default"]) == (500, True)
    await book.policy("warn", cost_limit="7", budget_id=budget.budget_id)
    await book.policy("hard_limit", cost_limit="3", budget_id=budget.budget_id)
    await book.policy("hard_limit", cost_limit="1", budget_id=budget.budget_id, component="x")
    (row,) = await summaries.summary_rows(book.ledger, "daily", budget_id=budget.budget_id)
    assert (row["limit"], row["limit_is_default"]) == (Decimal(3), False)


async def test_rule_11_usage_of_another_hour_is_another_bucket(book):
    await book.record(1, 0)
    book.clock.time += HOUR
    await book.record(1, 0)
    assert [row[4] for row in await _rollups(book, "hour")] == [1, 1]
    assert [row[4] for row in await _rollups(book, "day")] == [2]
