"""The frames that come in: Tekton's, and the variants that older documents show (wire contract 4 and 15.13)."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from budget.domain.errors import Invalid
from budget.domain.events import Filter, severities_of, types_of
from budget.interfaces.ws.topics import BUDGETS, EVENTS, canonical
from budget.operations.event_reading import words

TYPES: Final = frozenset(
    (
        "budget_update",
        "allocation_update",
        "policy_update",
        "alert",
        "price_update",
        "subscription",
        "unsubscription",
        "authentication",
        "error",
        "heartbeat",
    )
)
_VARIANTS: Final[Mapping[str, str]] = {
    "subscribe": "subscription",
    "unsubscribe": "unsubscription",
    "authenticate": "authentication",
    "shutdown": "shutdown",  # has a reason where others have a payload
}
MOST_TOPICS: Final = 50

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Words = Annotated[list[Name], Meta(max_length=100)] | Annotated[str, Meta(max_length=2000)]


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A client's frame."""

    type: str
    topic: str
    payload: Mapping[str, Any]


class EventsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A wish for events one by one, from after a number, a snapshot, or now on; narrowed by filters."""

    after: Annotated[int, Meta(ge=0)] | None = None
    snapshot: bool = False
    types: Words = ()  # type: ignore[assignment]  # nothing is an empty list of words
    budget_id: Name | None = None
    component: Name | None = None
    severity: Words = ()  # type: ignore[assignment]

    @property
    def filter(self) -> Filter:
        """What is wanted; `Invalid` names what is unknown."""
        return Filter(
            types=types_of(_words(self.types)),
            severities=severities_of(_words(self.severity)),
            budget_id=self.budget_id,
            component=self.component,
        )


def parse(text: str) -> Frame:
    """A client's frame in its canonical form; `Invalid` says what is wrong with it."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise Invalid("frame", "is not JSON") from None
    if not isinstance(found, dict):
        raise Invalid("frame", "must be an object with type, topic and payload")
    kind = found.get("type")
    if isinstance(kind, str) and kind in _VARIANTS:
        return _of_variant(_VARIANTS[kind], found)
    if not isinstance(kind, str) or kind not in TYPES:
        raise Invalid("type", f"must be one of {', '.join(sorted(TYPES))}")
    topic, payload = found.get("topic"), found.get("payload")
    if not isinstance(topic, str):
        raise Invalid("topic", "is missing; it is a text")
    if not isinstance(payload, dict):
        raise Invalid("payload", "is missing; it is an object")
    return Frame(type=kind, topic=topic, payload=payload)


def _of_variant(kind: str, found: dict[str, Any]) -> Frame:
    data = found.get("data") or found.get("payload") or {}
    if not isinstance(data, dict):
        raise Invalid("data", "must be an object")
    payload = {**data, "topics": found["channels"]} if "channels" in found else data
    if "apiKey" in payload:
        payload = {**payload, "api_key": payload["apiKey"]}
    return Frame(type=kind, topic=str(found.get("topic", BUDGETS)), payload=payload)


def topics_of(payload: Mapping[str, Any]) -> list[str]:
    """The topics that a subscription names."""
    named = payload["topics"] if "topics" in payload else [payload.get("topic", BUDGETS)]
    field = "channels" if "topics" in payload else "payload.topic"
    if not isinstance(named, list) or len(named) > MOST_TOPICS:
        raise Invalid(field, f"must be a list of at most {MOST_TOPICS} topics")
    for topic in named:
        if not isinstance(topic, str) or not 0 < len(topic) <= 200:  # noqa: PLR2004 -- as long as any name
            raise Invalid(field, "must be a text of 1 to 200 characters")
    return [canonical(topic) for topic in named]


def events_request(payload: Mapping[str, Any], *, from_query: bool = False) -> EventsRequest:
    """What a subscription to `events` asks for; the fields of a URL's query are text."""
    given = {name: value for name, value in payload.items() if name not in ("topic", "topics")}
    unknown = sorted(given.keys() - set(EventsRequest.__struct_fields__))
    if unknown:
        raise Invalid(unknown[0][:200], f"is not known; {EVENTS} takes {', '.join(EventsRequest.__struct_fields__)}")
    try:
        asked = msgspec.convert(given, EventsRequest, strict=not from_query)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise Invalid(path.rstrip("`") or "payload", message) from None
    if asked.snapshot and asked.after is not None:
        raise Invalid("after", "is what a snapshot says; ask for one of them")
    return asked


def _words(given: Words) -> list[str]:
    return words(given) if isinstance(given, str) else list(given)
