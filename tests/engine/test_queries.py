"""What queries answer, on a real ledger: summaries, limits and forecasts, series, prices, decisions."""

from decimal import Decimal

import pytest

from budget.domain import commands, instants
from budget.domain.errors import Invalid, NotFound
from budget.domain.periods import Window
from budget.engine import buckets, limits, price_queries, queries, recommendations, summaries
from budget.engine.buckets import Question

HOUR = 3_600_000_000
DAY = 24 * HOUR


async def test_a_summary_row_is_the_current_window_of_the_budget(book):
    await book.price()
    budget = await book.budget(default_policies=False)
    await book.policy("warn", "daily", budget_id=budget.budget_id, cost_limit="0.02")
    await book.record(100, 50, budget_id=budget.budget_id)
    book.clock.time += DAY
    await book.record(200, 100, budget_id=budget.budget_id)
    hold = await book.hold(1000, budget_id=budget.budget_id)
    (row,) = await summaries.summary_rows(book.ledger, "daily", budget_id=budget.budget_id)
    assert row["spent"] == row["total_cost"] == Decimal("0.004")
    assert (row["limit"], row["limit_is_default"]) == (Decimal("0.02"), False)
    assert row["cost_usage_percentage"] == 0.2
    assert row["total_tokens_used"] == 300
    assert (row["active_allocations"], row["total_tokens_allocated"]) == (1, 1000)
    assert row["remaining_cost"] == Decimal("0.02") - Decimal("0.004") - Decimal(hold.held_cost) / 10**11
    assert row["coverage"]["held_tokens"] == 1000


async def test_without_a_cost_policy_the_limit_is_the_setting_and_says_so(book):
    budget = await book.budget(default_policies=False)
    (row,) = await summaries.summary_rows(book.ledger, "weekly", budget_id=budget.budget_id, percent=True)
    assert (row["limit"], row["limit_is_default"], row["cost_usage_percentage"]) == (500, True, 0)


async def test_the_smallest_unscoped_limit_above_zero_counts_and_a_scoped_one_for_its_scope(book):
    budget = await book.budget(default_policies=False)
    for limit, scope in (("9", {}), ("7", {"model": "m"}), ("3", {"provider": "acme"})):
        await book.policy("warn", "daily", budget_id=budget.budget_id, cost_limit=limit, **scope)
    await book.policy("hard_limit", "daily", budget_id=budget.budget_id, cost_limit="0")
    await book.policy("soft_limit", "daily", scope="global", cost_limit="8")

    async def shown(**filters):
        (row,) = await summaries.summary_rows(book.ledger, "daily", budget_id=budget.budget_id, filters=filters)
        return row["limit"]

    assert await shown() == 8
    assert await shown(provider="acme") == 3
    assert await shown(component="rhetor") == 8


async def test_a_period_without_windows_has_no_summary(book):
    with pytest.raises(Invalid):
        await summaries.summary_rows(book.ledger, "per_session")


async def test_coverage_says_what_is_not_known(book):
    await book.record(60, 40, model="unknown")
    await book.price()
    await book.record(200, 100)
    hold = await book.hold(1000)
    await book.start(hold)
    book.clock.time = hold.expires_at + 1
    await book.sweep()
    summary = await summaries.usage_summary(book.ledger, "daily", start="2026-11-24", end="2026-11-24")
    assert summary["coverage"]["priced_ratio"] == round(1 - 100 / 1400, 6)
    assert summary["coverage"]["unresolved_count"] == 1
    assert summary["coverage"]["unresolved_cost"] == Decimal("0.02")
    assert summary["coverage"]["held_tokens"] == 0


async def test_a_summary_of_days_has_one_point_for_each_and_ends_today(book):
    await book.price()
    for _ in range(3):
        await book.record()
        book.clock.time += DAY
    summary = await summaries.usage_summary(book.ledger, "daily", days=5)
    assert [point["cost"] for point in summary["daily_usage"]] == [0, *[Decimal("0.002")] * 3, 0]
    assert summary["count"] == 3


async def test_ragged_edges_are_read_by_the_hour(book):
    await book.price()
    for _ in range(48):  # from the 24th, 10:30
        await book.record()
        book.clock.time += HOUR
    summary = await summaries.usage_summary(
        book.ledger, "daily", start="2026-11-24T13:10:00Z", end="2026-11-26T05:00:00Z"
    )
    assert summary["start_time"] == "2026-11-24T13:00:00.000000Z"
    assert summary["count"] == 40
    assert sum(point["cost"] for point in summary["daily_usage"]) == summary["total_cost"]


