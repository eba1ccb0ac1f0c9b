"""Rules 8: prices, unpriced usage, parts (P5, P6, P7, P8)."""

from decimal import Decimal

import msgspec
import pytest

from budget.domain import commands
from budget.domain.configuration import Rules
from budget.domain.errors import BudgetExceeded, Invalid
from budget.domain.records import COST_REPORTED, ESTIMATED, PARTLY_PRICED, TOTAL_DIFFERS, UNPRICED
from budget.engine.loading import Submission
from tests.engine.conftest import DAY, a_usage, an_allocation


async def test_P5_ten_thousand_times_a_hundredth_of_a_cent_is_one_dollar(book):
    await book.price("m", "0.0001", "0")
    policy = await book.policy(cost_limit="2")
    await book.ledger.submit_many([_submission(i) for i in range(10_000)])
    assert (await book.balance(policy))[2] == 10**11


def _submission(index):
    from budget.engine.loading import Submission

    return Submission(a_usage(1, 0, context_id=f"c{index % 7}"))


async def test_rule_8_1_a_cost_is_summed_exactly_and_rounded_once(book):
    await book.price("m", "0.000000000004", "0.000000000004")  # 0.4 nanocents
    record = await book.record(1, 2)
    assert record.cost == 1
    assert sum(cost for _, cost in msgspec.json.decode(record.parts).values()) == 1


async def test_P6_an_unpriced_model_is_refused_under_a_hard_cost_limit(book):
    assert (await book.hold(10)).flags & UNPRICED
    await book.policy(cost_limit="1000")
    error = await book.error(an_allocation(10))
    assert isinstance(error, BudgetExceeded)
    assert error.refusal.code == "price_unknown"
    assert not error.refusal.retryable


async def test_P6_a_hold_without_a_model_is_unpriced_too(book):
    await book.policy(cost_limit="1000")
    assert (await book.error(an_allocation(10, provider=None, model=None))).refusal.code == "price_unknown"


async def test_P6_usage_without_a_price_is_booked_flagged_and_priced_when_a_price_comes(book):
    policy = await book.policy(cost_limit="1000")
    record = await book.record(100, 50)
    assert (record.flags & UNPRICED, record.cost) == (UNPRICED, 0)
    await book.price()
    priced = await book.stored(record)
    assert (priced.flags & UNPRICED, priced.cost, priced.record_id) == (0, 200_000_000, record.record_id)
    assert (await book.balance(policy))[2] == 200_000_000
    assert len(await book.entries("priced")) == 1


async def test_P6_more_unpriced_records_than_a_chunk_are_all_priced(book):
    from budget.engine.loading import Submission

    await book.ledger.submit_many([Submission(a_usage(1, 0, context_id=f"c{i % 9}")) for i in range(2500)])
    await book.price()
    assert len(await book.entries("priced")) == 2500
    assert await book.rows("SELECT COUNT(*) FROM usage_records WHERE flags & 1 <> 0") == [(0,)]


async def test_rule_8_2_a_first_price_dates_from_the_earliest_unpriced_usage(book):
    record = await book.record(occurred_at="2026-01-01T00:00:00Z")
    price = await book.price()
    assert price.effective_at == record.occurred_at
    later = await book.price(input="0.5")
    assert later.effective_at > record.occurred_at


async def test_rule_8_2_a_first_price_that_says_its_date_prices_only_from_then(book):
    record = await book.record(occurred_at="2026-01-01T00:00:00Z")
    await book.price(effective_date="2026-06-01")
    assert (await book.stored(record)).flags & UNPRICED


async def test_P8_an_effective_date_in_the_past_never_reprices_by_itself(book):
    await book.price(effective_date="2026-01-01")
    record = await book.record()
    await book.price(input="5", effective_date="2026-01-01")
    assert (await book.stored(record)).cost == record.cost
    assert (await book.record()).cost > record.cost


async def test_P8_old_usage_takes_the_price_of_its_day(book):
    await book.price(input="0.00001", effective_date="2026-01-01")
    await book.price(input="0.00003", effective_date="2026-06-01")
    assert (await book.record(100, 0, occurred_at="2026-03-01")).cost == 100_000_000
    assert (await book.record(100, 0)).cost == 300_000_000


async def test_P8_a_reported_cost_outranks_the_estimate_and_is_spread_over_the_parts(book):
    await book.price()
    record = await book.record(100, 50, cost=Decimal("0.005"))
    assert (record.cost, record.flags & COST_REPORTED) == (500_000_000, COST_REPORTED)
    assert sum(cost for _, cost in msgspec.json.decode(record.parts).values()) == 500_000_000


