"""The frames that go out: type, topic, payload, timestamp; `seq` on events, `as_of_seq` on all others (rule 6.5)."""

from collections.abc import Mapping
from typing import Any

from budget.domain.instants import iso
from budget.engine.subscriptions import Message
from budget.interfaces.ws.protocol import READY, ready_frame
from budget.interfaces.ws.topics import EVENTS, frame_of
from budget.operations.bodies import encode
from budget.operations.event_views import data_view

GREETING = "connected to Budget"


def event_message(message: Message) -> dict[str, Any]:
    """What the server is told to send for an event or an announcement, made once for every socket."""
    text = event_frame(message)
    return {"type": "websocket.send", "text": text, READY: ready_frame(text)}


def event_frame(message: Message) -> str:
    """The frame of an event or an announcement."""
    event = message.event
    kind, topic = frame_of(event.type)
    frame: dict[str, Any] = {
        "type": kind,
        "topic": topic,
        "payload": data_view(event),
        "timestamp": iso(event.at),
        "event": event.type,
    }
    if event.seq is None:
        frame["as_of_seq"] = message.as_of_seq
    else:
        frame |= {
            "seq": event.seq,
            "subject": event.subject,
            "caller": event.caller,
            "budget_id": event.budget_id,
            "component": event.component,
            "severity": event.severity,
        }
    return encode(frame).decode()


def frame(kind: str, topic: str, payload: Mapping[str, Any], now: int, seq: int) -> str:
    """A frame that is no event: true as of event `seq`."""
    return encode({"type": kind, "topic": topic, "payload": payload, "timestamp": iso(now), "as_of_seq": seq}).decode()


def greeting(topic: str, now: int, seq: int) -> str:
    """What every socket gets before anything else."""
    return frame("budget_update", topic, {"message": GREETING}, now, seq)


def checkpoint(now: int, seq: int) -> str:
    """Says that everything wanted up to `seq` has been sent."""
    return frame("checkpoint", EVENTS, {"seq": seq}, now, seq)


def problem(text: str, now: int, seq: int, field: str | None = None) -> str:
    """Says what is wrong with a frame; the socket stays open."""
    payload = {"error": text} if field is None else {"error": text, "field": field}
    return frame("error", "error", payload, now, seq)
