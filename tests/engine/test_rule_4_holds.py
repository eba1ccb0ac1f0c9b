"""Rules 4: the life of a hold, what it holds, and how it ends (P9)."""

from decimal import Decimal

import pytest

from budget.domain import commands, instants
from budget.domain.errors import Conflict, Invalid, NotFound
from budget.domain.records import ESTIMATED, LATE, PROVISIONAL
from tests.engine.conftest import DAY, HOUR, MINUTE, START, a_usage, an_allocation


async def test_rule_4_1_a_hold_is_open_then_started(book):
    hold = await book.hold()
    assert hold.state == "open"
    started = await book.start(hold)
    assert (started.state, started.started_at is not None) == ("started", True)


async def test_rule_4_2_a_record_draws_down_and_the_rest_stays_held(book):
    await book.price()
    policy = await book.policy(token_limit=10_000, cost_limit="1")
    hold = await book.hold(1000)
    await book.record(100, 50, allocation_id=hold.allocation_id)
    assert await book.balance(policy) == (150, 850, 200_000_000, 1_800_000_000)


async def test_rule_4_2_at_no_tokens_left_the_hold_closes_and_its_money_is_freed(book):
    await book.price()
    policy = await book.policy(token_limit=10_000, cost_limit="1")
    hold = await book.hold(100)
    await book.record(100, 0, allocation_id=hold.allocation_id)
    closed = await book.stored_hold(hold)
    assert (closed.state, closed.closed_by, closed.held_cost) == ("settled", "draw", 0)
    assert await book.balance(policy) == (100, 0, 100_000_000, 0)


async def test_rule_4_2_settle_books_and_frees_the_rest(book):
    policy = await book.policy(token_limit=10_000)
    hold = await book.hold(1000)
    settled = await book.settle(hold, 100, 50)
    assert (settled.tokens_released, settled.hold.state) == (850, "settled")
    assert (await book.balance(policy))[:2] == (150, 0)


async def test_rule_4_2_a_context_draws_on_its_newest_hold_of_the_same_budget_and_component(book):
    await book.hold(1000)
    book.clock.time += 1000
    newest = await book.hold(1000)
    await book.hold(1000, component="apollo")
    assert (await book.record()).allocation_id == newest.allocation_id
    assert (await book.record(component="other")).allocation_id is None


async def test_rule_4_2_a_context_without_a_hold_stands_alone(book):
    hold = await book.hold()
    await book.release(hold)
    assert (await book.record()).allocation_id is None


async def test_rule_4_3_a_due_hold_is_ended_before_the_batch_decides(book):
    await book.policy(period="per_session", token_limit=1000)
    hold = await book.hold(1000, expiration_time=instants.iso(START + HOUR))
    book.clock.time += HOUR
    assert await book.hold(1000)
    assert (await book.stored_hold(hold)).state == "expired"


async def test_rule_4_3_checks_count_a_due_hold_as_ended(book):
    await book.policy(period="per_session", token_limit=1000)
    await book.hold(1000, expiration_time=instants.iso(START + HOUR))
    assert not (await book.check()).allowed
    book.clock.time += HOUR
    assert (await book.check()).allowed


async def test_rule_4_3_an_open_hold_frees_its_rest_when_it_expires(book):
    policy = await book.policy(token_limit=10_000)
    hold = await book.hold(1000, expiration_time=instants.iso(START + HOUR))
    book.clock.time += HOUR
    await book.sweep()
    assert (await book.stored_hold(hold)).state == "expired"
    assert await book.balance(policy) == (0, 0, 0, 0)


async def test_rule_4_3_a_started_hold_with_something_drawn_frees_its_rest(book):
    policy = await book.policy(token_limit=10_000)
    hold = await book.start(await book.hold(1000))
    await book.record(100, 0, allocation_id=hold.allocation_id)
    book.clock.time += DAY + MINUTE
    await book.sweep()
    assert list((await book.balances(policy)).values()) == [(100, 0, 0, 0)]


async def test_P9_a_started_hold_that_goes_silent_becomes_a_provisional_charge(book):
    await book.price()
    policy = await book.policy(token_limit=10_000, cost_limit="1")
    hold = await book.start(await book.hold(1000))
    book.clock.time += DAY + MINUTE
    await book.sweep()
    ended = await book.stored_hold(hold)
    assert ended.state == "provisional"
    (row,) = await book.rows("SELECT flags, total_tokens, cost FROM usage_records")
    assert tuple(row) == (PROVISIONAL | ESTIMATED, 1000, 2_000_000_000)
    assert list((await book.balances(policy)).values()) == [(1000, 0, 2_000_000_000, 0)]


