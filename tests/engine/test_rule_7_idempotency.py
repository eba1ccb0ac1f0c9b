"""Rules 7: exactly once, for ever (P4)."""

import asyncio
from decimal import Decimal

import pytest

from budget.domain import commands, instants
from budget.domain.entries import Caller
from budget.domain.errors import BudgetExceeded, KeyReused
from budget.engine.loading import Submission
from tests.engine.conftest import HOUR, MINUTE, a_usage, an_allocation


async def _twice(book, command, key="k"):
    first, again = await book.outcome(command, key), await book.outcome(command, key)
    assert (first.replayed, again.replayed) == (False, True)
    return first.answer, again.answer


async def test_P4_a_repeat_returns_the_first_answer_and_changes_nothing(book):
    first, again = await _twice(book, a_usage())
    assert first == again
    assert len(await book.entries("used")) == 1


async def test_P4_the_first_answer_comes_back_whatever_has_happened_since(book):
    await book.price()
    grant = await book.do(an_allocation(1000), "k")
    before = grant.hold
    await book.do(commands.Start(allocation_id=before.allocation_id))
    await book.do(commands.Extend(allocation_id=before.allocation_id))
    await book.do(commands.Increase(allocation_id=before.allocation_id, tokens=10))
    record = await book.do(a_usage(allocation_id=before.allocation_id), "u")
    await book.settle(before, 5, 5)
    await book.do(commands.Void(record_id=record.record_id, reason="x"))
    assert (await book.do(an_allocation(1000), "k")) == grant
    assert (await book.do(a_usage(allocation_id=before.allocation_id), "u")) == record


async def test_P4_a_record_priced_since_is_answered_as_it_was(book):
    record = await book.record(key="k")
    await book.price()
    assert (await book.stored(record)).cost > 0
    assert await book.record(key="k") == record


async def test_P4_a_replayed_void_or_correction_of_a_corrected_record_is_the_first_answer(book):
    record = await book.record()
    first, again = await _twice(book, commands.Correct(record_id=record.record_id, reason="x", input_tokens=1), "c")
    assert first == again
    first, again = await _twice(book, commands.Void(record_id=first.record_id, reason="x"), "v")
    assert first == again


async def test_P4_a_replayed_settlement_of_a_provisional_charge_is_the_first_answer(book, clock):
    hold = await book.hold(1000, expiration_time=instants.iso(clock.time + MINUTE))
    await book.start(hold)
    clock.time += 2 * MINUTE
    await book.sweep()
    command = commands.Settle(allocation_id=hold.allocation_id, input_tokens=1, output_tokens=2)
    first, again = await _twice(book, command)
    assert (first.record, first.hold) == (again.record, again.hold)


@pytest.mark.parametrize(
    "make",
    [
        lambda hold, record: commands.Start(allocation_id=hold.allocation_id),
        lambda hold, record: commands.Extend(allocation_id=hold.allocation_id),
        lambda hold, record: commands.Increase(allocation_id=hold.allocation_id, tokens=5),
        lambda hold, record: commands.Release(allocation_id=hold.allocation_id),
        lambda hold, record: commands.Settle(allocation_id=hold.allocation_id, input_tokens=1, output_tokens=2),
        lambda hold, record: commands.Void(record_id=record.record_id, reason="r"),
        lambda hold, record: commands.Correct(record_id=record.record_id, input_tokens=3, reason="r"),
        lambda hold, record: commands.CreateBudget(name="n"),
        lambda hold, record: commands.CreatePolicy(type="warn", period="daily", token_limit=5, model="z"),
        lambda hold, record: commands.SetPrice(provider="acme", model="z", input_cost_per_token=Decimal(1)),
        lambda hold, record: commands.SetModel(provider="acme", model="z", tier="lightweight"),
        lambda hold, record: commands.UpdateBudget(budget_id=record.budget_id, name="other"),
    ],
)
async def test_P4_every_command_that_changes_something_takes_a_key(book, make):
    command = make(await book.hold(), await book.record(context_id="z"))
    first, again = await _twice(book, command)
    assert first == again


async def test_P4_the_same_key_with_another_body_is_refused(book):
    await book.record(key="k")
    assert isinstance(await book.error(a_usage(101), "k"), KeyReused)


async def test_P4_a_key_holds_across_a_restart(book):
    record = await book.record(key="k")
    await book.restart()
    assert await book.record(key="k") == record


async def test_rule_7_1_keys_are_scoped_by_caller_and_operation(book):
    await book.record(key="k")
    assert await book.hold(key="k")
    assert not (await book.outcome(a_usage(), "k", Caller(key_id="other"))).replayed


async def test_rule_7_2_a_field_equal_to_its_default_is_no_difference(book):
    await book.do(an_allocation(), "k")
    assert (await book.outcome(an_allocation(task_type="default", priority=5, metadata={}), "k")).replayed
    await book.do(a_usage(), "u")
    assert (await book.outcome(a_usage(requests=1, cache_read_tokens=0), "u")).replayed


async def test_rule_7_2_the_key_itself_is_no_part_of_the_fingerprint():
    assert commands.fingerprint(a_usage(request_id="k")) == commands.fingerprint(a_usage())


async def test_rule_7_3_a_refusal_claims_nothing(book):
    await book.policy(token_limit=1000)
    hold = await book.hold(1000)
    with pytest.raises(BudgetExceeded):
        await book.hold(500, key="k", context_id="d")
    await book.release(hold)
    assert not (await book.outcome(an_allocation(500, context_id="d"), "k")).replayed


async def test_rule_7_3_an_earlier_acceptance_always_wins(book):
    await book.policy(token_limit=1000)
    first = await book.hold(1000, key="k")
    assert await book.hold(1000, key="k") == first


async def test_P4_the_same_key_twice_in_one_batch_happens_once(book):
    submissions = [Submission(a_usage(), key="k", fingerprint=commands.fingerprint(a_usage())) for _ in range(3)]
    outcomes = await book.ledger.submit_many(submissions)
    assert [outcome.replayed for outcome in outcomes] == [False, True, True]
    assert len({outcome.answer.record_id for outcome in outcomes}) == 1


async def test_P4_many_callers_with_one_key_get_one_effect(book):
    outcomes = await asyncio.gather(*(book.outcome(a_usage(), "k") for _ in range(50)))
    assert len({outcome.answer.record_id for outcome in outcomes}) == 1
    assert sum(not outcome.replayed for outcome in outcomes) == 1


async def test_P4_a_key_never_expires(book):
    record = await book.record(key="k")
    book.clock.time += 10_000 * HOUR
    assert await book.record(key="k") == record
