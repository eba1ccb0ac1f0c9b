from decimal import Decimal

import pytest

from budget.domain import vocabulary
from budget.domain.errors import Invalid


@pytest.mark.parametrize(
    ("word", "canonical"),
    [("WARN", "warn"), ("warning", "warn"), ("Enforce", "hard_limit"), ("LOG", "ignore"), ("downgrade", "soft_limit")],
)
def test_tektons_words_for_policy_types_are_understood(word, canonical):
    assert vocabulary.policy_type(word) == canonical


def test_short_names_of_tiers_are_understood():
    assert vocabulary.tier("Heavyweight") == "remote_heavyweight"


@pytest.mark.parametrize("read", [vocabulary.policy_type, vocabulary.tier, vocabulary.period])
def test_an_unknown_word_is_invalid_and_the_known_ones_are_named(read):
    with pytest.raises(Invalid, match="is not one of"):
        read("nonsense")


def test_a_threshold_in_percent_becomes_a_ratio():
    assert vocabulary.threshold(Decimal(80), "warning_threshold") == Decimal("0.8")
    assert vocabulary.threshold(Decimal(1), "warning_threshold") == 1


@pytest.mark.parametrize("value", ["0", "-0.5", "NaN", "Infinity", "1001"])
def test_a_ratio_that_makes_no_sense_is_invalid(value):
    with pytest.raises(Invalid):
        vocabulary.ratio_above_zero(Decimal(value), "thresholds")


@pytest.mark.parametrize(
    ("value", "form"), [("1.00", "1"), ("1E+2", "100"), ("0E+5", "0"), ("0.80", "0.8"), ("12.50", "12.5")]
)
def test_equal_numbers_have_one_form(value, form):
    assert str(vocabulary.normalised(Decimal(value), "cost_limit")) == form


@pytest.mark.parametrize("value", ["1E+31", "1E-31", "0." + "1" * 31, "1E-99999999"])
def test_a_number_of_too_many_digits_is_invalid(value):
    with pytest.raises(Invalid, match="more than 30 digits"):
        vocabulary.normalised(Decimal(value), "cost_limit")