@pytest.mark.parametrize("way", ["settle", "record"])
async def test_P9_what_was_really_used_replaces_a_provisional_charge(book, way):
    await book.price()
    policy = await book.policy(token_limit=10_000, cost_limit="1")
    hold = await book.start(await book.hold(1000))
    book.clock.time += DAY + MINUTE
    await book.sweep()
    if way == "settle":
        record = (await book.settle(hold, 100, 50)).record
    else:
        record = await book.record(100, 50, allocation_id=hold.allocation_id)
    assert (record.total_tokens, record.flags & PROVISIONAL) == (150, 0)
    assert record.record_id == (await book.stored_hold(hold)).provisional_record_id
    assert list((await book.balances(policy)).values()) == [(150, 0, 200_000_000, 0)]


async def test_P9_a_late_settlement_is_accepted_exactly_once(book):
    policy = await book.policy(period="hourly", token_limit=10_000)
    hold = await book.hold(1000)
    book.clock.time += DAY + MINUTE
    await book.sweep()
    settled = await book.settle(hold, 100, 0)
    assert settled.record.flags & LATE
    assert list((await book.balances(policy)).values()) == [(100, 0, 0, 0)]
    again = commands.Settle(allocation_id=hold.allocation_id, input_tokens=1, output_tokens=1)
    assert isinstance(await book.error(again), Conflict)


async def test_rule_4_3_a_settled_hold_with_another_key_conflicts_and_with_its_own_replays(book):
    hold = await book.hold()
    command = commands.Settle(allocation_id=hold.allocation_id, input_tokens=1, output_tokens=1)
    first = await book.outcome(command, "k")
    again = await book.outcome(command, "k")
    assert again.replayed
    assert again.answer == first.answer
    assert isinstance(await book.error(command, "other"), Conflict)


async def test_rule_4_3_a_record_on_an_ended_hold_is_booked_late_in_its_windows(book):
    policy = await book.policy(period="hourly", token_limit=10_000)
    hold = await book.hold(1000)
    await book.release(hold)
    book.clock.time += HOUR
    record = await book.record(100, 0, allocation_id=hold.allocation_id)
    assert record.flags & LATE
    assert record.booked_at == hold.created_at
    assert list((await book.balances(policy)).values()) == [(100, 0, 0, 0)]


async def test_rule_4_3_settle_states_usage_besides_what_was_drawn(book):
    policy = await book.policy(token_limit=10_000)
    hold = await book.hold(1000)
    await book.record(100, 0, allocation_id=hold.allocation_id)
    await book.settle(hold, 50, 0)
    assert (await book.balance(policy))[:2] == (150, 0)


async def test_rule_4_3_a_hold_closed_by_drawing_takes_one_settle(book):
    hold = await book.hold(100)
    await book.record(100, 0, allocation_id=hold.allocation_id)
    assert (await book.settle(hold, 5, 0)).record.total_tokens == 5
    again = commands.Settle(allocation_id=hold.allocation_id, input_tokens=1, output_tokens=1)
    assert isinstance(await book.error(again), Conflict)


async def test_rule_4_3_releasing_a_started_hold_needs_a_word(book):
    hold = await book.start(await book.hold(1000))
    assert isinstance(await book.error(commands.Release(allocation_id=hold.allocation_id)), Conflict)
    released, tokens = await book.release(hold, confirm_unused=True)
    assert (released.state, tokens) == ("released", 1000)


async def test_rule_4_4_a_hold_lives_24_hours_by_default_and_at_most(book):
    hold = await book.hold()
    assert hold.expires_at - hold.created_at == DAY
    error = await book.error(an_allocation(expiration_time=instants.iso(START + 25 * HOUR)))
    assert isinstance(error, Invalid)
    assert isinstance(await book.error(an_allocation(expiration_time=instants.iso(START - 1))), Invalid)


async def test_rule_4_4_extend_renews(book):
    hold = await book.hold()
    book.clock.time += 20 * HOUR
    extended = await book.do(commands.Extend(allocation_id=hold.allocation_id))
    assert extended.expires_at == book.clock.time + DAY


async def test_rule_4_4_increase_asks_for_more_in_the_holds_windows(book):
    await book.price()
    policy = await book.policy(token_limit=2000, cost_limit="1")
    hold = await book.hold(1000)
    bigger = await book.do(commands.Increase(allocation_id=hold.allocation_id, tokens=500))
    assert (bigger.tokens_allocated, bigger.held_cost) == (1500, 3_000_000_000)
    error = await book.error(commands.Increase(allocation_id=hold.allocation_id, tokens=501))
    assert error.refusal.offers[0]["request"] == {"tokens": 500}
    assert await book.balance(policy) == (0, 1500, 0, 3_000_000_000)


