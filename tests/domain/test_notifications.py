"""Who wants to hear of what, and when it is tried again."""

import pytest

from budget.domain import notifications as told
from budget.domain.events import Event

SECOND = 1_000_000


def a_receiver(**fields):
    return told.Receiver(
        receiver_id="r", name="ops", kind="webhook", target="https://example.com/", created_at=0, updated_at=0, **fields
    )


def an_event(type="limit.reached", **fields):  # noqa: A002
    fields = {"severity": "error", "budget_id": "b", "component": "apollo", **fields}
    return Event(seq=1, type=type, at=0, caller="system", subject="a", **fields)


A_DELIVERY = told.Delivery(
    delivery_id="1-r", receiver_id="r", type="limit.reached", seq=1, created_at=0, next_at=0, body="{}"
)


@pytest.mark.parametrize(
    ("rules", "event", "is_wanted"),
    [
        ({}, {}, True),
        ({}, {"type": "usage.recorded"}, False),
        ({"types": ("usage.*",)}, {"type": "usage.recorded"}, True),
        ({"severities": ("warning",)}, {}, False),
        ({"severities": ("warning", "error")}, {}, True),
        ({"budgets": ("b",)}, {}, True),
        ({"budgets": ("c",)}, {}, False),
        ({"budgets": ("c",)}, {"budget_id": None}, True),
        ({"components": ("rhetor",)}, {}, False),
        ({"components": ("rhetor",)}, {"component": None}, True),
    ],
)
def test_rules_choose_events_and_what_concerns_all_passes(rules, event, is_wanted):
    assert told.wanted(a_receiver(**rules)).passes(an_event(**event)) is is_wanted


def test_it_is_tried_ten_times_with_growing_pauses_then_it_is_dead():
    delivery, pauses = A_DELIVERY, []
    while delivery.state == "pending":
        delivery = told.after_failure(delivery, 0, 0, error="answered 500", status=500)
        pauses.append(delivery.next_at // SECOND)
    assert pauses == [*told.BACKOFF_SECONDS, 0]
    assert (delivery.attempts, delivery.error) == (10, "answered 500")


def test_chance_makes_a_pause_longer_by_a_fifth_at_most():
    waits = [told.after_failure(A_DELIVERY, 0, chance, error="") for chance in (0, 0.5, 1)]
    assert [each.next_at for each in waits] == [5 * SECOND, 5_500_000, 6 * SECOND]


def test_what_will_never_be_taken_is_dead_at_once():
    assert told.after_failure(A_DELIVERY, 0, 0, error="gone", status=410, final=True).state == "dead"
