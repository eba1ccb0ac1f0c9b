"""Each entry of the journal as an event: its type, where it belongs, how grave it is, and what it is about."""

import re

import pytest

from budget.domain.entries import Entry, encode
from budget.domain.errors import Invalid
from budget.domain.events import DRAWN, TYPES, Event, Filter, project, severities_of, types_of


def an_event(**fields):
    return Event(**{"seq": 1, "type": "usage.recorded", "at": 0, "caller": "c", "subject": "s", **fields})


def an_entry(kind, flags=0, **data):
    return Entry(seq=7, at=0, kind=kind, caller="c", subject="s", flags=flags, data=encode(data).decode())


def an_alert(used, *, exceeded=True, unit="cost"):
    details = encode({"usage_percentage": used, "component": "x"}).decode()
    return {
        "alert_id": "a",
        "seq": 1,
        "budget_id": "b",
        "policy_id": "p",
        "unit": unit,
        "limit_value": "1",
        "window_key": "w",
        "threshold": "1",
        "severity": "error",
        "type": f"cost_limit_{'exceeded' if exceeded else 'approaching'}",
        "message": "m",
        "details": details,
        "raised_at": 0,
        "acknowledged_at": None,
        "acknowledged_by": None,
    }


POLICY = {"policy_id": "s", "budget_id": "b", "type": "warn", "period": "daily", "created_at": 0, "updated_at": 0}
BUDGET = {"budget_id": "s", "name": "n", "time_zone": "UTC", "created_at": 0, "updated_at": 0, "is_active": True}
ON, OFF = {**POLICY, "enabled": True}, {**POLICY, "enabled": False}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (an_entry("alert_changed", change="raised", alert=an_alert(0.8, exceeded=False)), "limit.approached"),
        (an_entry("alert_changed", change="raised", alert=an_alert(1)), "limit.reached"),
        (an_entry("alert_changed", change="raised", alert=an_alert(1.01)), "limit.exceeded"),
        (an_entry("alert_changed", change="raised", alert=an_alert(None)), "limit.exceeded"),
        (an_entry("alert_changed", change="raised", alert=an_alert(None, unit="clock")), "clock.jumped"),
        (an_entry("alert_changed", change="acknowledged", alert=an_alert(1)), "alert.acknowledged"),
        (an_entry("policy_changed", before=None, after=ON), "policy.created"),
        (an_entry("policy_changed", before=ON, after={**ON, "token_limit": 5}), "policy.updated"),
        (an_entry("policy_changed", before=ON, after=OFF), "policy.disabled"),
        (an_entry("policy_changed", before=OFF, after=OFF), "policy.updated"),
        (an_entry("policy_changed", opening="c:1"), "policy.window_opened"),
        (an_entry("policy_changed", closing="c:1"), "policy.window_closed"),
        (an_entry("budget_changed", before=None, after=BUDGET), "budget.created"),
        (an_entry("budget_changed", before=BUDGET, after={**BUDGET, "name": "o"}), "budget.updated"),
        (an_entry("budget_changed", before=BUDGET, after={**BUDGET, "is_active": False}), "budget.deactivated"),
        (an_entry("price_changed", source="list", added=3), "price.list_loaded"),
        (an_entry("model_changed", before=None, after={"provider": "p", "model": "m"}), "model.updated"),
        (an_entry("key_changed", change="created"), "key.changed"),
        (an_entry("imported", count=3), "usage.imported"),
    ],
)
def test_an_entry_has_the_type_of_what_happened(entry, expected):
    event = project(entry, {}, {})
    assert (event.type, event.seq) == (expected, 7)
    assert event.type in TYPES


def test_an_alert_belongs_where_its_limit_does_and_is_as_grave():
    event = project(an_entry("alert_changed", change="raised", alert=an_alert(1)), {}, {})
    assert (event.budget_id, event.component, event.severity) == ("b", "x", "error")


def test_words_are_types_or_families():
    assert types_of([]) is None
    assert types_of(["price.set"]) == frozenset(("price.set",))
    assert types_of(["policy.*", "price.set"]) == frozenset((*filter(re.compile("policy").match, TYPES), "price.set"))
    assert types_of(["*"]) == frozenset(TYPES)
    for wrong in ("nix", "policy", "policy.", "nix.*", ""):
        with pytest.raises(Invalid) as error:
            types_of([wrong])
        assert error.value.field == "types"


def test_severities_are_known_words_in_any_case():
    assert severities_of([]) is None
    assert severities_of(["WARNING", "error"]) == frozenset(("warning", "error"))
    with pytest.raises(Invalid, match="must be of"):
        severities_of(["bad"])


@pytest.mark.parametrize(
    ("wanted", "event", "passes"),
    [
        (Filter(), an_event(), True),
        (Filter(types=frozenset(("price.set",))), an_event(), False),
        (Filter(types=frozenset(("usage.recorded",))), an_event(), True),
        (Filter(budget_id="a"), an_event(budget_id="b"), False),
        (Filter(budget_id="a"), an_event(budget_id="a"), True),
        (Filter(budget_id="a"), an_event(budget_id=None), True),
        (Filter(component="x"), an_event(component="y"), False),
        (Filter(component="x"), an_event(component=None), True),
        (Filter(severities=frozenset(("error",))), an_event(), False),
        (Filter(), an_event(seq=None, type=DRAWN), False),
        (Filter(announced=frozenset((DRAWN,))), an_event(seq=None, type=DRAWN), True),
        (Filter(announced=frozenset((DRAWN,)), budget_id="a"), an_event(seq=None, type=DRAWN, budget_id="b"), False),
    ],
)
def test_a_filter_lets_pass_what_is_wanted_and_what_concerns_everyone(wanted, event, passes):
    assert wanted.passes(event) is passes
