"""Events in Tekton's envelope, for every type that the wire contract advertises."""

import pytest

from budget.domain.events import TYPES
from budget.operations import bodies, tekton_events
from budget.operations.tekton_events import envelopes, resets

ADVERTISED = {
    "budget.limit_exceeded",
    "budget.limit_approaching",
    "budget.price_update",
    "budget.allocated",
    "budget.updated",
    "budget.exceeded",
    "budget.reset",
}
FIELDS = {"message_id", "sender", "message_type", "timestamp", "payload", "event_type", "severity"}
HOUR = 3_600_000_000


@pytest.fixture
async def told(service, used):
    """The envelopes of all that happened."""
    found = [message.event for message in await service.state.ledger.bus.read(0, 500)]
    return [envelope for event in found for envelope in envelopes(event)]


def test_every_advertised_type_is_made_and_no_other():
    assert {name for names in tekton_events.TYPES.values() for name in names} | {tekton_events.RESET} == ADVERTISED
    assert set(tekton_events.TYPES) <= set(TYPES)


async def test_an_envelope_has_the_contracts_fields_and_is_json(told):
    for envelope in told:
        assert set(envelope) == FIELDS
        assert (envelope["sender"], envelope["message_type"]) == ("budget", "budget.event")
        assert bodies.encode(envelope)
    assert len({envelope["message_id"] for envelope in told}) == len(told)


async def test_what_happened_is_told_by_its_names(told):
    by_type = {envelope["event_type"]: envelope for envelope in told}
    assert set(by_type) == ADVERTISED - {"budget.reset"}
    assert by_type["budget.allocated"]["payload"]["allocation"]["tokens_allocated"] == 1000
    assert by_type["budget.price_update"]["payload"]["update"]["model"] == "m-1"
    assert by_type["budget.updated"]["payload"]["record"]["total_tokens"] == 15
    exceeded = by_type["budget.limit_exceeded"]
    assert (exceeded["severity"], exceeded["payload"]["type"]) == ("error", "cost_limit_exceeded")
    assert by_type["budget.exceeded"]["payload"] == exceeded["payload"]


async def test_a_window_that_begins_is_a_reset_once(service):
    ledger = service.state.ledger
    configuration = await ledger.refresh()
    now = ledger.now()
    hour = now - now % HOUR + HOUR
    assert [each["event_type"] for each in resets(configuration, now, hour - 1)] == []
    (hourly, *others) = resets(configuration, now, hour)
    assert hourly["payload"]["period"] == "hourly"
    assert hourly["payload"]["policy_ids"]
    assert {each["payload"]["period"] for each in others} <= {"daily", "weekly", "monthly"}
    assert resets(configuration, hour, hour + 1) == []


def test_there_are_events_that_tekton_has_no_word_for():
    assert {"key.changed", "clock.jumped", "alert.acknowledged"} <= set(TYPES) - set(tekton_events.TYPES)
