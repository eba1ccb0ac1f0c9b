"""Rules 2: identity, scope, opening postings, sessions and tasks, types and alerts."""

from decimal import Decimal

import pytest

from budget.domain import commands
from budget.domain.errors import Conflict, Invalid
from tests.engine.conftest import DAY, HOUR, MINUTE, an_allocation


async def test_rule_2_1_a_global_policy_counts_every_budget(book):
    other = await book.budget()
    policy = await book.policy(scope="global", token_limit=10_000)
    await book.record(100, 0)
    await book.record(200, 0, budget_id=other.budget_id)
    assert (await book.balance(policy))[0] == 300


async def test_rule_2_1_a_policy_without_a_budget_is_the_default_budgets(book):
    other = await book.budget()
    policy = await book.policy(token_limit=10_000)
    await book.record(200, 0, budget_id=other.budget_id)
    assert await book.balance(policy) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tier", "remote_heavyweight"),
        ("provider", "acme"),
        ("model", "m"),
        ("component", "rhetor"),
        ("task_type", "chat"),
        ("user_id", "ada"),
    ],
)
async def test_rule_2_2_a_scope_field_counts_what_equals_it_and_nothing_else(book, field, value):
    policy = await book.policy(token_limit=10_000, **{field: value})
    match = {"task_type": "chat", "user_id": "ada"}
    others = {
        "tier": {"model": "mistral"},
        "provider": {"provider": "other"},
        "model": {"model": "n"},
        "component": {"component": "apollo"},
        "task_type": {"task_type": "code"},
        "user_id": {"user_id": "bob"},
    }
    await book.record(100, 0, **match)
    await book.record(1000, 0, **{**match, **others[field]})
    assert (await book.balance(policy))[0] == 100


async def test_rule_2_2_all_fields_given_must_match(book):
    policy = await book.policy(token_limit=10_000, component="rhetor", task_type="chat")
    await book.record(100, 0, task_type="code")
    assert await book.balance(policy) == (0, 0, 0, 0)


async def test_rule_2_2_capitals_do_not_slip_past_a_providers_limit(book):
    policy = await book.policy(token_limit=10_000, provider="ACME")
    await book.record(100, 0, provider="Acme")
    assert (await book.balance(policy))[0] == 100


async def test_rule_2_3_the_same_identity_updates_that_policy_and_no_other(book):
    first = await book.policy(token_limit=100)
    second = await book.policy(token_limit=200)
    assert (second.policy_id, second.token_limit, second.version) == (first.policy_id, 200, 2)
    assert (await book.policy(type="warn", token_limit=200)).policy_id != first.policy_id
    assert (await book.policy(cost_limit="1")).policy_id != first.policy_id


async def test_rule_2_3_a_change_that_takes_anothers_identity_conflicts(book):
    hard = await book.policy(token_limit=100)
    warn = await book.policy(type="warn", token_limit=100)
    error = await book.error(commands.UpdatePolicy(policy_id=warn.policy_id, type="hard_limit"))
    assert isinstance(error, Conflict)
    assert error.details["policy_id"] == hard.policy_id


async def test_rule_2_3_null_is_no_limit_and_zero_allows_nothing(book):
    assert isinstance(await book.error(commands.CreatePolicy(type="warn", period="daily")), Invalid)
    await book.policy(token_limit=0)
    assert (await book.refusal(tokens=1)).limits[0].limit == 0


async def test_rule_2_3_in_a_change_null_means_unchanged(book):
    policy = await book.policy(token_limit=100, cost_limit="1")
    changed = await book.do(commands.UpdatePolicy(policy_id=policy.policy_id, cost_limit=Decimal(2)))
    assert (changed.token_limit, changed.cost_limit) == (100, Decimal(2))


async def test_rule_2_3_fields_that_repeat_what_is_stored_are_no_change(book):
    policy = await book.policy(token_limit=100)
    before = len(await book.entries())
    same = await book.do(commands.UpdatePolicy(policy_id=policy.policy_id, token_limit=100, period="daily"))
    assert same.version == policy.version
    assert len(await book.entries()) == before


