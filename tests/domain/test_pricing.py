"""What usage costs."""

from dataclasses import FrozenInstanceError, replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.domain.pricing import Price, Rates, cost_of, hold_cost, price_at
from budget.domain.usage import INPUT_PARTS, PARTS, TOKEN_PARTS, Parts

COUNTS = st.dictionaries(st.sampled_from(PARTS), st.integers(min_value=1, max_value=10**8))
RATE = st.decimals(min_value=0, max_value=1, places=14)
WHOLE_RATE = st.decimals(min_value=0, max_value=1, places=11)
RATES = st.dictionaries(st.sampled_from(PARTS), RATE)
TOKENS = st.integers(min_value=0, max_value=10**7)

STAND_INS = {
    "cache_read": ("input",),
    "cache_write": ("input",),
    "cache_write_1h": ("cache_write", "input"),
    "input_audio": ("input",),
    "input_image": ("input",),
    "input_video": ("input",),
    "reasoning": ("output",),
    "output_audio": ("output",),
}


def a_price(tiers: tuple[tuple[int, Rates], ...] = (), **rates: str) -> Price:
    """Make a price from dollars per unit."""
    return at_rates({part: Decimal(rate) for part, rate in rates.items()}, tiers)


def at_rates(rates: Rates, tiers: tuple[tuple[int, Rates], ...] = ()) -> Price:
    """Make a price from drawn rates."""
    return Price(price_id="p", provider="openai", model="gpt", rates=rates, context_tiers=tiers)


@st.composite
def tiered_prices(draw: st.DrawFn) -> Price:
    """Draw a price with up to three context tiers."""
    starts = sorted(draw(st.sets(st.integers(min_value=0, max_value=10**7), max_size=3)))
    return at_rates(draw(RATES), tuple((start, draw(RATES)) for start in starts))


def oracle_rate(price: Price, part: str, input_tokens: int) -> Fraction | None:
    """Find a rate the slow, obvious way."""
    rates = dict(price.rates)
    for start, over in price.context_tiers:
        if input_tokens > start:
            rates = {**price.rates, **over}
    for name in (part, *STAND_INS.get(part, ())):
        if name in rates:
            return Fraction(rates[name])
    if part == "other":
        return max((Fraction(rates[name]) for name in ("input", "output") if name in rates), default=None)
    return Fraction(0) if part == "requests" else None


def test_P5_ten_thousand_calls_at_a_hundredth_of_a_cent_cost_a_dollar() -> None:
    price = a_price(input="0.0001")
    assert sum(cost_of(price, {"input": 1}).total for _ in range(10_000)) == 10**11


def test_P7_each_part_is_priced_once_at_its_own_rate() -> None:
    price = a_price(input="0.000003", cache_read="0.0000003", output="0.000015", web_searches="0.01")
    cost = cost_of(price, {"input": 1000, "cache_read": 10_000, "output": 100, "web_searches": 2, "requests": 1})
    assert cost.by_part == {
        "input": 300_000_000,
        "cache_read": 300_000_000,
        "output": 150_000_000,
        "web_searches": 2 * 10**9,
    }
    assert cost.total == 2_750_000_000


@given(st.one_of(tiered_prices(), RATES.map(at_rates)), COUNTS)
def test_P5_cost_is_the_exact_sum_rounded_once_half_to_even(price: Price, parts: Parts) -> None:
    inputs = sum(parts.get(part, 0) for part in INPUT_PARTS)
    rates = {part: oracle_rate(price, part, inputs) for part in parts}
    exact = sum(((rate or 0) * parts[part] for part, rate in rates.items()), Fraction(0))
    cost = cost_of(price, parts)
    assert cost.total == round(exact * 10**11)
    assert set(cost.unpriced_parts) == {part for part, rate in rates.items() if rate is None}


@given(tiered_prices(), COUNTS)
def test_P5_parts_add_up_to_the_total(price: Price, parts: Parts) -> None:
    cost = cost_of(price, parts)
    assert sum(cost.by_part.values()) == cost.total
    assert all(cost.by_part.values())


