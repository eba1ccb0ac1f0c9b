"""Events: each entry of the journal as something that happened, and who wants to hear of it.

The journal is the stream (`docs/why.md`): an event is a projection of one entry and of the hold or record that it is
about, the same whenever it is made. An entry that carries no copy of those gets them as they were when it was written.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from budget.domain import history
from budget.domain.budgets import Budget
from budget.domain.entries import Entry
from budget.domain.errors import Invalid
from budget.domain.models import Model
from budget.domain.policies import Policy
from budget.domain.pricing import Price
from budget.domain.records import OVER_LIMIT, Alert, Hold, Record

SEVERITIES = ("info", "warning", "error")

TYPES: Mapping[str, str] = {
    "allocation.held": "Tokens and money were held for a call.",
    "allocation.started": "The call of an allocation has begun.",
    "allocation.extended": "An allocation expires later.",
    "allocation.increased": "An allocation holds more.",
    "allocation.settled": "What the call used was booked, and the rest given back.",
    "allocation.released": "An allocation was given back.",
    "allocation.expired": "An allocation's time was over; what it still held is free.",
    "allocation.charged": "A call that had started went silent: what it held is charged until it is settled.",
    "usage.recorded": "Usage was booked, by itself or on an allocation.",
    "usage.corrected": "A usage record was replaced by another.",
    "usage.voided": "A usage record was taken back.",
    "usage.priced": "Usage without a price got one.",
    "usage.imported": "Usage came over from an older ledger.",
    "limit.approached": "A limit reached one of its levels below 1.",
    "limit.reached": "A limit is used up, to the unit.",
    "limit.exceeded": "More than a limit allows is used, or used and held.",
    "forecast.runs_out": "A limit will be used up before its window ends, if usage goes on as it did.",
    "alert.acknowledged": "Someone has seen an alert.",
    "clock.jumped": "The clock of the service leapt by more than a minute.",
    "budget.created": "A budget was made.",
    "budget.updated": "A budget was changed.",
    "budget.deactivated": "A budget was switched off.",
    "policy.created": "A policy was made.",
    "policy.updated": "A policy has other limits, thresholds or type.",
    "policy.disabled": "A policy was switched off.",
    "policy.window_opened": "A session or a task has a balance from now on.",
    "policy.window_closed": "The balance of a session or task that nobody uses was put away.",
    "price.set": "A model has a new price.",
    "price.list_loaded": "A list of prices was loaded.",
    "model.updated": "A model's tier, capabilities or equivalents changed.",
    "key.changed": "An API key was made, changed or withdrawn.",
    "receiver.changed": "Someone who is told of alerts was added, changed, tried or removed.",
}
"""Every type, and what it says has happened."""

# Announcements: told to those who listen now, without a number, because the journal does not have them.

SUMMARY = "summary.changed"
"""The current figures of a budget that changed."""

SUMMARIES = {period: f"summary.{period}" for period in ("daily", "weekly", "monthly")}
"""The figures of the default budget, every minute, by period."""

RECENT_ALERTS = "alerts.recent"
"""The alerts of the last minute, every minute."""

DRAWN = "allocation.drawn"
"""An allocation as it stands after usage was drawn on it; the usage itself is an event."""

RESULT = "message.answered"
"""The result of an asynchronous message."""


KEY_CHANGED = "key.changed"
RECEIVER_CHANGED = "receiver.changed"
RUNS_OUT = "forecast.runs_out"

_OF_ALL = ("budget.", "policy.", "price.", "model.", "limit.", "forecast.", "alert.", "clock.")
"""Families of events that concern every budget where they name none."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `about` are the things it is about, as they were then; `said` is what else the entry says."""

    seq: int | None
    """None for what is announced and not in the journal."""
    type: str
    at: int
    caller: str
    subject: str
    budget_id: str | None = None
    component: str | None = None
    severity: str = "info"
    about: tuple[Any, ...] = ()
    said: Mapping[str, Any] = {}


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a listener wants; a field that is not given lets everything pass.

    An event that belongs to no budget or component (a global limit, a price) concerns each of them, so it passes.
    """

    types: frozenset[str] | None = None
    budget_id: str | None = None
    component: str | None = None
    severities: frozenset[str] | None = None
    announced: frozenset[str] = frozenset()
    """The announcements that are wanted; these must be named."""
    budgets: frozenset[str] | None = None
    """The budgets that the listener's key is bound to; what belongs to none passes where it concerns them all."""
    components: frozenset[str] | None = None
    hidden: frozenset[str] = frozenset()
    """Types that are not for this listener."""
    listener: str | None = None
    """The listener's key; the answer to a message is for whoever sent it."""

    def passes(self, event: Event) -> bool:
        """Whether this event is wanted."""
        wanted = self.announced if event.seq is None else self.types
        return (
            (wanted is None or event.type in wanted)
            and (self.budget_id is None or event.budget_id in (None, self.budget_id))
            and (self.component is None or event.component in (None, self.component))
            and (self.severities is None or event.severity in self.severities)
            and event.type not in self.hidden
            and (event.type != RESULT or self.listener is None or self.listener == event.caller)
            and (self.budgets is None or self._concerns(event))
            and (self.components is None or event.component is None or event.component in self.components)
        )

    def _concerns(self, event: Event) -> bool:
        if event.budget_id is None:
            return event.type == RESULT or (event.seq is not None and event.type.startswith(_OF_ALL))
        return self.budgets is None or event.budget_id in self.budgets