async def test_P7_tokens_are_counted_once(book):
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 300,
        "total_tokens": 1300,
        "prompt_tokens_details": {"cached_tokens": 800},
        "completion_tokens_details": {"reasoning_tokens": 200},
    }
    command = commands.RecordUsage(context_id="c", component="a", provider="openai", model="gpt-4o", usage=usage)
    record = await book.do(command)
    parts = {part: count for part, (count, _) in msgspec.json.decode(record.parts).items()}
    assert parts == {"input": 200, "cache_read": 800, "output": 100, "reasoning": 200, "requests": 1}
    assert (record.input_tokens, record.output_tokens, record.total_tokens) == (1000, 300, 1300)


async def test_rule_8_3_when_the_total_differs_the_total_wins_and_the_rest_is_other(book):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 20}
    command = commands.RecordUsage(context_id="c", component="a", provider="openai", model="gpt-4o", usage=usage)
    record = await book.do(command)
    assert (record.total_tokens, record.flags & TOTAL_DIFFERS) == (20, TOTAL_DIFFERS)
    assert msgspec.json.decode(record.parts)["other"][0] == 5


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"input": None}, "input_tokens"),
        ({"output": None}, "output_tokens"),
        ({"usage": {"prompt_tokens": 1, "completion_tokens": 1}, "provider": "openai"}, "input_tokens"),
        ({"cache_read_tokens": 101}, "input_tokens"),
        ({"usage": {"prompt_tokens": -1}, "provider": "openai", "input": None, "output": None}, "usage.prompt_tokens"),
    ],
)
async def test_rule_8_3_counts_that_are_missing_or_contradict_are_invalid(book, fields, field):
    error = await book.error(a_usage(**fields))
    assert isinstance(error, Invalid)
    assert error.field == field


@pytest.mark.parametrize("seconds", ["1e30", "1e999999", "9007199254741", "0.0001"])
async def test_seconds_beyond_what_is_counted_are_invalid_and_fail_no_batch(book, seconds):
    before = book.ledger.figures.failed_batches
    wrong = Submission(a_usage(1, 1, seconds=Decimal(seconds)))
    good, bad = await book.ledger.submit_many([Submission(a_usage(1, 1)), wrong])
    assert (good.error, bad.error.field) == (None, "seconds")
    assert book.ledger.figures.failed_batches == before


async def test_rule_8_3_a_part_without_a_rate_is_flagged_partly_priced(book):
    await book.price()
    assert (await book.record(images=2)).flags & PARTLY_PRICED


class TestHeldAtAWorstPrice:
    @pytest.fixture
    def rules(self):
        return Rules(
            unpriced="hold",
            unpriced_input_cost_per_token=Decimal("0.0001"),
            unpriced_output_cost_per_token=Decimal("0.0002"),
        )

    async def test_rule_8_2_an_unpriced_model_is_held_and_booked_at_it(self, book):
        await book.policy(cost_limit="1")
        hold = await book.hold(100)
        assert hold.held_cost == 100 * 20_000_000
        record = await book.record(10, 10, allocation_id=hold.allocation_id)
        assert record.flags & (UNPRICED | ESTIMATED) == UNPRICED | ESTIMATED
        assert record.cost == 10 * 10_000_000 + 10 * 20_000_000
        await book.refusal(tokens=10_000)

    async def test_rule_8_2_the_grant_says_that_its_cost_is_held(self, book):
        (warning,) = (await book.do(an_allocation(100))).warnings
        assert "held at the price assumed" in warning

    async def test_rule_8_2_and_priced_for_what_it_cost_when_a_price_comes(self, book):
        policy = await book.policy(cost_limit="1")
        record = await book.record(10, 10)
        await book.price()
        assert (await book.stored(record)).cost == 30_000_000
        assert (await book.balance(policy))[2] == 30_000_000


async def test_a_local_model_is_free_because_a_price_says_so(book):
    await book.do(commands.SetPrice(provider="ollama", model="*", input_cost_per_token=Decimal(0)))
    await book.policy(cost_limit="0")
    hold = await book.hold(1000, provider="ollama", model="llama-of-the-day")
    assert (hold.held_cost, hold.flags) == (0, 0)


async def test_a_price_that_ended_prices_no_more(book):
    await book.price(effective_date="2026-01-01", end_date="2026-02-01")
    assert (await book.record()).flags & UNPRICED
    book.clock.time += DAY
    assert (await book.record(occurred_at="2026-01-15")).cost > 0


@pytest.mark.parametrize("rate", ["NaN", "Infinity", "-1", "1001"])
async def test_a_price_that_makes_no_sense_is_invalid(book, rate):
    command = commands.SetPrice(provider="acme", model="m", input_cost_per_token=Decimal(rate))
    assert isinstance(await book.error(command), Invalid)