async def test_a_window_is_made_of_days_and_of_hours_at_its_edges(book):
    configuration = book.ledger.configuration()
    start = instants.parse_instant("2026-11-22T22:00:00Z", "UTC")
    question = Question(Window(start, start + 3 * DAY), None, {})
    assert [stretch.grain for stretch in buckets.stretches(configuration, question)] == ["hour", "day", "hour"]
    day = Window(start + 2 * HOUR, start + 2 * HOUR + DAY)
    assert [stretch.grain for stretch in buckets.stretches(configuration, Question(day, None, {}))] == ["day"]


async def test_budgets_of_two_zones_are_summed_each_by_its_own_days(book):
    await book.price()
    tokyo = await book.budget("tokyo", time_zone="Asia/Tokyo", default_policies=False)
    await book.record()
    await book.record(budget_id=tokyo.budget_id)
    summary = await summaries.usage_summary(book.ledger, "daily", days=2)
    assert summary["count"] == 2
    own = await summaries.usage_summary(book.ledger, "daily", budget_id=tokyo.budget_id, days=1)
    assert (own["count"], own["start_time"]) == (1, "2026-11-23T15:00:00.000000Z")


async def test_analytics_break_usage_down_by_bucket_and_model(book):
    await book.price()
    await book.record()
    await book.record(component="apollo")
    book.clock.time += DAY
    await book.record()
    rows = await summaries.usage_analytics(book.ledger, "daily")
    assert [(row["date"], row["component"], row["request_count"]) for row in rows] == [
        ("2026-11-24", "apollo", 1),
        ("2026-11-24", "rhetor", 1),
        ("2026-11-25", "rhetor", 1),
    ]
    monthly = await summaries.usage_analytics(book.ledger, "monthly", filters={"component": "rhetor"})
    assert [(row["date"], row["total_cost"]) for row in monthly] == [("2026-11-01", Decimal("0.004"))]


# Limits


async def test_a_limit_shows_what_is_used_held_and_free_and_when_it_starts_anew(book):
    await book.price()
    budget = await book.budget(default_policies=False)
    await book.policy("hard_limit", "daily", budget_id=budget.budget_id, token_limit=10_000, cost_limit="1")
    await book.record(1000, 500, budget_id=budget.budget_id)
    await book.hold(3000, budget_id=budget.budget_id)
    found = await limits.list_limits(book.ledger, {"budget_id": budget.budget_id})
    tokens, cost = found.items
    assert (tokens["used"], tokens["held"], tokens["free"]) == (1500, 3000, 5500)
    assert (cost["used"], cost["held"]) == (Decimal("0.02"), Decimal("0.06"))
    assert tokens["resets_at"] == "2026-11-25T00:00:00.000000Z"
    assert found.total == 2


async def test_a_hold_that_is_due_counts_as_ended_in_the_limits(book):
    await book.price()
    budget = await book.budget(default_policies=False)
    await book.policy("hard_limit", "weekly", budget_id=budget.budget_id, token_limit=10_000)
    freed = await book.hold(1000, budget_id=budget.budget_id, context_id="a")
    charged = await book.hold(2000, budget_id=budget.budget_id, context_id="b")
    await book.start(charged)
    book.clock.time = max(freed.expires_at, charged.expires_at) + 1
    (row,) = (await limits.list_limits(book.ledger, {"budget_id": budget.budget_id})).items
    assert (row["used"], row["held"]) == (2000, 0)
    await book.sweep()
    (swept,) = (await limits.list_limits(book.ledger, {"budget_id": budget.budget_id})).items
    assert (swept["used"], swept["held"]) == (2000, 0)


async def test_a_session_limit_needs_its_context(book):
    budget = await book.budget(default_policies=False)
    await book.policy("warn", "per_session", budget_id=budget.budget_id, token_limit=1000)
    await book.record(10, 5, budget_id=budget.budget_id, context_id="chat")
    filters = {"budget_id": budget.budget_id}
    (unknown,) = (await limits.list_limits(book.ledger, filters)).items
    (known,) = (await limits.list_limits(book.ledger, filters, context_id="chat")).items
    assert (unknown["used"], unknown["free"], unknown["window"]) == (None, None, None)
    assert (known["used"], known["free"], known["resets_at"]) == (15, 985, None)