@pytest.mark.parametrize("change", [{"period": "weekly"}, {"component": "apollo"}, {"tier": "lightweight"}])
async def test_rule_2_4_scope_and_period_never_change(book, change):
    policy = await book.policy(token_limit=100)
    assert isinstance(await book.error(commands.UpdatePolicy(policy_id=policy.policy_id, **change)), Invalid)


async def test_rule_2_4_a_limit_tightened_below_what_is_used_alerts_at_once_and_lets_holds_be(book):
    policy = await book.policy(token_limit=10_000)
    await book.record(500, 0)
    hold = await book.hold(1000)
    await book.do(commands.UpdatePolicy(policy_id=policy.policy_id, token_limit=100))
    assert [alert.type for alert in await book.alerts()][-1] == "token_limit_exceeded"
    assert (await book.stored_hold(hold)).state == "open"


async def test_rule_2_5_a_policy_opens_with_what_its_window_contains_already(book):
    await book.price()
    await book.record(100, 50)
    await book.hold(1000)
    policy = await book.policy(token_limit=10_000, cost_limit="10")
    assert await book.balance(policy) == (150, 1000, 200_000_000, 2_000_000_000)


async def test_rule_2_5_windows_that_ended_before_the_policy_have_no_balance(book):
    await book.record(100, 0, occurred_at="2026-11-23T10:00:00Z")
    policy = await book.policy(token_limit=10_000)
    late = await book.record(100, 0, occurred_at="2026-11-23T11:00:00Z")
    assert await book.balance(policy) == (0, 0, 0, 0)
    await book.do(commands.Void(record_id=late.record_id, reason="test"))
    assert await book.balance(policy) == (0, 0, 0, 0)


async def test_rule_2_5_an_opening_covers_a_later_window_already_used(book):
    book.clock.time += 29 * MINUTE
    await book.record(70, 0, occurred_at="2026-11-24T11:01:00Z")
    policy = await book.policy(period="hourly", token_limit=10_000)
    assert (await book.balance(policy))[0] == 70


async def test_rule_2_5_disabling_stops_postings_and_enabling_posts_anew(book):
    policy = await book.policy(token_limit=10_000)
    hold = await book.hold(1000)
    await book.do(commands.UpdatePolicy(policy_id=policy.policy_id, enabled=False))
    await book.record(100, 0, context_id="other")
    await book.release(hold)
    assert (await book.balance(policy))[:2] == (0, 1000)
    await book.do(commands.UpdatePolicy(policy_id=policy.policy_id, enabled=True))
    assert (await book.balance(policy))[:2] == (100, 0)


async def test_rule_2_5_a_new_zone_opens_its_own_windows(book):
    budget = await book.budget()
    policy = await book.policy(budget_id=budget.budget_id, token_limit=10_000)
    await book.record(100, 0, budget_id=budget.budget_id, occurred_at="2026-11-24T02:00:00Z")
    hold = await book.hold(1000, budget_id=budget.budget_id)
    await book.do(commands.UpdateBudget(budget_id=budget.budget_id, time_zone="America/New_York"))
    found = await book.balances(policy)
    assert sorted(found.values()) == [(0, 1000, 0, 0), (100, 1000, 0, 0)]  # 02:00Z was yesterday in New York
    await book.release(hold)
    assert sorted((await book.balances(policy)).values()) == [(100, 0, 0, 0)]


async def test_rule_2_6_a_session_is_a_window_that_never_resets(book):
    policy = await book.policy(period="per_session", token_limit=300)
    await book.record(200, 0, context_id="s1")
    book.clock.time += 3 * DAY
    refusal = await book.refusal(tokens=200, context_id="s1")
    assert (refusal.limits[0].used, refusal.retryable) == (200, False)
    assert await book.hold(200, context_id="s2")
    assert (await book.balances(policy))["c:s1"] == (200, 0, 0, 0)


async def test_rule_2_6_a_task_is_keyed_by_its_id_or_the_operations(book):
    policy = await book.policy(period="per_task", token_limit=10_000)
    await book.record(100, 0, task_id="t1")
    await book.record(10, 0, operation_id="t1")
    await book.record(1, 0)
    assert await book.balances(policy) == {"t:t1": (110, 0, 0, 0)}


