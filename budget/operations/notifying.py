"""Those who are told of alerts, as operations: added, listed, changed, tried, removed; and what was sent to them."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from budget.domain import instants
from budget.domain.entries import Caller
from budget.domain.errors import Invalid
from budget.domain.notification_commands import AddReceiver, RemoveReceiver, RotateReceiverSecret, UpdateReceiver
from budget.domain.notifications import LIMITS, STATES, Delivery, Issued, Receiver
from budget.engine import notifications
from budget.engine.ledger import Ledger
from budget.operations import reading, requests
from budget.operations.writing import Answered


class ListReceivers(requests.Query, frozen=True, kw_only=True):
    """Which page."""

    page: requests.Page = 1
    limit: requests.Limit = 20


class GetReceiver(requests.Query, frozen=True, kw_only=True):
    """Which receiver."""

    receiver_id: requests.Id = ""


class ListDeliveries(requests.Query, frozen=True, kw_only=True):
    """Which deliveries."""

    page: requests.Page = 1
    limit: requests.Limit = 20
    receiver_id: requests.Id | None = None
    state: Annotated[requests.Word, Meta(description="pending, delivered or dead")] | None = None
    type: Annotated[requests.Word, Meta(description="a type of events")] | None = None


class GetDelivery(requests.Query, frozen=True, kw_only=True):
    """Which delivery."""

    delivery_id: requests.Id = ""


async def list_receivers(ledger: Ledger, asked: ListReceivers) -> dict[str, Any]:
    """Those who are told of alerts, newest first; never their secrets, nor addresses that are secret."""
    found = await notifications.list_receivers(ledger, asked.page, asked.limit)
    return reading.page_of(found, asked, receiver_view)


async def get_receiver(ledger: Ledger, asked: GetReceiver) -> dict[str, Any]:
    """One of those who are told of alerts, without its secret."""
    return receiver_view(await notifications.get_receiver(ledger, asked.receiver_id))


async def list_deliveries(ledger: Ledger, asked: ListDeliveries) -> dict[str, Any]:
    """What was or will be sent to receivers, newest first: `dead` are those that were given up."""
    if asked.state is not None and asked.state not in STATES:
        raise Invalid("state", f"must be one of {', '.join(STATES)}")
    filters = {"receiver_id": asked.receiver_id, "state": asked.state, "type": asked.type}
    found = await notifications.list_deliveries(ledger, filters, asked.page, asked.limit)
    return reading.page_of(found, asked, delivery_view)


async def get_delivery(ledger: Ledger, asked: GetDelivery) -> dict[str, Any]:
    """One delivery, with the body that is sent."""
    found = await notifications.get_delivery(ledger, asked.delivery_id)
    return {**delivery_view(found), "body": msgspec.json.decode(found.body)}


async def change_receiver(
    ledger: Ledger,
    command: AddReceiver | UpdateReceiver | RotateReceiverSecret | RemoveReceiver,
    caller: Caller,
    key: str | None,
) -> Answered:
    """Of adding, changing, rotating and removing: `secret` is there once and never again."""
    outcome = await ledger.submit(command, caller, key)
    issued: Issued = outcome.answer
    shown = receiver_view(issued.receiver)
    if issued.secret is not None and not outcome.replayed:
        shown["secret"] = issued.secret
    return Answered(shown, outcome.replayed)


def receiver_view(receiver: Receiver) -> dict[str, Any]:
    """A receiver as it is shown."""
    return {
        "receiver_id": receiver.receiver_id,
        "name": receiver.name,
        "kind": receiver.kind,
        "target": receiver.target,
        "types": list(receiver.types or LIMITS),
        "severities": list(receiver.severities),
        "budgets": list(receiver.budgets),
        "components": list(receiver.components),
        "enabled": receiver.listens,
        "created_at": instants.iso(receiver.created_at),
        "updated_at": instants.iso(receiver.updated_at),
        "rotated_at": _iso(receiver.rotated_at),
        "removed_at": _iso(receiver.removed_at),
    }


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    """A delivery as it is listed."""
    return {
        "delivery_id": delivery.delivery_id,
        "receiver_id": delivery.receiver_id,
        "type": delivery.type,
        "seq": delivery.seq,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "created_at": instants.iso(delivery.created_at),
        "next_at": instants.iso(delivery.next_at) if delivery.state == "pending" else None,
        "delivered_at": _iso(delivery.delivered_at),
        "status": delivery.status,
        "error": delivery.error,
    }


def _iso(at: int | None) -> str | None:
    return None if at is None else instants.iso(at)
