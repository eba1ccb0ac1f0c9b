"""Events as Tekton's components know them: the envelope that goes through Hermes (wire contract 5.1)."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Final

from budget.domain import instants, periods
from budget.domain.configuration import Configuration
from budget.domain.events import Event
from budget.engine import limits
from budget.operations.event_views import data_view
from budget.operations.identity import COMPONENT

MESSAGE_TYPE: Final = "budget.event"

TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "limit.approached": ("budget.limit_approaching",),
    "limit.reached": ("budget.limit_exceeded", "budget.exceeded"),
    "limit.exceeded": ("budget.limit_exceeded", "budget.exceeded"),
    "price.set": ("budget.price_update",),
    "price.list_loaded": ("budget.price_update",),
    "allocation.held": ("budget.allocated",),
    **dict.fromkeys(
        (
            "allocation.increased",
            "allocation.settled",
            "allocation.released",
            "allocation.expired",
            "allocation.charged",
            "usage.recorded",
            "usage.corrected",
            "usage.voided",
            "usage.priced",
            "usage.imported",
            "budget.created",
            "budget.updated",
            "budget.deactivated",
            "policy.created",
            "policy.updated",
            "policy.disabled",
        ),
        ("budget.updated",),
    ),
}
"""What Tekton calls an event; where its two vocabularies have a word each, it is told by both."""

RESET: Final = "budget.reset"
"""A limit's window began anew. No entry says so, because nothing needs to happen: see `resets`."""

NAMES: Final = tuple(sorted({RESET, *itertools.chain.from_iterable(TYPES.values())}))


def envelopes(event: Event) -> list[dict[str, Any]]:
    """The messages that tell of an event; none for one that Tekton has no word for."""
    payload = {
        "seq": event.seq,
        "type": event.type,
        "subject": event.subject,
        "budget_id": event.budget_id,
        "component": event.component,
        **data_view(event),
    }
    return [_envelope(name, str(event.seq), event.at, payload, event.severity) for name in TYPES.get(event.type, ())]


def resets(configuration: Configuration, since: int, until: int) -> list[dict[str, Any]]:
    """The messages that tell of windows that began after one moment and not after another."""
    found: dict[tuple[str | None, str], tuple[periods.Window, list[str]]] = {}
    for policy in configuration.policies.values():
        if not policy.enabled or policy.keyed:
            continue
        window = periods.window_at(policy.period, limits.zone_of(configuration, policy), until)
        if window.start > since:
            found.setdefault((policy.budget_id, policy.period), (window, []))[1].append(policy.policy_id)
    return [
        _envelope(RESET, f"{budget_id}:{window.key}", window.start, payload)
        for (budget_id, period), (window, policy_ids) in found.items()
        for payload in (_reset(budget_id, period, window, policy_ids),)
    ]


def _reset(budget_id: str | None, period: str, window: periods.Window, policy_ids: Iterable[str]) -> dict[str, Any]:
    return {
        "budget_id": budget_id,
        "period": period,
        "policy_ids": list(policy_ids),
        "start": instants.iso(window.start),
        "end": instants.iso(window.end),
    }


def _envelope(event_type: str, number: str, at: int, payload: dict[str, Any], severity: str = "info") -> dict[str, Any]:
    return {
        "message_id": f"{event_type}:{number}",  # the same whenever it is told, so that a repeat is seen as one
        "sender": COMPONENT,
        "message_type": MESSAGE_TYPE,
        "timestamp": instants.iso(at),
        "payload": payload,
        "event_type": event_type,
        "severity": severity,
    }