async def test_rule_2_6_a_sessions_first_touch_opens_with_what_it_contains(book):
    await book.record(100, 0, context_id="s1")
    await book.hold(50, context_id="s1")
    policy = await book.policy(period="per_session", token_limit=10_000)
    assert await book.balances(policy) == {}
    await book.record(1, 0, context_id="s1", component="apollo")
    assert await book.balances(policy) == {"c:s1": (101, 50, 0, 0)}


async def test_rule_2_6_an_idle_session_is_dropped_and_comes_back_whole(book):
    policy = await book.policy(period="per_session", token_limit=10_000)
    await book.record(100, 0, context_id="s1")
    book.clock.time += 31 * DAY
    await book.sweep()
    assert await book.rows("SELECT 1 FROM balances WHERE window_key = 'c:s1'") == []
    assert (await book.verify()).differences == 0
    await book.record(1, 0, context_id="s1")
    assert (await book.balances(policy))["c:s1"] == (101, 0, 0, 0)


async def test_rule_2_6_enabling_a_session_policy_posts_anew(book):
    policy = await book.policy(period="per_session", token_limit=10_000)
    await book.record(100, 0, context_id="s1")
    await book.do(commands.UpdatePolicy(policy_id=policy.policy_id, enabled=False))
    await book.record(10, 0, context_id="s1")
    await book.do(commands.UpdatePolicy(policy_id=policy.policy_id, enabled=True))
    assert await book.balances(policy) == {"c:s1": (110, 0, 0, 0)}


@pytest.mark.parametrize(
    ("fields", "tier"),
    [
        ({"provider": "acme", "model": "Mistral"}, "local_midweight"),
        ({"provider": "ollama", "model": "unheard-of"}, "local_midweight"),
        ({"provider": "acme", "model": "m", "tier": "lightweight"}, "remote_heavyweight"),
        ({"provider": None, "model": None, "tier": "lightweight"}, "local_lightweight"),
        ({"provider": None, "model": None}, "remote_heavyweight"),
    ],
)
async def test_rule_2_7_the_servers_table_decides_the_tier(book, fields, tier):
    assert (await book.hold(10, **fields)).tier == tier


async def test_rule_2_7_the_tier_is_frozen_in_the_record(book):
    record = await book.record()
    await book.do(commands.SetModel(provider="acme", model="m", tier="local_lightweight"))
    assert (await book.stored(record)).tier == "remote_heavyweight"
    assert (await book.record()).tier == "local_lightweight"


async def test_rule_2_8_a_token_limit_counts_all_input_and_output_reasoning_once(book):
    policy = await book.policy(token_limit=10_000)
    await book.record(1000, 500, cache_read_tokens=800, reasoning_tokens=400)
    assert (await book.balance(policy))[0] == 1500


async def test_rule_2_8_a_free_model_passes_an_exhausted_cost_limit_but_no_token_limit(book):
    await book.price()
    await book.price("free", "0", "0")
    await book.policy(cost_limit="0.001")
    await book.record(1000, 0)
    await book.refusal(tokens=10)
    assert (await book.hold(10, model="free")).held_cost == 0
    await book.policy(token_limit=1010)
    await book.refusal(tokens=10, model="free")


async def test_rule_2_9_a_soft_limit_warns_and_offers_but_never_refuses(book):
    await book.price()
    await book.price("cheap", "0.000001", "0.000001")
    await book.do(commands.SetModel(provider="acme", model="m", equivalents=(("acme", "cheap"),)))
    await book.policy("soft_limit", token_limit=1000)
    assert (await book.do(an_allocation(900))).warnings == []
    grant = await book.do(an_allocation(5000))
    assert "soft limit" in grant.warnings[0]
    assert grant.offers[0]["request"]["model"] == "cheap"


