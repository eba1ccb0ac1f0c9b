"""Disjoint parts of usage."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.domain import usage
from budget.domain.usage import Counts, UsageError, parts_from_counts

TOKENS = st.integers(min_value=0, max_value=10**9)


@st.composite
def consistent_counts(draw: st.DrawFn) -> Counts:
    """Draw counts whose parts fit their totals."""
    inputs = {name: draw(TOKENS) for name in INPUT_FIELDS}
    outputs = {name: draw(TOKENS) for name in OUTPUT_FIELDS}
    return Counts(
        input_tokens=sum(inputs.values()) + draw(TOKENS),
        output_tokens=sum(outputs.values()) + draw(TOKENS),
        **inputs,
        **outputs,
    )


INPUT_FIELDS = (
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "input_video_tokens",
)
OUTPUT_FIELDS = ("reasoning_tokens", "output_audio_tokens")


def test_two_totals_are_two_parts_and_a_request() -> None:
    parts = parts_from_counts(Counts(input_tokens=10, output_tokens=5))
    assert parts == {"input": 10, "output": 5, "requests": 1}


def test_P7_every_sub_part_is_taken_out_of_its_total() -> None:
    counts = Counts(input_tokens=100, output_tokens=50, cache_read_tokens=60, input_audio_tokens=5, reasoning_tokens=20)
    assert parts_from_counts(counts) == {
        "input": 35,
        "cache_read": 60,
        "input_audio": 5,
        "output": 30,
        "reasoning": 20,
        "requests": 1,
    }


@given(consistent_counts())
def test_P7_parts_add_up_to_the_totals(counts: Counts) -> None:
    parts = parts_from_counts(counts)
    assert usage.input_total(parts) == counts.input_tokens
    assert usage.output_total(parts) == counts.output_tokens
    assert usage.token_total(parts) == (counts.input_tokens or 0) + (counts.output_tokens or 0)


@given(consistent_counts())
def test_parts_hold_no_zero_and_no_unknown_name(counts: Counts) -> None:
    parts = parts_from_counts(counts)
    assert all(parts.values())
    assert set(parts) <= set(usage.PARTS)


def test_tokens_known_only_from_a_total_count_as_tokens() -> None:
    assert usage.token_total({"input": 1, "output": 2, "other": 4, "images": 8, "requests": 16}) == 7


def test_a_split_nobody_knows_has_no_token_parts() -> None:
    assert parts_from_counts(Counts()) == {"requests": 1}


def test_zeros_have_no_part() -> None:
    assert parts_from_counts(Counts(input_tokens=0, output_tokens=0, requests=0)) == {}


def test_seconds_become_milliseconds() -> None:
    assert parts_from_counts(Counts(seconds=Decimal("1.25")))["milliseconds"] == 1250


def test_whole_seconds_need_no_decimal() -> None:
    assert parts_from_counts(Counts(seconds=3))["milliseconds"] == 3000


def test_what_is_not_tokens_is_kept_beside_them() -> None:
    parts = parts_from_counts(Counts(images=2, pages=3, web_searches=4, requests=5))
    assert parts == {"images": 2, "pages": 3, "web_searches": 4, "requests": 5}


@pytest.mark.parametrize("seconds", ["0.0001", "NaN", "Infinity", "sNaN"])
def test_seconds_finer_than_a_millisecond_or_not_finite_are_refused(seconds: str) -> None:
    with pytest.raises(UsageError) as refused:
        parts_from_counts(Counts(seconds=Decimal(seconds)))
    assert refused.value.field == "seconds"


@pytest.mark.parametrize(
    ("counts", "field"),
    [
        (Counts(input_tokens=5, cache_read_tokens=6), "input_tokens"),
        (Counts(input_tokens=5, cache_read_tokens=3, input_audio_tokens=3), "input_tokens"),
        (Counts(cache_read_tokens=1), "input_tokens"),
        (Counts(output_tokens=5, reasoning_tokens=6), "output_tokens"),
    ],
)
def test_P7_parts_beyond_their_total_are_refused(counts: Counts, field: str) -> None:
    with pytest.raises(UsageError) as refused:
        parts_from_counts(counts)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("counts", "field"),
    [
        (Counts(input_tokens=-1), "input_tokens"),
        (Counts(output_tokens=-1), "output_tokens"),
        (Counts(requests=-1), "requests"),
        (Counts(input_tokens=9, cache_read_tokens=-1), "cache_read_tokens"),
        (Counts(seconds=-1), "seconds"),
    ],
)
def test_negative_counts_are_refused(counts: Counts, field: str) -> None:
    with pytest.raises(UsageError) as refused:
        parts_from_counts(counts)
    assert refused.value.field == field


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "1e30", "1e999999", "-1e30", "9007199254740.992", "0.0005"])
def test_seconds_that_are_no_countable_milliseconds_are_refused(seconds: str) -> None:
    with pytest.raises(UsageError) as refused:
        parts_from_counts(Counts(seconds=Decimal(seconds)))
    assert refused.value.field == "seconds"


def test_the_most_seconds_are_counted_exactly() -> None:
    assert parts_from_counts(Counts(seconds=Decimal("9007199254740.991")))["milliseconds"] == usage.MAX_COUNT