@given(RATES, COUNTS)
def test_P5_no_part_is_more_than_a_nanocent_from_its_exact_cost(rates: Rates, parts: Parts) -> None:
    price = at_rates(rates)
    cost = cost_of(price, parts)
    for part, count in parts.items():
        exact = (oracle_rate(price, part, 0) or Fraction(0)) * count * 10**11
        assert abs(cost.by_part.get(part, 0) - exact) <= Fraction(1)


@given(st.dictionaries(st.sampled_from(PARTS), WHOLE_RATE), COUNTS, COUNTS)
def test_cost_is_additive_at_one_price_in_whole_nanocents(rates: Rates, first: Parts, second: Parts) -> None:
    price = at_rates(rates)
    both = {part: first.get(part, 0) + second.get(part, 0) for part in {**first, **second}}
    assert cost_of(price, both).total == cost_of(price, first).total + cost_of(price, second).total


@given(RATES, COUNTS, st.sampled_from(TOKEN_PARTS), st.integers(min_value=1, max_value=10**6))
def test_cost_never_falls_as_tokens_rise(rates: Rates, parts: Parts, part: str, more: int) -> None:
    price = at_rates(rates)
    assert cost_of(price, {**parts, part: parts.get(part, 0) + more}).total >= cost_of(price, parts).total


def test_the_order_of_parts_does_not_change_the_breakdown() -> None:
    price = a_price(input="0.000000000005", output="0.000000000005")
    assert cost_of(price, {"output": 1, "input": 1}) == cost_of(price, {"input": 1, "output": 1})


@pytest.mark.parametrize(
    ("part", "rate"),
    [
        ("cache_read", 2),
        ("cache_write", 2),
        ("cache_write_1h", 2),
        ("input_audio", 2),
        ("input_image", 2),
        ("input_video", 2),
        ("reasoning", 7),
        ("output_audio", 7),
        ("other", 7),
    ],
)
def test_a_part_without_a_rate_costs_what_it_is_a_part_of(part: str, rate: int) -> None:
    assert cost_of(a_price(input="2", output="7"), {part: 1}).total == rate * 10**11


def test_an_hour_in_the_cache_costs_at_least_the_usual_write() -> None:
    assert cost_of(a_price(input="2", cache_write="3"), {"cache_write_1h": 1}).total == 3 * 10**11


@pytest.mark.parametrize("part", ["images", "milliseconds", "pages", "web_searches"])
def test_what_has_no_rate_costs_nothing_and_is_named(part: str) -> None:
    cost = cost_of(a_price(input="1"), {"input": 1, part: 3})
    assert (cost.total, cost.unpriced_parts) == (10**11, (part,))


def test_output_of_a_model_that_prices_input_only_is_unpriced() -> None:
    assert cost_of(a_price(input="1"), {"input": 1, "output": 1}).unpriced_parts == ("output",)


def test_a_rate_of_zero_is_a_price() -> None:
    cost = cost_of(a_price(input="0", output="0"), {"input": 5, "output": 5, "requests": 1})
    assert (cost.total, cost.by_part, cost.unpriced_parts) == (0, {}, ())


def test_each_request_has_its_fixed_price() -> None:
    assert cost_of(a_price(input="0", requests="0.005"), {"input": 5, "requests": 2}).total == 10**9


@pytest.mark.parametrize(("tokens", "dollars"), [(200_000, 200_000), (200_001, 400_002)])
def test_past_a_context_tier_all_tokens_cost_its_rate(tokens: int, dollars: int) -> None:
    price = a_price(((200_000, {"input": Decimal(2)}),), input="1")
    assert cost_of(price, {"input": tokens}).total == dollars * 10**11


def test_the_context_tier_goes_by_input_alone() -> None:
    price = a_price(((100, {"output": Decimal(2)}),), input="0", output="1")
    assert cost_of(price, {"input": 100, "output": 100}).total == 100 * 10**11