async def test_rule_4_4_increase_conflicts_when_a_window_has_ended(book):
    await book.policy(period="hourly", token_limit=2000)
    hold = await book.hold(1000)
    book.clock.time += HOUR
    error = await book.error(commands.Increase(allocation_id=hold.allocation_id, tokens=1))
    assert isinstance(error, Conflict)


async def test_rule_4_5_a_split_is_priced_each_and_the_difference_at_the_dearest_rate(book):
    await book.price()
    hold = await book.hold(1000, input_tokens=600, max_output_tokens=300)
    assert hold.held_cost == 600 * 1_000_000 + 300 * 2_000_000 + 100 * 2_000_000
    assert (await book.hold(1000)).held_cost == 1000 * 2_000_000


async def test_rule_4_5_a_split_may_not_exceed_what_is_asked(book):
    error = await book.error(an_allocation(100, input_tokens=60, max_output_tokens=50))
    assert isinstance(error, Invalid)


async def test_rule_4_5_the_price_per_request_is_held_once(book):
    await book.do(
        commands.SetPrice(
            provider="acme",
            model="m",
            input_cost_per_token=Decimal("0.00001"),
            output_cost_per_token=Decimal("0.00001"),
            fixed_cost_per_request=Decimal("0.01"),
        )
    )
    assert (await book.hold(100)).held_cost == 100 * 1_000_000 + 1_000_000_000


async def test_rule_4_6_settled_with_another_model_the_hold_is_freed_and_usage_posted_where_it_matches(book):
    first = await book.policy(token_limit=10_000, model="m")
    second = await book.policy(token_limit=10_000, model="n")
    hold = await book.hold(1000)
    await book.settle(hold, 100, 0, model="n")
    assert (await book.balances(first), (await book.balance(second))[:2]) == ({}, (100, 0))


async def test_rule_4_6_undoing_a_hold_reaches_a_policy_whose_opening_counted_it(book):
    hold = await book.hold(1000)
    policy = await book.policy(token_limit=10_000)
    assert (await book.balance(policy))[1] == 1000
    await book.release(hold)
    assert await book.balance(policy) == (0, 0, 0, 0)


async def test_rule_4_6_another_budget_than_the_holds_is_invalid(book):
    budget = await book.budget()
    hold = await book.hold()
    error = await book.error(a_usage(allocation_id=hold.allocation_id, budget_id=budget.budget_id))
    assert isinstance(error, Invalid)


async def test_rule_4_7_a_grant_carries_its_decision_warnings_and_offers(book):
    grant = await book.do(an_allocation())
    assert (grant.decision_id, grant.warnings, grant.offers) == (grant.hold.allocation_id, grant.warnings, [])


async def test_unknown_ids_are_not_found(book):
    for command in (
        commands.Start(allocation_id="x"),
        commands.Settle(allocation_id="x", input_tokens=1, output_tokens=1),
        commands.Void(record_id="x", reason="r"),
        commands.AcknowledgeAlert(alert_id="x"),
        commands.UpdatePolicy(policy_id="x", enabled=False),
        commands.UpdateBudget(budget_id="x", name="n"),
    ):
        assert isinstance(await book.error(command), NotFound)


async def test_a_charge_made_and_settled_in_one_batch_keeps_its_place_in_the_journal(book):
    hold = await book.start(await book.hold(1000))
    book.clock.time += DAY + MINUTE
    settled = await book.settle(hold)
    assert settled.record.seq == (await book.stored(settled.record)).seq


async def test_usage_of_a_session_whose_hold_is_just_due_stands_alone(book):
    await book.policy(token_limit=100_000, task_type="default")
    await book.hold(task_type="chat", expiration_time=instants.iso(book.clock.time + MINUTE))
    book.clock.time += DAY
    record = await book.record()
    assert (record.task_type, record.allocation_id) == ("default", None)


async def test_usage_that_settled_a_charge_is_undone_only_where_it_was_posted(book):
    policy = await book.policy(token_limit=100_000)
    hold = await book.start(await book.hold())
    book.clock.time += DAY + HOUR
    await book.sweep()
    await book.do(commands.UpdatePolicy(policy_id=policy.policy_id, enabled=False))
    await book.do(commands.UpdatePolicy(policy_id=policy.policy_id, enabled=True))
    settled = await book.settle(hold)
    assert await book.balances(policy) == {}
    await book.do(commands.Void(record_id=settled.record.record_id, reason="because"))
    assert await book.balances(policy) == {}
