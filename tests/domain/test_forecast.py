"""Forecasts of series whose future is known."""

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.domain import forecast, instants, periods
from budget.domain.forecast import Past

DAY = 86_400 * 1_000_000
MONDAY = instants.parse_instant("2026-11-23", "UTC")


def pace_of(amounts):
    """What a past that ended yesterday, on a Sunday, says."""
    found = forecast.pace_of([Past((at - len(amounts)) % 7, amount) for at, amount in enumerate(amounts)])
    assert found is not None
    return found


def expected(pace, steps, used=0, room=None):
    """What will be used, at least, likely and at most."""
    found = forecast.forecast(pace, steps, used, room)
    assert found.projected is not None
    assert found.low is not None
    assert found.high is not None
    return found.low, found.projected, found.high


def steps(now=MONDAY, days=7):
    return forecast.steps_of("weekly", "UTC", now, MONDAY + days * DAY)


@pytest.mark.parametrize("days", [0, 1, 3, 6])
def test_a_past_of_fewer_than_seven_days_forecasts_nothing(days):
    assert forecast.pace_of([Past(day, 100) for day in range(days)]) is None
    assert forecast.forecast(None, steps(), 50, 1000) == forecast.Forecast()


def test_what_is_used_up_is_so_now_whatever_the_past():
    found = forecast.forecast(None, steps(), 1000, 0)
    assert (found.exhausts_at, found.earliest, found.latest, found.projected) == (MONDAY, MONDAY, MONDAY, None)


def test_the_same_every_day_goes_on_so_without_any_doubt():
    pace = pace_of([100] * 10)
    found = forecast.forecast(pace, steps(), 40, 250)
    half_of_wednesday = MONDAY + 2 * DAY + DAY // 2
    assert found == forecast.Forecast(740, 740, 740, half_of_wednesday, half_of_wednesday, half_of_wednesday)


def test_the_rest_of_a_day_counts_as_its_part():
    pace = pace_of([100] * 7)
    assert forecast.forecast(pace, steps(now=MONDAY + DAY * 3 // 4, days=1), 0, None).projected == 25


def test_weekends_without_work_are_foreseen_from_four_weeks_on():
    week = [100, 100, 100, 100, 100, 0, 0]
    known = pace_of(week * 4)
    assert (known.method, known.deviation) == ("weekday", 0.0)
    friday = MONDAY + 4 * DAY
    assert forecast.forecast(known, steps(now=friday), 0, None).projected == 100
    assert forecast.forecast(known, steps(now=friday), 0, 101).exhausts_at is None
    guessed = pace_of(week * 3)
    assert guessed.method == "run_rate"
    assert forecast.forecast(guessed, steps(now=friday), 0, None).projected == round(Fraction(1500, 7))


def test_a_limit_that_outlasts_the_window_is_not_exhausted():
    pace = pace_of([100] * 7)
    assert forecast.forecast(pace, steps(), 0, 701).exhausts_at is None
    assert forecast.forecast(pace, steps(), 0, 700).exhausts_at == MONDAY + 7 * DAY


def test_the_interval_holds_four_times_in_five():
    chance, held = random.Random(7), 0
    for _ in range(400):
        past = [max(0, round(chance.gauss(1000, 200))) for _ in range(21)]
        future = sum(max(0, round(chance.gauss(1000, 200))) for _ in range(7))
        low, _, high = expected(pace_of(past), steps())
        held += low <= future <= high
    assert 0.75 < held / 400 < 0.86


def test_an_hour_is_foreseen_from_a_week_of_hours():
    hours = [Past(0, 60)] * forecast.LEAST_HOURS
    rest = forecast.steps_of("hourly", "UTC", MONDAY + DAY // 48, MONDAY + DAY // 24)
    assert forecast.forecast(forecast.pace_of(hours, forecast.LEAST_HOURS), rest, 5, None).projected == 35
    assert forecast.pace_of(hours[1:], forecast.LEAST_HOURS) is None


def test_a_day_of_25_hours_is_one_day():
    start, end = periods.window_at("daily", "Europe/Berlin", instants.parse_instant("2026-10-25", "Europe/Berlin"))
    (only,) = forecast.steps_of("daily", "Europe/Berlin", start, end)
    assert (only.share == 1, only.weekday, end - start) == (True, 6, 25 * DAY // 24)


@given(
    st.lists(st.integers(0, 10**15), min_size=7, max_size=56),
    st.integers(0, 10**15),
    st.integers(1, 10**16),
    st.integers(0, 7 * DAY - 1),
)
def test_bounds_lie_around_what_is_expected(amounts, used, room, elapsed):
    rest = steps(now=MONDAY + elapsed)
    found = forecast.forecast(pace_of(amounts), rest, used, room)
    low, projected, high = expected(pace_of(amounts), rest, used, room)
    assert used <= low <= projected <= high
    moments = [at for at in (found.earliest, found.exhausts_at, found.latest) if at is not None]
    assert moments == sorted(moments)
    assert all(rest[0].start <= at <= rest[-1].end for at in moments)
    assert found.exhausts_at is None or found.earliest is not None
