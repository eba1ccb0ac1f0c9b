"""Periods: windows across every clock change, against an oracle that only ever looks at a clock."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from budget.domain import instants, periods
from budget.domain.periods import CLOCK_PERIODS, Window, window_at

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Johannesburg",
    "Africa/Lagos",
    "Africa/Windhoek",
    "America/Asuncion",
    "America/Bogota",
    "America/Caracas",
    "America/Goose_Bay",
    "America/Halifax",
    "America/Havana",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Damascus",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Pyongyang",
    "Asia/Shanghai",
    "Asia/Tehran",
    "Asia/Tokyo",
    "Asia/Yangon",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Australia/Eucla",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "Europe/Moscow",
    "Europe/Istanbul",
    "Pacific/Apia",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Marquesas",
    "UTC",
]
FIRST_YEAR, YEARS = 2009, 10


def at(text, zone="UTC"):
    return instants.parse_instant(text, zone)


def computed(period, zone, instant):
    """The window computed, not remembered from an instant nearby."""
    periods._recent.clear()
    return window_at(period, zone, instant)


def shown(window, zone):
    """A window's bounds as the clocks of its zone show them."""
    local = instants.time_zone(zone)
    return [instants.to_datetime(bound).astimezone(local).strftime("%m-%d %H:%M%z") for bound in window]


# The oracle: walk a clock in small steps and note when what it shows calls for a new window.


def clock(second, zone):
    return datetime.fromtimestamp(second, UTC).astimezone(zone)


def walked_starts(period, zone_name, begin, end, step):
    """Seconds in (begin, end) at which a window starts, by the clock alone; `begin` lies past a repeated hour."""
    zone = instants.time_zone(zone_name)
    starts, shown_before = [], None
    for second in range(begin, end, step):
        local = clock(second, zone)
        if period == "hourly":
            label = (local.toordinal(), local.hour, local.utcoffset())
        else:
            calendar = local.isocalendar()
            label = {
                "daily": (local.year, local.month, local.day),
                "weekly": (calendar.year, calendar.week),
                "monthly": (local.year, local.month),
            }[period]
            label = max(label, shown_before) if shown_before else label  # what has begun goes on
        if shown_before is not None and label != shown_before:
            starts.append(second)
        shown_before = label
    return starts


