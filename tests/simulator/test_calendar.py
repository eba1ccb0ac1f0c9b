"""The model's own windows, against what a calendar on the wall says."""

import pytest

from budget.domain import instants
from budget.simulator.calendar import bounds, clock_window, window_key


def window(period, zone, at):
    return tuple(instants.iso(edge)[:16] for edge in clock_window(period, zone, instants.parse_instant(at, "UTC")))


@pytest.mark.parametrize(
    ("period", "zone", "at", "expected"),
    [
        ("daily", "UTC", "2026-11-24T10:30Z", ("2026-11-24T00:00", "2026-11-25T00:00")),
        ("daily", "Europe/Berlin", "2026-10-25T12:00Z", ("2026-10-24T22:00", "2026-10-25T23:00")),  # 25 hours
        ("daily", "Europe/Berlin", "2027-03-28T12:00Z", ("2027-03-27T23:00", "2027-03-28T22:00")),  # 23 hours
        ("daily", "Atlantic/Azores", "2026-10-25T01:30Z", ("2026-10-25T00:00", "2026-10-26T01:00")),  # midnight twice
        ("daily", "Atlantic/Azores", "2027-03-28T01:30Z", ("2027-03-28T01:00", "2027-03-29T00:00")),  # no midnight
        ("weekly", "Asia/Kathmandu", "2026-11-24T10:30Z", ("2026-11-22T18:15", "2026-11-29T18:15")),
        ("monthly", "America/New_York", "2026-11-24T10:30Z", ("2026-11-01T04:00", "2026-12-01T05:00")),
        ("hourly", "Asia/Kathmandu", "2026-11-24T10:30Z", ("2026-11-24T10:15", "2026-11-24T11:15")),
        ("hourly", "Australia/Lord_Howe", "2027-04-03T15:10Z", ("2027-04-03T15:00", "2027-04-03T15:30")),  # cut
    ],
)
def test_a_window_is_what_the_calendar_says(period, zone, at, expected):
    assert window(period, zone, at) == expected


def test_a_key_names_its_window():
    at = instants.parse_instant("2026-11-24T10:30Z", "UTC")
    assert bounds(window_key("daily", "UTC", at)) == clock_window("daily", "UTC", at)
