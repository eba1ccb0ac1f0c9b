"""What a socket hears, by the topics that it joined."""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from budget.domain.events import DRAWN, RECENT_ALERTS, RESULT, SUMMARIES, SUMMARY, TYPES, Filter

BUDGETS: Final = "budget_events"
ALERTS: Final = "budget_alerts"
ALLOCATIONS: Final = "allocation_updates"
PRICES: Final = "price_updates"
EVENTS: Final = "events"

PATHS: Final[Mapping[str, str]] = {
    "/ws": BUDGETS,
    "/ws/budget/updates": BUDGETS,
    "/ws/budget/alerts": ALERTS,
    "/ws/budget/allocations": ALLOCATIONS,
    "/ws/budget/prices": PRICES,
    "/ws/alerts": ALERTS,
    "/ws/events": EVENTS,
}
"""The topic that a socket joins by its path."""

_ALIASES: Final[Mapping[str, str]] = {
    "budget_updates": BUDGETS,
    "alerts": ALERTS,
    "allocations": ALLOCATIONS,
    "prices": PRICES,
}
"""Names of channels in older documents (wire contract 4, at its end)."""


def _family(prefix: str) -> frozenset[str]:
    return frozenset(name for name in TYPES if name.startswith(prefix))


_TYPES: Final[Mapping[str, frozenset[str]]] = {
    BUDGETS: frozenset(("policy.created", "policy.updated", "policy.disabled")),
    ALERTS: _family("limit.") | {"clock.jumped"},
    ALLOCATIONS: _family("allocation."),
    PRICES: frozenset(("price.set",)),
}
_ANNOUNCED: Final[Mapping[str, frozenset[str]]] = {
    BUDGETS: frozenset((SUMMARY, *SUMMARIES.values())),
    ALERTS: frozenset((RECENT_ALERTS,)),
    ALLOCATIONS: frozenset((DRAWN,)),
    EVENTS: frozenset((RESULT,)),
    **{f"budget_update_{period}": frozenset((name,)) for period, name in SUMMARIES.items()},
}

_FRAMES: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(_TYPES[ALLOCATIONS] | _ANNOUNCED[ALLOCATIONS], ("allocation_update", ALLOCATIONS)),
    **dict.fromkeys(_TYPES[ALERTS] | _ANNOUNCED[ALERTS], ("alert", ALERTS)),
    **dict.fromkeys(_TYPES[PRICES], ("price_update", PRICES)),
    **dict.fromkeys(_TYPES[BUDGETS], ("policy_update", BUDGETS)),
    SUMMARY: ("budget_update", BUDGETS),
    **{name: ("budget_update", f"budget_update_{period}") for period, name in SUMMARIES.items()},
}


def canonical(topic: str) -> str:
    """A topic by the name that Tekton's code knows."""
    return _ALIASES.get(topic, topic)


def frame_of(event_type: str) -> tuple[str, str]:
    """The type and the topic of the frame that tells of an event; `event` where the contract has none."""
    return _FRAMES.get(event_type, ("event", EVENTS))


def filter_of(joined: Collection[str], narrowed: Filter) -> Filter:
    """What these topics bring together: every event for `events`, as far as `narrowed` lets it pass."""
    announced = frozenset().union(*(_ANNOUNCED.get(topic, frozenset()) for topic in joined))
    types: frozenset[str] | None = frozenset().union(*(_TYPES.get(topic, frozenset()) for topic in joined))
    if EVENTS in joined:
        types = narrowed.types
    return msgspec.structs.replace(narrowed, types=types, announced=announced)