def computed_starts(period, zone, begin, end):
    starts, window = [], window_at(period, zone, begin * SECOND)
    while window.end < end * SECOND:
        starts.append(window.end // SECOND)
        window = periods.next_window(period, zone, window)
    return starts


def days_with_a_change(zone_name):
    zone = instants.time_zone(zone_name)
    noons = range(at(f"{FIRST_YEAR}-01-01T12:00") // SECOND, at(f"{FIRST_YEAR + YEARS}-01-01") // SECOND, 86_400)
    return [later for noon, later in pairwise(noons) if clock(noon, zone).utcoffset() != clock(later, zone).utcoffset()]


def fine_step(zone):
    return 60 if zone in {"America/Goose_Bay", "America/St_Johns", "Asia/Gaza"} else 900  # changes at 00:01


@pytest.mark.parametrize("zone", ZONES)
def test_P11_hours_and_days_agree_with_a_walked_clock_at_every_change_of_ten_years(zone):
    for noon_after in days_with_a_change(zone):
        begin, end = noon_after - 2 * 86_400, noon_after + 86_400
        for period in ("hourly", "daily"):
            walked = walked_starts(period, zone, begin, end, fine_step(zone))
            assert computed_starts(period, zone, begin, end) == walked


@pytest.mark.parametrize("zone", ZONES)
def test_P11_days_weeks_and_months_of_ten_years_touch_and_begin_with_their_label(zone):
    local_zone = instants.time_zone(zone)
    begin, end = at(f"{FIRST_YEAR}-01-01T12:00"), at(f"{FIRST_YEAR + YEARS}-01-01")
    for period in ("daily", "weekly", "monthly"):
        window = window_at(period, zone, begin)
        while window.end < end:
            following = window_at(period, zone, window.end)
            assert following.start == window.end < following.end
            last, first = clock(window.end // SECOND - 1, local_zone), clock(window.end // SECOND, local_zone)
            assert last.date() < first.date()
            assert first.day == 1 or period != "monthly"
            assert first.weekday() == 0 or period != "weekly"
            window = following


INSTANTS = st.integers(instants.EARLIEST, at("2100-01-01"))


@given(st.sampled_from(ZONES), INSTANTS, st.sampled_from(CLOCK_PERIODS))
def test_P11_every_instant_lies_in_exactly_one_window_and_windows_touch(zone, instant, period):
    window = computed(period, zone, instant)
    assert window.start <= instant < window.end
    assert computed(period, zone, window.end - 1) == window
    assert computed(period, zone, window.end).start == window.end
    if window.start > 0:
        assert computed(period, zone, window.start) == window
        assert computed(period, zone, window.start - 1).end == window.start


@given(st.sampled_from(ZONES), INSTANTS)
@example("Pacific/Apia", at("2011-12-30T09:59:59"))
@example("America/Goose_Bay", at("2010-11-07T03:30"))
def test_P11_hours_nest_in_days_and_days_in_weeks_and_months(zone, instant):
    hour, day, week, month = (computed(period, zone, instant) for period in CLOCK_PERIODS)
    assert day.start <= hour.start < hour.end <= day.end
    assert week.start <= day.start < day.end <= week.end
    assert month.start <= day.start < day.end <= month.end
    assert hour.end - hour.start <= HOUR


@given(st.sampled_from(ZONES), st.integers(at("2009-01-08"), at("2019-01-01")))
def test_P11_windows_agree_with_a_walked_clock_at_any_time(zone, instant):
    begin = instant // SECOND // 900 * 900
    for period in CLOCK_PERIODS:
        if fine_step(zone) == 900 and window_at("daily", zone, begin * SECOND).start < (begin - 7200) * SECOND:
            walked = walked_starts(period, zone, begin, begin + 2 * 86_400, 900)
            assert computed_starts(period, zone, begin, begin + 2 * 86_400) == walked


# Named clock changes.


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("America/Sao_Paulo", "2018-02-17", 25),
        ("Asia/Kathmandu", "2026-11-01", 24),
        ("Africa/Cairo", "2024-04-26", 23),
        ("Asia/Beirut", "2022-03-27", 23),
        ("America/Havana", "2025-11-02", 25),
        ("Asia/Pyongyang", "2018-05-04", 23.5),
        ("Pacific/Apia", "2011-12-29", 24),
        ("Pacific/Apia", "2011-12-31", 24),
    ],
)
def test_P11_a_day_is_as_long_as_its_clock_makes_it(zone, noon, hours):
    window = window_at("daily", zone, at(f"{noon}T12:00", zone))
    assert window.end - window.start == hours * HOUR


def test_P11_new_york_skips_an_hour_in_march():
    before = window_at("hourly", "America/New_York", at("2026-03-08T06:30Z"))
    after = periods.next_window("hourly", "America/New_York", before)
    assert shown(before, "America/New_York") == ["03-08 01:00-0500", "03-08 03:00-0400"]
    assert shown(after, "America/New_York") == ["03-08 03:00-0400", "03-08 04:00-0400"]


def test_P11_new_york_has_the_repeated_hour_of_november_twice():
    first = window_at("hourly", "America/New_York", at("2026-11-01T05:30Z"))
    second = periods.next_window("hourly", "America/New_York", first)
    assert shown(first, "America/New_York") == ["11-01 01:00-0400", "11-01 01:00-0500"]
    assert shown(second, "America/New_York") == ["11-01 01:00-0500", "11-01 02:00-0500"]


def test_P11_lord_howe_cuts_an_hour_in_half_both_ways():
    forward = window_at("hourly", "Australia/Lord_Howe", at("2026-10-04T02:45", "Australia/Lord_Howe"))
    assert shown(forward, "Australia/Lord_Howe") == ["10-04 02:30+1100", "10-04 03:00+1100"]
    before = window_at("hourly", "Australia/Lord_Howe", at("2026-04-05T01:15", "Australia/Lord_Howe"))
    repeated = periods.next_window("hourly", "Australia/Lord_Howe", before)
    assert shown(before, "Australia/Lord_Howe") == ["04-05 01:00+1100", "04-05 01:30+1030"]
    assert shown(repeated, "Australia/Lord_Howe") == ["04-05 01:30+1030", "04-05 02:00+1030"]


def test_P11_sao_paulo_has_no_midnight_in_november_2018():
    window = window_at("daily", "America/Sao_Paulo", at("2018-11-04T12:00", "America/Sao_Paulo"))
    assert shown(window, "America/Sao_Paulo") == ["11-04 01:00-0200", "11-05 00:00-0200"]
    assert window_at("weekly", "America/Sao_Paulo", window.start - 1).end == window.end


def test_P11_kathmandu_hours_start_at_a_quarter_past_in_utc():
    window = window_at("hourly", "Asia/Kathmandu", at("2026-11-24T10:28Z"))
    assert window == (at("2026-11-24T10:15Z"), at("2026-11-24T11:15Z"))


def test_P11_goose_bay_keeps_the_day_that_had_begun_when_clocks_fell_back_over_midnight():
    midnight = at("2010-11-07T00:00", "America/Goose_Bay")
    day = window_at("daily", "America/Goose_Bay", midnight)
    for minutes in (0, 1, 30, 59, 60, 90):  # 00:00, then 23:01 of the sixth, then 00:00 again
        assert computed("daily", "America/Goose_Bay", midnight + minutes * 60 * SECOND) == day
    assert day.start == midnight
    assert day.end - day.start == 25 * HOUR
    month = computed("monthly", "America/Goose_Bay", midnight + 30 * 60 * SECOND)
    assert month.start <= day.start < day.end <= month.end
    minute = window_at("hourly", "America/Goose_Bay", midnight)
    assert minute.end - minute.start == 60 * SECOND


def test_P11_apia_goes_from_the_29th_to_the_31st():
    before = window_at("daily", "Pacific/Apia", at("2011-12-29T12:00", "Pacific/Apia"))
    after = periods.next_window("daily", "Pacific/Apia", before)
    assert shown(after, "Pacific/Apia") == ["12-31 00:00+1400", "01-01 00:00+1400"]


def test_P11_monrovia_with_an_offset_of_odd_seconds():
    window = window_at("hourly", "Africa/Monrovia", at("1971-06-01T12:00Z"))
    assert window == (at("1971-06-01T11:44:30Z"), at("1971-06-01T12:44:30Z"))


def test_P11_weeks_start_on_monday_and_months_on_the_first():
    week = window_at("weekly", "Europe/Berlin", at("2026-11-24T10:28Z"))
    month = window_at("monthly", "Europe/Berlin", at("2024-02-29T10:28Z"))
    assert shown(week, "Europe/Berlin") == ["11-23 00:00+0100", "11-30 00:00+0100"]
    assert shown(month, "Europe/Berlin") == ["02-01 00:00+0100", "03-01 00:00+0100"]


# Keys, buckets, what is refused, and cost.


def test_zones_whose_windows_agree_share_a_key():
    instant = at("2026-07-01T12:00Z")
    berlin, paris = window_at("daily", "Europe/Berlin", instant), window_at("daily", "Europe/Paris", instant)
    assert berlin.key == paris.key == f"{berlin.start // SECOND}-{berlin.end // SECOND}"
    assert berlin.key != window_at("daily", "UTC", instant).key


def test_buckets_are_the_starts_of_day_and_hour():
    buckets = periods.day_and_hour_buckets("Asia/Kathmandu", at("2026-11-24T10:28Z"))
    assert buckets == (at("2026-11-23T18:15Z"), at("2026-11-24T10:15Z"))


@pytest.mark.parametrize("period", ["per_session", "per_task", "yearly", ""])
def test_other_periods_have_no_window(period):
    with pytest.raises(ValueError, match="not a period of the clock"):
        window_at(period, "UTC", 0)


def test_unknown_zones_and_times_out_of_range_are_refused():
    assert not periods.zone_exists("Mars/Olympus")
    with pytest.raises(ValueError, match="time zone"):
        window_at("daily", "Mars/Olympus", 0)
    for instant in (-1, instants.END_OF_TIME):
        with pytest.raises(ValueError, match="1970 to 2999"):
            window_at("daily", "UTC", instant)


def test_the_last_instant_has_its_windows():
    last = instants.END_OF_TIME - 1
    for zone in ZONES:
        for period in CLOCK_PERIODS:
            window = window_at(period, zone, last)
            assert window.start <= last < window.end


def test_the_memory_stays_small_and_answers_from_itself():
    for day in range(100):
        window_at("daily", "UTC", day * DAY)
    remembered = periods._recent["daily", "UTC"]
    assert len(remembered) <= 8
    assert remembered[0] == Window(99 * DAY, 100 * DAY)
    assert window_at("daily", "UTC", 99 * DAY + 5) is remembered[0]