async def test_rule_2_9_an_equivalent_worth_more_than_a_hold_can_be_spoils_no_grant(book):
    await book.price("dear", "1000", "1000")
    await book.price("cheap", "0.000001", "0.000001")
    await book.do(commands.SetModel(provider="acme", model="m", equivalents=(("acme", "dear"), ("acme", "cheap"))))
    await book.policy("soft_limit", token_limit=1)
    grant = await book.do(an_allocation(1_000_000))
    assert [offer["request"]["model"] for offer in grant.offers] == ["cheap"]


@pytest.mark.parametrize("kind", ["warn", "ignore"])
async def test_rule_2_9_warn_and_ignore_only_count(book, kind):
    policy = await book.policy(kind, token_limit=10)
    await book.hold(5000)
    await book.record(5000, 0, context_id="x")
    assert (await book.balance(policy))[:2] == (5000, 5000)
    expected = {"warn": ["warning", "error", "error"], "ignore": []}[kind]
    raised = [a for a in await book.alerts() if a.policy_id == policy.policy_id]
    assert [a.severity for a in raised] == expected


async def test_rule_2_10_each_level_alerts_once_with_its_severity(book):
    policy = await book.policy("warn", token_limit=1000, thresholds=(Decimal("0.5"), Decimal(2)))
    for _ in range(25):
        await book.record(100, 0)
    raised = [(a.threshold, a.severity, a.type) for a in await book.alerts() if a.policy_id == policy.policy_id]
    assert raised == [
        ("0.5", "warning", "token_limit_approaching"),
        ("0.8", "warning", "token_limit_approaching"),
        ("0.95", "error", "token_limit_approaching"),
        ("1", "error", "token_limit_exceeded"),
        ("2", "error", "token_limit_exceeded"),
    ]


async def test_rule_2_10_with_limit_zero_the_first_use_is_exceeded(book):
    policy = await book.policy("warn", token_limit=0)
    await book.record(1, 0)
    raised = [a.type for a in await book.alerts() if a.policy_id == policy.policy_id]
    assert raised == ["token_limit_exceeded"]


async def test_rule_2_10_a_new_limit_value_or_window_alerts_again(book):
    policy = await book.policy("warn", period="hourly", token_limit=100)
    await book.record(100, 0)
    await book.do(commands.UpdatePolicy(policy_id=policy.policy_id, token_limit=50))
    book.clock.time += HOUR
    await book.record(100, 0)
    raised = [(a.limit_value, a.threshold) for a in await book.alerts() if a.policy_id == policy.policy_id]
    assert raised.count(("100", "1")) == 1
    assert raised.count(("50", "1")) == 2


async def test_P12_one_alert_per_crossing_however_often_it_is_crossed(book):
    policy = await book.policy("warn", token_limit=100)
    for _ in range(3):
        record = await book.record(100, 0)
        await book.do(commands.Void(record_id=record.record_id, reason="again"))
    raised = [a.threshold for a in await book.alerts() if a.policy_id == policy.policy_id]
    assert raised == ["0.8", "0.95", "1"]


@pytest.mark.parametrize(
    ("stored", "change"),
    [
        ({"cost_limit": "100.00"}, {"cost_limit": Decimal("1E+2")}),
        ({"token_limit": 10}, {"warning_threshold": Decimal("0.80")}),
        ({"token_limit": 10, "thresholds": (Decimal("0.50"),)}, {"thresholds": (Decimal("0.5"),)}),
    ],
)
async def test_P12_a_level_written_otherwise_is_the_same_level(book, stored, change):
    policy = await book.policy("warn", **stored)
    await book.record(100, 0, cost=Decimal(200))
    before = await book.alerts()
    changed = await book.do(commands.UpdatePolicy(policy_id=policy.policy_id, metadata={"note": "x"}, **change))
    assert changed.metadata == {"note": "x"}
    assert await book.alerts() == before


async def test_P12_an_alert_is_written_in_the_transaction_that_crossed_it(book):
    await book.policy("warn", token_limit=100)
    await book.record(100, 0)
    entries = await book.entries()
    crossing = next(entry for entry in entries if entry.kind == "used")
    assert [entry.at for entry in entries if entry.kind == "alert_changed"] == [crossing.at] * 3
