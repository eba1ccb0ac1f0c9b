"""Instants: exact conversion both ways, and the text they are read from."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.domain import instants

EDGES = st.integers(instants.EARLIEST, instants.END_OF_TIME - 1)


@given(EDGES)
def test_conversions_are_exact_both_ways(instant):
    assert instants.from_datetime(instants.to_datetime(instant)) == instant
    assert instants.parse_instant(instants.iso(instant), "Asia/Kathmandu") == instant


@given(EDGES, EDGES)
def test_text_sorts_as_time_does(one, other):
    assert (one < other) == (instants.iso(one) < instants.iso(other))


def test_a_datetime_comes_back_aware_in_utc():
    assert instants.to_datetime(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert instants.to_datetime(0).tzinfo is UTC


def test_a_datetime_without_offset_is_refused():
    with pytest.raises(ValueError, match="no UTC offset"):
        instants.from_datetime(datetime(2026, 1, 1))


@pytest.mark.parametrize("instant", [-1, instants.END_OF_TIME])
def test_instants_outside_1970_to_2999_are_refused(instant):
    with pytest.raises(ValueError, match="1970 to 2999"):
        instants.to_datetime(instant)
    with pytest.raises(ValueError, match="1970 to 2999"):
        instants.from_datetime(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant))


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-11-24T10:28:08.123456Z", "Asia/Tokyo", "2026-11-24T10:28:08.123456Z"),
        ("2026-11-24t10:28:08z", "Asia/Tokyo", "2026-11-24T10:28:08.000000Z"),
        ("2026-11-24T10:28:08.123456789Z", "UTC", "2026-11-24T10:28:08.123456Z"),
        ("2026-11-24T10:28:08,5+05:45", "UTC", "2026-11-24T04:43:08.500000Z"),
        ("2026-11-24T10:28-0300", "UTC", "2026-11-24T13:28:00.000000Z"),
        ("2026-11-24 10:28:08", "Asia/Kathmandu", "2026-11-24T04:43:08.000000Z"),
        ("2026-11-24", "Asia/Kathmandu", "2026-11-23T18:15:00.000000Z"),
        ("2999-12-31T23:59:59.999999Z", "UTC", "2999-12-31T23:59:59.999999Z"),
        # Twice on the clock: the first. Not on the clock: read with the offset before the change.
        ("2026-11-01T01:30", "America/New_York", "2026-11-01T05:30:00.000000Z"),
        ("2026-03-08T02:30", "America/New_York", "2026-03-08T07:30:00.000000Z"),
        # No local midnight: the first instant of the day is 01:00.
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00.000000Z"),
        # Two local midnights: the first.
        ("2025-11-02", "America/Havana", "2025-11-02T04:00:00.000000Z"),
        # A day that never was starts with the next one.
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00.000000Z"),
        ("2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00.000000Z"),
        # An offset of odd seconds: -00:44:30.
        ("1971-06-01", "Africa/Monrovia", "1971-06-01T00:44:30.000000Z"),
    ],
)
def test_text_names_an_instant(text, zone, expected):
    assert instants.iso(instants.parse_instant(text, zone)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "20261124",
        "2026-W48-2",
        "2026-11",
        "2026-11-31",
        "2026-13-01",
        "2026-11-24T",
        "2026-11-24T10",
        "2026-11-24T24:00",
        "2026-11-24T10:60",
        "2026-11-24T10:28:60",
        "2026-11-24x10:28",
        "2026-11-24T10:28+99:00",
        "2026-11-24T10:28 Europe/Berlin",
        " 2026-11-24",
        "2026-11-24\n",
        "٢٠٢٦-11-24",
        "1795516088",
        "1969-12-31",
        "3000-01-01",
        "0000-01-01",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
    ],
)
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        instants.parse_instant(text, "UTC")


def test_text_in_an_unknown_zone_is_refused():
    with pytest.raises(ValueError, match="Mars/Olympus"):
        instants.parse_instant("2026-11-24", "Mars/Olympus")


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "US/Eastern"])
def test_zones_of_the_database_exist(name):
    assert instants.zone_exists(name)
    assert instants.time_zone(name).key == name


@pytest.mark.parametrize(
    "name",
    ["", "utc", "europe/berlin", "Europe", "Factory", "../zones", "/etc/localtime", "Europe/../UTC", "Europe/Berlin\0"],
)
def test_anything_else_is_no_zone(name):
    assert not instants.zone_exists(name)
    with pytest.raises(ValueError, match="time zone"):
        instants.time_zone(name)


def test_every_listed_zone_loads():
    names = sorted(instants._zone_names())
    assert len(names) > 500
    assert all(instants.time_zone(name).key == name for name in names)


def test_P11_a_skipped_midnight_starts_at_the_change_in_cairo_and_beirut():
    assert instants.iso(instants.start_of_day(date(2024, 4, 26), "Africa/Cairo")) == "2024-04-25T22:00:00.000000Z"
    assert instants.iso(instants.start_of_day(date(2022, 3, 27), "Asia/Beirut")) == "2022-03-26T22:00:00.000000Z"
