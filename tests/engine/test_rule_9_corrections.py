"""Rules 9: void and correct, always by entries, never by overwriting (P8)."""

from decimal import Decimal

import pytest

from budget.domain import commands, instants
from budget.domain.configuration import Rules
from budget.domain.entries import Caller
from budget.domain.errors import Conflict, Invalid, NotAllowed
from budget.domain.records import ESTIMATED, PARTLY_PRICED, TOTAL_DIFFERS, UNPRICED, parts_of
from tests.engine.conftest import MINUTE, a_usage


def _correct(record, **fields):
    return commands.Correct(record_id=record.record_id, reason="miscounted", **fields)


async def test_rule_9_a_void_takes_back_what_the_record_posted(book):
    await book.price()
    policy = await book.policy(token_limit=10_000, cost_limit="1")
    record = await book.record()
    await book.do(commands.Void(record_id=record.record_id, reason="test"))
    assert await book.balance(policy) == (0, 0, 0, 0)
    assert (await book.stored(record)).status == "void"


async def test_rule_9_what_was_drawn_off_a_hold_stays_off(book):
    policy = await book.policy(token_limit=10_000)
    hold = await book.hold(1000)
    record = await book.record(100, 0, allocation_id=hold.allocation_id)
    await book.do(commands.Void(record_id=record.record_id, reason="test"))
    assert (await book.balance(policy))[:2] == (0, 900)


async def test_rule_9_a_correction_voids_and_books_anew_under_a_new_id(book):
    await book.price()
    policy = await book.policy(token_limit=10_000, cost_limit="1")
    record = await book.record(100, 50)
    new = await book.do(_correct(record, input_tokens=10))
    assert (new.record_id != record.record_id, new.corrects) == (True, record.record_id)
    assert (new.input_tokens, new.output_tokens) == (10, 50)
    assert await book.balance(policy) == (60, 0, 110_000_000, 0)
    assert (await book.stored(record)).corrected_by == new.record_id


async def test_rule_9_a_new_moment_moves_windows(book):
    policy = await book.policy(period="hourly", token_limit=10_000)
    record = await book.record(100, 0)
    await book.do(_correct(record, occurred_at="2026-11-24T10:31:00Z"))
    assert [row[0] for row in (await book.balances(policy)).values()] == [100]
    new = (await book.rows("SELECT record_id FROM usage_records WHERE status = 'current'"))[0][0]
    await book.do(commands.Correct(record_id=new, reason="r", occurred_at="2026-11-24T09:00:00Z"))
    assert await book.balances(policy) == {}  # that window ended before the policy began


async def test_rule_9_only_the_newest_version_can_be_corrected(book):
    record = await book.record()
    new = await book.do(_correct(record, input_tokens=1))
    error = await book.error(_correct(record, input_tokens=2))
    assert isinstance(error, Conflict)
    assert error.details["newest"] == new.record_id
    assert isinstance(await book.error(commands.Void(record_id=record.record_id, reason="r")), Conflict)


async def test_rule_9_a_correction_keeps_the_price_version_unless_the_model_changes(book):
    await book.price(effective_date="2026-01-01")
    await book.price("n", "0.001", "0.001")
    record = await book.record(100, 0)
    await book.price(input="9", effective_date="2026-01-01")
    assert (await book.do(_correct(record, input_tokens=50))).cost == 50_000_000
    other = await book.record(100, 0, model="n")
    assert (await book.do(_correct(other, model="m"))).cost == 100 * 9 * 10**11


async def test_rule_9_a_record_that_had_no_price_takes_todays_table(book):
    record = await book.record(100, 0)
    await book.price(effective_date="2026-01-01")
    new = await book.do(_correct(await book.stored(record), input_tokens=50))
    assert new.cost == 50_000_000


async def test_rule_9_a_given_cost_wins(book):
    await book.price()
    record = await book.record()
    assert (await book.do(_correct(record, cost=Decimal("0.5")))).cost == 5 * 10**10


async def test_rule_9_only_an_admin_books_a_credit(book):
    policy = await book.policy("warn", cost_limit="1")
    assert isinstance(
        await book.error(a_usage(cost=Decimal(-1)), caller=Caller(key_id="k", scopes=frozenset(("record",)))),
        NotAllowed,
    )
    await book.record(cost=Decimal("-0.25"))
    assert (await book.balance(policy))[2] == -25 * 10**9


@pytest.mark.parametrize("fields", [{"model": "n"}, {"component": "apollo"}, {"task_type": "code"}])
async def test_rule_9_fields_that_changed_are_matched_anew(book, fields):
    (field, value) = next(iter(fields.items()))
    policy = await book.policy(token_limit=10_000, **fields)
    record = await book.record(100, 0)
    await book.do(_correct(record, **fields))
    assert (await book.balance(policy))[0] == 100
    assert value == (await book.rows(f"SELECT {field} FROM usage_records WHERE status = 'current'"))[0][0]


async def test_a_record_corrected_then_voided_leaves_nothing(book):
    await book.price()
    policy = await book.policy("warn", "per_session", token_limit=10)
    record = await book.record(user_id="ada")
    new = await book.do(_correct(record, input_tokens=1, cache_read_tokens=1))
    await book.do(commands.Void(record_id=new.record_id, reason="r"))
    assert await book.balances(policy) == {}
    (sums,) = await book.rows("SELECT SUM(count), SUM(input_count), SUM(input_cost) FROM rollups")
    assert tuple(sums) == (0, 0, 0)


async def test_a_correction_may_turn_plain_counts_into_parts(book):
    await book.price()
    record = await book.record(100, 50)
    new = await book.do(_correct(record, cache_read_tokens=40))
    assert (new.input_tokens, new.total_tokens) == (100, 150)
    assert '"cache_read":[40' in new.parts


