"""How an event looks on the wire, the same over REST, SSE, WebSocket and MCP."""

from collections.abc import Callable, Mapping
from typing import Any

from budget.domain import instants
from budget.domain.budgets import Budget
from budget.domain.events import Event
from budget.domain.models import Model
from budget.domain.policies import Policy
from budget.domain.pricing import Price
from budget.domain.records import Alert, Hold, Record
from budget.operations import views


def event_view(event: Event) -> dict[str, Any]:
    """An event; `data` is what it is about as it was then."""
    return {
        "seq": event.seq,
        "type": event.type,
        "time": instants.iso(event.at),
        "subject": event.subject,
        "caller": event.caller,
        "budget_id": event.budget_id,
        "component": event.component,
        "severity": event.severity,
        "data": data_view(event),
    }


def data_view(event: Event) -> dict[str, Any]:
    """What an event is about: Tekton's payload where the wire contract (section 4) has one."""
    data = dict(event.said)
    for thing in event.about:
        data |= _VIEWS[type(thing)](thing)
    return data


def _allocation(hold: Hold) -> dict[str, Any]:
    return {"allocation_id": hold.allocation_id, "allocation": views.allocation_view(hold)}


def _record(record: Record) -> dict[str, Any]:
    return {"record_id": record.record_id, "record": views.usage_record_view(record)}


def _alert(alert: Alert) -> dict[str, Any]:
    return _alerts((alert,))


def _alerts(found: tuple[Alert, ...]) -> dict[str, Any]:
    """As a list for those who read that, and the first one's fields beside it."""
    shown = [views.alert_view(alert) for alert in found]
    return {"alerts": shown, **shown[0]}


def _budget(budget: Budget) -> dict[str, Any]:
    view = views.budget_view(budget, [])
    del view["policies"]  # they have events of their own
    return {"budget_id": budget.budget_id, "budget": view}


def _price(price: Price) -> dict[str, Any]:
    return {"provider": price.provider, "model": price.model, "update": views.price_view(price)}


_VIEWS: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    Hold: _allocation,
    Record: _record,
    Alert: _alert,
    tuple: _alerts,
    Policy: views.policy_view,
    Budget: _budget,
    Price: _price,
    Model: views.model_view,
}
