"""A delivery in words for people: a chat message, and the subject and text of a mail."""

from typing import Any, NamedTuple

import msgspec

from budget.domain.events import TYPES
from budget.domain.notifications import Delivery

_MARKS = {"info": "🔵", "warning": "⚠️", "error": "🛑"}


class Words(NamedTuple):
    """What is said about an event."""

    title: str
    message: str
    about: tuple[str, ...]
    """Budget, component and time, as far as it has them."""
    severity: str


def words(delivery: Delivery) -> Words:
    """What a delivery says."""
    body = msgspec.json.decode(delivery.body)
    event: dict[str, Any] = body["data"]
    data: dict[str, Any] = event.get("data") or event
    about = [f"{name}: {event[name]}" for name in ("budget_id", "component") if event.get(name)]
    return Words(
        title=str(data.get("title") or delivery.type.replace(".", " ").replace("_", " ").capitalize()),
        message=str(data.get("message") or TYPES.get(delivery.type, delivery.type)),
        about=(*about, f"time: {body['timestamp']}"),
        severity=str(event.get("severity", "info")),
    )


def slack(delivery: Delivery) -> dict[str, Any]:
    """As Slack's incoming webhooks read it, and whoever takes their shape."""
    said = words(delivery)
    title, message, about = _escaped(said.title), _escaped(said.message), _escaped(" · ".join(said.about))
    mark = _MARKS[said.severity]
    return {
        "text": f"{mark} {title}: {message}",
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": f"{mark} *{title}*\n{message}"}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": about}]},
        ],
    }


def mail(delivery: Delivery) -> tuple[str, str]:
    """Subject and text."""
    said = words(delivery)
    return f"[Budget] {said.title}", "\n".join((said.message, "", *said.about, f"event: {delivery.type}", ""))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
