"""Dollars and nanocents."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.domain import money

AMOUNTS = st.integers(min_value=-money.MAX_NANOCENTS, max_value=money.MAX_NANOCENTS)


def test_P5_ten_thousand_times_a_hundredth_of_a_cent_is_one_dollar() -> None:
    assert money.to_dollars(10_000 * money.to_nanocents(Decimal("0.0001"))) == 1


@given(AMOUNTS)
def test_P5_nanocents_survive_the_way_out_and_back(nanocents: int) -> None:
    assert money.to_nanocents(money.to_dollars(nanocents)) == nanocents


@given(AMOUNTS)
def test_text_says_exactly_the_same_as_the_decimal(nanocents: int) -> None:
    text = money.dollars_text(nanocents)
    assert Decimal(text) == money.to_dollars(nanocents)
    assert "E" not in text


@pytest.mark.parametrize(
    ("dollars", "nanocents"),
    [("0.000000000005", 0), ("0.000000000015", 2), ("0.000000000025", 2), ("-0.000000000015", -2), ("1E+3", 10**14)],
)
def test_rounding_is_half_to_even(dollars: str, nanocents: int) -> None:
    assert money.to_nanocents(Decimal(dollars)) == nanocents


@pytest.mark.parametrize(
    ("nanocents", "text"),
    [
        (0, "0"),
        (1, "0.00000000001"),
        (-1, "-0.00000000001"),
        (10**11, "1"),
        (10**13, "100"),
        (250_000_000_000, "2.5"),
        (-150_000_000_000, "-1.5"),
        (money.MAX_NANOCENTS, "92233720.36854775807"),
    ],
)
def test_dollars_have_no_exponent_and_no_trailing_zeros(nanocents: int, text: str) -> None:
    assert money.dollars_text(nanocents) == text
    assert format(money.to_dollars(nanocents), "f") == text


def test_whole_dollars_print_without_an_exponent() -> None:
    assert str(money.to_dollars(10**13)) == "100"


def test_sums_past_64_bits_stay_exact() -> None:
    assert money.to_nanocents(money.to_dollars(10**37 + 1)) == 10**37 + 1


@pytest.mark.parametrize(("dollars", "nanocents"), [("0.000000000019", 1), ("-0.000000000011", -2), ("5", 5 * 10**11)])
def test_a_limit_rounds_down(dollars: str, nanocents: int) -> None:
    assert money.limit_nanocents(Decimal(dollars)) == nanocents


@given(AMOUNTS, st.decimals(min_value=-(10**9), max_value=10**9, places=14))
def test_a_sum_exceeds_a_limit_exactly_when_it_exceeds_its_floor(nanocents: int, limit: Decimal) -> None:
    assert (nanocents > money.limit_nanocents(limit)) == (money.to_dollars(nanocents) > limit)


@pytest.mark.parametrize("dollars", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+90"])
def test_amounts_beyond_reason_are_refused(dollars: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        money.to_nanocents(Decimal(dollars))