async def test_limits_are_filtered_by_what_they_are(book):
    everything = await limits.list_limits(book.ledger, {})
    assert everything.total == 19
    daily = await limits.list_limits(book.ledger, {"period": "daily", "unit": "cost"})
    assert [row["limit"] for row in daily.items] == [5]


# Nouns


async def test_the_default_budget_comes_first(book):
    await book.budget("a")
    found, _ = await queries.list_budgets(book.ledger)
    assert [budget.name for budget in found.items] == ["Default Budget", "a"]
    with pytest.raises(NotFound):
        await queries.get_budget(book.ledger, "nobody")


async def test_dates_are_read_in_the_zone_of_the_budget(book):
    tokyo = await book.budget("tokyo", time_zone="Asia/Tokyo")
    late = "2026-11-23T16:00:00Z"  # the 24th in Tokyo
    await book.record(budget_id=tokyo.budget_id, occurred_at=late)
    filters = {"budget_id": tokyo.budget_id}
    assert (await queries.list_records(book.ledger, filters, start="2026-11-24", end="2026-11-24")).total == 1
    assert (await queries.list_records(book.ledger, filters, end="2026-11-23")).total == 0


async def test_the_total_of_records_is_what_corrections_leave(book):
    first = await book.record()
    await book.record()
    await book.do(commands.Void(record_id=first.record_id, reason="twice"))
    found = await queries.list_records(book.ledger, {"provider": "acme"})
    assert (len(found.items), found.total, found.total_exact) == (1, 1, True)
    assert (await queries.list_records(book.ledger, {}, include_superseded=True)).total == 2


async def test_a_grant_is_explained_from_its_entry(book):
    await book.price()
    budget = await book.budget(default_policies=False)
    policy = await book.policy("hard_limit", "daily", budget_id=budget.budget_id, token_limit=5000)
    await book.hold(1000, budget_id=budget.budget_id)
    hold = await book.hold(2000, budget_id=budget.budget_id)
    decision = await queries.get_decision(book.ledger, hold.allocation_id)
    assert decision.verdict == "granted"
    assert f'"policy_id":"{policy.policy_id}"' in decision.explanation
    assert '"limit":5000,"used":0,"held":1000,"asked":2000' in decision.explanation


async def test_a_refusal_is_found_by_its_id_and_in_the_list(book):
    await book.price()
    await book.policy("hard_limit", "daily", token_limit=10)
    refusal = await book.refusal(tokens=100)
    assert refusal.decision_id is not None
    stored = await queries.get_decision(book.ledger, refusal.decision_id)
    assert (stored.verdict, stored.component) == ("refused", "rhetor")
    assert (await queries.list_decisions(book.ledger, {"component": "rhetor"})).total == 1


# Prices


async def test_a_price_is_current_from_its_date_on(book):
    await book.price(input="0.001", effective_date="2020-01-01")
    await book.price(input="0.002", effective_date="2026-12-01")
    (price,) = await price_queries.list_prices(book.ledger, "acme")
    assert price.rates["input"] == Decimal("0.001")
    book.clock.time += 30 * DAY
    (price,) = await price_queries.list_prices(book.ledger, "acme")
    assert price.rates["input"] == Decimal("0.002")
    assert len(await price_queries.price_history(book.ledger, "acme", "m")) == 2


async def test_cheaper_models_are_recommended_by_what_they_save_and_equivalents_first(book):
    for model, cost in (("dear", "0.001"), ("m", "0.0001"), ("mid", "0.0005"), ("dearer", "0.002")):
        await book.price(model, cost, cost, effective_date="2020-01-01")
    await book.do(commands.SetModel(provider="acme", model="dear", equivalents=(("acme", "mid"),)))
    found = await recommendations.recommend(book.ledger, provider="acme", model="dear", context_size=1000)
    assert found["current_cost"] == 1
    assert [(item["model"], item["savings"], item["savings_percent"]) for item in found["items"]] == [
        ("mid", Decimal("0.5"), 50),
        ("m", Decimal("0.9"), 90),
    ]
    assert found["best_match"] == found["items"][0]


async def test_without_a_current_model_the_cheapest_within_the_cost_are_recommended(book):
    for model, cost in (("a", "0.001"), ("b", "0.0001")):
        await book.price(model, cost, cost, effective_date="2020-01-01")
    found = await recommendations.recommend(book.ledger, context_size=100, output_size=100, max_cost=Decimal("0.1"))
    assert [item["model"] for item in found["items"]] == ["b"]
    with pytest.raises(NotFound):
        await recommendations.recommend(book.ledger, provider="acme", model="unknown")
