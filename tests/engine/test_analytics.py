"""Usage broken down, with a series."""

import pytest

from budget.domain.errors import Invalid
from budget.engine import analytics
from tests.engine.conftest import DAY, HOUR


async def test_models_stand_below_their_provider_and_all_adds_up(book):
    await book.price()
    await book.record(100, 50)
    await book.record(10, 5, component="terma", task_type="code")
    await book.record(1, 1, provider="other", model="n")
    found = await analytics.breakdown(book.ledger, "daily")
    assert (found["total_tokens"], found["record_count"], found["time_series"]) == (167, 3, None)
    assert {name: row["count"] for name, row in found["providers"].items()} == {"acme": 2, "other": 1}
    assert found["providers"]["acme"]["models"]["m"]["total_tokens"] == 165
    assert {name: row["total_tokens"] for name, row in found["components"].items()} == {"rhetor": 152, "terma": 15}
    assert set(found["task_types"]) == {"default", "code"}


async def test_a_short_series_is_by_the_hour_and_a_long_one_by_the_day(book):
    for _ in range(5):
        await book.record(1, 1)
    book.clock.time += HOUR
    for _ in range(5):
        await book.record(1, 1)
    hourly = (await analytics.breakdown(book.ledger, "daily"))["time_series"]
    assert hourly["labels"] == ["2026-11-24T10:00:00.000000Z", "2026-11-24T11:00:00.000000Z"]
    assert hourly["counts"] == [5, 5]
    daily = (await analytics.breakdown(book.ledger, "weekly"))["time_series"]
    assert (daily["labels"], daily["input_tokens"]) == (["2026-11-24"], [10])


async def test_a_range_of_dates_is_custom_and_filters_narrow_it(book):
    await book.record(1, 1)
    book.clock.time += 2 * DAY
    await book.record(5, 5, task_type="code")
    found = await analytics.breakdown(book.ledger, "daily", start="2026-11-20", end="2026-11-24")
    assert (found["period"], found["total_tokens"]) == ("custom", 2)
    coded = await analytics.breakdown(book.ledger, "daily", start="2026-11-20", filters={"task_type": "code"})
    assert coded["total_tokens"] == 10


@pytest.mark.parametrize(
    ("period", "start", "end", "field"),
    [
        ("per_task", None, None, "period"),
        ("daily", "2026-11-25", "2026-11-24", "end_date"),
        ("daily", "2027-01-01", None, "start_date"),
        ("daily", "2020-01-01", "2026-01-01", "start_date"),
        ("daily", "soon", None, "start_date"),
    ],
)
async def test_what_cannot_be_broken_down_names_the_field(book, period, start, end, field):
    with pytest.raises(Invalid) as caught:
        await analytics.breakdown(book.ledger, period, start=start, end=end)
    assert caught.value.field == field