def types_of(words: Iterable[str], field: str = "types") -> frozenset[str] | None:
    """The types that these words name: types, or families such as `usage.*`; None without any."""
    named: set[str] = set()
    for word in words:
        family = word.removesuffix("*")
        found = {name for name in TYPES if name == word or (family != word and name.startswith(family))}
        if not found:
            raise Invalid(field, f"{word[:60]!r} is none of the types of events; they are listed in the documentation")
        named |= found
    return frozenset(named) or None


def severities_of(words: Iterable[str], field: str = "severity") -> frozenset[str] | None:
    """The severities that these words name; None without any."""
    given = frozenset(word.lower() for word in words)
    if given - set(SEVERITIES):
        raise Invalid(field, f"must be of {', '.join(SEVERITIES)}")
    return given or None


def project(entry: Entry, records: Mapping[str, Record], holds: Mapping[str, Hold]) -> Event:
    """An entry as an event; `records` and `holds` are those that the entries at hand do not carry themselves."""
    data: dict[str, Any] = {} if entry.data is None else msgspec.json.decode(entry.data)
    if entry.kind in _OF_RECORDS:
        return _of_record(entry, data, records)
    if entry.kind in _OF_HOLDS:
        return _of_hold(entry, data, holds)
    return _PROJECTIONS[entry.kind](entry, data)


_OF_RECORDS = {"used": "usage.recorded", "settled": "allocation.settled", "priced": "usage.priced"}
_OF_HOLDS = {
    "held": "allocation.held",
    "started": "allocation.started",
    "extended": "allocation.extended",
    "increased": "allocation.increased",
    "released": "allocation.released",
    "expired": "allocation.expired",
    "provisional": "allocation.charged",
}


def needed_records(entries: Iterable[Entry]) -> list[str]:
    """The records that must be looked up to project these entries."""
    return [entry.subject for entry in entries if entry.kind in _OF_RECORDS]


def needed_holds(entries: Iterable[Entry]) -> list[str]:
    """The holds that must be looked up to project these entries."""
    return [entry.subject for entry in entries if entry.kind == "held"]


def _event(entry: Entry, kind: str, *about: Any, said: Mapping[str, Any] | None = None, **more: Any) -> Event:
    return Event(
        seq=entry.seq,
        type=kind,
        at=entry.at,
        caller=entry.caller,
        subject=entry.subject,
        about=about,
        said=said or {},
        **more,
    )


def _place(thing: Record | Hold) -> dict[str, Any]:
    return {"budget_id": thing.budget_id, "component": thing.component}


def _of_record(entry: Entry, data: dict[str, Any], records: Mapping[str, Record]) -> Event:
    record = history.booked(records[entry.subject], entry, data)
    about: tuple[Any, ...] = (record,)
    said = {}
    if entry.kind == "settled":
        about = (msgspec.convert(data["hold"], Hold), record)
        said = {"tokens_released": data["tokens_released"]}
    severity = "warning" if entry.flags & OVER_LIMIT else "info"
    return _event(entry, _OF_RECORDS[entry.kind], *about, said=said, severity=severity, **_place(record))