async def test_P8_correcting_one_total_keeps_what_is_known_of_both(book):
    await book.price(cache_read_cost_per_token=Decimal("0.000001"))
    record = await book.record(100, 50, cache_read_tokens=80, reasoning_tokens=20, images=2, seconds=Decimal("1.5"))
    same = await book.do(_correct(record, output_tokens=50))
    assert (same.cost, parts_of(same)) == (record.cost, parts_of(record))
    more = await book.do(_correct(same, input_tokens=110))
    counts = {part: count for part, (count, _) in parts_of(more).items()}
    assert counts == {
        "input": 30, "cache_read": 80, "output": 30, "reasoning": 20, "images": 2, "milliseconds": 1500, "requests": 1,
    }  # fmt: skip


async def test_a_corrected_total_below_the_parts_that_it_keeps_is_invalid(book):
    record = await book.record(100, 50, cache_read_tokens=80)
    error = await book.error(_correct(record, input_tokens=70))
    assert isinstance(error, Invalid)
    assert error.field == "input_tokens"


@pytest.mark.parametrize("fields", [{"output_tokens": 60}, {"model": "n"}, {"images": 1}])
async def test_P8_a_reported_cost_outranks_whatever_else_is_corrected(book, fields):
    await book.price("n")
    record = await book.record(100, 50, cost=Decimal("1.50"))
    new = await book.do(_correct(record, **fields))
    assert (new.cost, new.flags, new.original_cost) == (record.cost, record.flags, "1.50")
    assert (await book.do(_correct(new, cost=Decimal(2)))).original_cost == "2"


async def test_P12_correcting_a_credit_raises_no_alert_for_what_was_never_used(book):
    """Taking the credit back and giving it again are one entry: in between nothing was used."""
    budget_id = (await book.budget()).budget_id
    await book.policy("warn", budget_id=budget_id, cost_limit="1")
    credit = await book.record(budget_id=budget_id, cost=Decimal("-0.5"))
    await book.record(budget_id=budget_id, cost=Decimal("0.9"))
    await book.do(_correct(credit, component="another"))
    assert await book.alerts() == []


async def test_a_credit_is_kept_by_who_may_not_give_one(book):
    record = await book.record(cost=Decimal("-0.25"))
    new = await book.do(_correct(record, component="apollo"), caller=Caller(key_id="k", scopes=frozenset(("record",))))
    assert new.cost == record.cost


async def _with_unknown_usage(book):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 20, "weird_tokens": 9}
    return await book.do(
        commands.RecordUsage(
            context_id="c", component="rhetor", provider="acme", model="m", usage=usage, usage_format="openai_chat"
        )
    )


async def test_a_correction_keeps_what_is_unknown_about_the_usage(book):
    await book.price()
    record = await _with_unknown_usage(book)
    assert record.flags == PARTLY_PRICED | TOTAL_DIFFERS
    new = await book.do(_correct(record, component="apollo"))
    assert (new.unknown_usage, new.flags, new.parts) == (record.unknown_usage, record.flags, record.parts)
    more = await book.do(_correct(new, output_tokens=6))
    assert (more.unknown_usage, more.flags, more.total_tokens) == (record.unknown_usage, record.flags, 21)


async def test_a_correction_by_the_providers_usage_says_everything_anew(book):
    await book.price()
    record = await _with_unknown_usage(book)
    new = await book.do(_correct(record, usage={"prompt_tokens": 10}, usage_format="openai_chat"))
    assert (new.unknown_usage, new.flags, new.total_tokens) == (None, 0, 10)


@pytest.mark.parametrize(
    ("split", "other"), [({"input_tokens": 12, "output_tokens": 7}, 0), ({"input_tokens": 12}, 8), ({}, 20)]
)
async def test_a_split_that_becomes_known_is_taken_out_of_the_total(book, split, other):
    await book.price()
    record = await book.do(
        commands.RecordUsage(
            context_id="c", component="r", provider="acme", model="m", usage={"total_tokens": 20},
            usage_format="openai_chat",
        )
    )  # fmt: skip
    assert (record.input_tokens, record.total_tokens) == (None, 20)
    new = await book.do(_correct(record, task_type="code", **split))
    assert new.total_tokens == sum(split.values()) + other


async def test_a_correction_with_a_price_is_no_estimate_any_more(book):
    book.rules = Rules(
        unpriced="hold", unpriced_input_cost_per_token=Decimal(1), unpriced_output_cost_per_token=Decimal(1)
    )
    await book.restart()
    record = await book.record()
    assert record.flags == UNPRICED | ESTIMATED
    assert (await book.do(_correct(record, component="apollo"))).flags == record.flags
    await book.price("n")
    new = await book.do(_correct(await book.record(), model="n"))
    assert new.flags == 0


@pytest.mark.parametrize("command", [commands.Void, commands.Correct])
async def test_a_provisional_charge_is_settled_not_corrected(book, clock, command):
    policy = await book.policy(token_limit=5000)
    hold = await book.hold(1000, expiration_time=instants.iso(clock.time + MINUTE))
    await book.start(hold)
    clock.time += 2 * MINUTE
    await book.sweep()
    record_id = (await book.stored_hold(hold)).provisional_record_id
    error = await book.error(command(record_id=record_id, reason="never ran"))
    assert isinstance(error, Conflict)
    assert error.details == {"allocation_id": hold.allocation_id}
    await book.settle(hold, 100, 50)
    assert (await book.balance(policy))[0] == 150
    await book.do(command(record_id=record_id, reason="after all"))