def test_a_context_tier_leaves_rates_it_does_not_name() -> None:
    price = a_price(((10, {"input": Decimal(2)}),), input="1", cache_read="0.5")
    assert cost_of(price, {"cache_read": 20}).total == 10 * 10**11


def test_a_hold_takes_the_dearest_token_rate_and_one_request() -> None:
    price = a_price(input="1", output="4", reasoning="5", requests="3")
    assert hold_cost(price, 10) == 53 * 10**11


def test_a_hold_with_a_split_prices_each_and_the_rest_at_the_dearest() -> None:
    price = a_price(input="1", output="4", reasoning="5", output_audio="9")
    assert hold_cost(price, 10, input_tokens=3, max_output_tokens=5) == (3 * 1 + 5 * 5 + 2 * 9) * 10**11


def test_a_hold_with_input_alone_prices_the_rest_at_the_dearest() -> None:
    assert hold_cost(a_price(input="1", output="4"), 10, input_tokens=3) == (3 + 28) * 10**11


def test_a_hold_takes_the_context_tier_of_its_total() -> None:
    price = a_price(((100, {"input": Decimal(2)}),), input="1")
    assert [hold_cost(price, tokens) // 10**11 for tokens in (100, 101)] == [100, 202]


def test_a_hold_at_a_price_without_token_rates_is_its_request() -> None:
    assert hold_cost(a_price(milliseconds="1", requests="2"), 1000) == 2 * 10**11


@given(tiered_prices(), TOKENS, TOKENS)
def test_a_hold_never_falls_as_tokens_rise(price: Price, tokens: int, more: int) -> None:
    assert hold_cost(price, tokens) <= hold_cost(price, tokens + more)


@given(tiered_prices(), TOKENS, TOKENS, TOKENS, TOKENS)
def test_a_hold_with_a_split_never_falls_as_tokens_rise(
    price: Price, inputs: int, outputs: int, rest: int, more: int
) -> None:
    tokens = inputs + outputs + rest
    assert hold_cost(price, tokens, inputs, outputs) <= hold_cost(price, tokens + more, inputs, outputs)


@given(tiered_prices(), st.dictionaries(st.sampled_from(TOKEN_PARTS), st.integers(min_value=1, max_value=10**7)))
def test_a_hold_covers_any_call_of_as_many_tokens(price: Price, parts: Parts) -> None:
    tokens = sum(parts.values())
    assert hold_cost(price, tokens) >= cost_of(price, {**parts, "requests": 1}).total


def test_the_newest_price_of_the_highest_rank_is_in_force() -> None:
    base = a_price(input="1")
    listed = replace(base, price_id="listed", rank=50, effective_at=90)
    older = replace(base, price_id="older", rank=100, effective_at=10)
    newer = replace(base, price_id="newer", rank=100, effective_at=20)
    restated = replace(base, price_id="restated", rank=100, effective_at=20, created_at=5)
    assert price_at([restated, listed, newer, older], 100) is restated


@pytest.mark.parametrize(("at", "in_force"), [(9, False), (10, True), (19, True), (20, False)])
def test_a_price_holds_from_its_start_until_before_its_end(at: int, in_force: bool) -> None:
    price = replace(a_price(input="1"), effective_at=10, end_at=20)
    assert (price_at([price], at) is price) == in_force


def test_a_price_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        a_price(input="1").rank = 1  # type: ignore[misc]


def test_costing_leaves_a_price_equal_to_itself() -> None:
    used, fresh = a_price(input="1"), a_price(input="1")
    cost_of(used, {"input": 1})
    assert used == fresh
    assert hash(used) == hash(fresh)


@pytest.mark.parametrize("rate", ["-1", "NaN", "Infinity", "1E-41", "1E+9", "0." + "1" * 70])
def test_rates_beyond_reason_are_refused(rate: str) -> None:
    with pytest.raises(ValueError, match="rate of input"):
        a_price(input=rate)


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(ValueError, match="no part"):
        a_price(inputs="1")


def test_tiers_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="ascending"):
        a_price(((5, {}), (5, {})), input="1")