def _of_hold(entry: Entry, data: dict[str, Any], holds: Mapping[str, Hold]) -> Event:
    if entry.kind == "held":
        hold = history.granted(holds[entry.subject], entry, data)
    else:
        hold = msgspec.convert(data["hold"], Hold)
    words = ("tokens", "tokens_released", "reason", "record_id")
    said: dict[str, Any] = {name: data[name] for name in words if name in data}
    severity = "warning" if entry.kind == "provisional" else "info"
    return _event(entry, _OF_HOLDS[entry.kind], hold, said=said, severity=severity, **_place(hold))


def _corrected(entry: Entry, data: dict[str, Any]) -> Event:
    record = msgspec.convert(data["record"], Record)
    severity = "warning" if entry.flags & OVER_LIMIT else "info"
    if "settles" in data:  # a provisional charge gave way to what was really used
        hold = msgspec.convert(data["hold"], Hold)
        said: dict[str, Any] = {"tokens_released": data["tokens_released"]}
        return _event(entry, "allocation.settled", hold, record, said=said, severity=severity, **_place(record))
    said = {name: data[name] for name in ("reason", "corrects") if name in data}
    kind = "usage.voided" if data.get("void") else "usage.corrected"
    return _event(entry, kind, record, said=said, severity=severity, **_place(record))


def _alert_changed(entry: Entry, data: dict[str, Any]) -> Event:
    alert = msgspec.convert(data["alert"], Alert)
    component = msgspec.json.decode(alert.details).get("component")
    if data["change"] == "acknowledged":
        kind, severity = "alert.acknowledged", "info"
    else:
        kind, severity = _crossing(alert), alert.severity
    return _event(entry, kind, alert, budget_id=alert.budget_id, component=component, severity=severity)


def _crossing(alert: Alert) -> str:
    if alert.unit == "clock":
        return "clock.jumped"
    if alert.type.endswith("forecast"):
        return RUNS_OUT
    if not alert.type.endswith("exceeded"):
        return "limit.approached"
    return "limit.reached" if msgspec.json.decode(alert.details)["usage_percentage"] == 1 else "limit.exceeded"


def _policy_changed(entry: Entry, data: dict[str, Any]) -> Event:
    for word, kind in (("opening", "policy.window_opened"), ("closing", "policy.window_closed")):
        if word in data:
            return _event(entry, kind, said={"policy_id": entry.subject, "window": data[word]})
    policy = msgspec.convert(data["after"], Policy)
    was = data["before"]
    kind = "created" if was is None else "disabled" if was["enabled"] and not policy.enabled else "updated"
    return _event(entry, f"policy.{kind}", policy, budget_id=policy.budget_id, component=policy.component)


def _budget_changed(entry: Entry, data: dict[str, Any]) -> Event:
    budget = msgspec.convert(data["after"], Budget)
    was = data["before"]
    kind = "created" if was is None else "deactivated" if was["is_active"] and not budget.is_active else "updated"
    return _event(entry, f"budget.{kind}", budget, budget_id=budget.budget_id)


def _price_changed(entry: Entry, data: dict[str, Any]) -> Event:
    if "after" not in data:
        return _event(entry, "price.list_loaded", said={name: data[name] for name in ("source", "added")})
    return _event(entry, "price.set", msgspec.convert(data["after"], Price))


def _model_changed(entry: Entry, data: dict[str, Any]) -> Event:
    return _event(entry, "model.updated", msgspec.convert(data["after"], Model))


def _key_changed(entry: Entry, data: dict[str, Any]) -> Event:
    key = data.get("after") or {}
    return _event(entry, KEY_CHANGED, said={"change": data["change"], "name": key.get("name")})


def _receiver_changed(entry: Entry, data: dict[str, Any]) -> Event:
    return _event(entry, RECEIVER_CHANGED, said={"change": data["change"], "name": data["name"]})


def _imported(entry: Entry, data: dict[str, Any]) -> Event:
    return _event(entry, "usage.imported", said={name: value for name, value in data.items() if name != "from"})


_PROJECTIONS: Mapping[str, Callable[[Entry, dict[str, Any]], Event]] = {
    "corrected": _corrected,
    "imported": _imported,
    "alert_changed": _alert_changed,
    "policy_changed": _policy_changed,
    "budget_changed": _budget_changed,
    "price_changed": _price_changed,
    "model_changed": _model_changed,
    "key_changed": _key_changed,
    "receiver_changed": _receiver_changed,
}
