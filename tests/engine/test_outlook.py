"""Where limits are heading, from the days that are over."""

from decimal import Decimal

import pytest

from budget.domain import instants
from budget.domain.errors import Invalid
from budget.engine import forecasts, limits
from budget.engine.reports import Asked
from tests.engine.conftest import DAY, START


async def spend(book, days, *, per_day=100, **fields):
    """The same on each of the days before today."""
    for day in range(1, days + 1):
        at = instants.iso(START - day * DAY)
        await book.record(per_day, 0, occurred_at=at, **fields)


async def forecast_of(book, policy, unit="tokens"):
    rows = (await limits.list_limits(book.ledger, {"unit": unit})).items
    return next(row["forecast"] for row in rows if row["policy_id"] == policy.policy_id)


async def test_three_days_are_too_few_for_a_forecast_and_seven_are_enough(book):
    policy = await book.policy("warn", "weekly", token_limit=350)
    await spend(book, 3)
    found = await forecast_of(book, policy)
    assert (found["insufficient_history"], found["learnt_from"]) == (True, 3)
    assert (found["projected"], found["exhausts_at"], found["method"]) == (None, None, None)
    await spend(book, 7, per_day=50)
    known = await forecast_of(book, policy)
    assert (known["insufficient_history"], known["learnt_from"], known["method"]) == (False, 7, "run_rate")
    assert known["projected_low"] <= known["projected"] <= known["projected_high"]


async def test_a_steady_pace_says_when_the_limit_is_reached(book):
    await book.price(effective_date="2026-01-01")
    policy = await book.policy("warn", "weekly", cost_limit="0.005", component="rhetor")
    await spend(book, 10)
    await spend(book, 10, component="terma", per_day=7777)
    found = await forecast_of(book, policy, "cost")
    # Monday is used up; from Tuesday 10:30 on 0.001 a day until Sunday's end.
    assert found["projected"] == Decimal("0.0065625")
    assert found["exhausts_at"][:16] == found["exhausts_latest"][:16] == "2026-11-28T10:30"


async def test_a_limit_of_a_user_has_none_and_what_is_used_up_is_so_at_once(book):
    policy = await book.policy("warn", "daily", token_limit=100, user_id="ada")
    await spend(book, 10, user_id="ada")
    assert (await forecast_of(book, policy))["insufficient_history"] is True
    await book.record(100, 0, user_id="ada")
    assert (await forecast_of(book, policy))["exhausts_at"][:16] == "2026-11-24T10:30"


async def test_an_hourly_limit_learns_from_a_week_of_hours(book):
    policy = await book.policy("warn", "hourly", token_limit=5)
    await book.record(168, 0, occurred_at=instants.iso(START - 7 * DAY))
    found = await forecast_of(book, policy)
    assert (found["learnt_from"], found["projected"]) == (168, 0)


async def test_the_report_forecasts_each_group_and_all_of_them(book):
    policy = await book.policy("warn", "weekly", token_limit=5000)
    await spend(book, 14)
    await spend(book, 3, model="new", per_day=700)
    found = await forecasts.forecasts(book.ledger, Asked(by=("model",)), "weekly", "tokens")
    new, steady = found["rows"]
    assert (new["model"], new["total_tokens"], new["forecast"]["insufficient_history"]) == ("new", 700, True)
    # Monday, and from Tuesday 10:30 on 5.5625 days.
    assert (steady["total_tokens"], steady["forecast"]["projected"]) == (100, 656)
    assert (found["totals"]["total_tokens"], found["forecast"]["projected"]) == (800, 800 + round(250 * 5.5625))
    (limit,) = [row for row in found["limits"] if row["policy_id"] == policy.policy_id]
    assert limit["forecast"]["projected"] == found["forecast"]["projected"]


async def test_an_hour_has_no_report(book):
    with pytest.raises(Invalid, match="hourly"):
        await forecasts.forecasts(book.ledger, Asked(), "hourly", "cost")
