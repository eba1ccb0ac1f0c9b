"""The first answer to a command, rebuilt from the entry that claimed its key (rule 7.2)."""

from collections.abc import Callable
from typing import Any

import msgspec

from budget.domain import commands, history, notifications
from budget.domain.allocations import Grant
from budget.domain.budgets import Budget
from budget.domain.entries import Entry
from budget.domain.errors import NotFound
from budget.domain.keys import Issued, Key
from budget.domain.migrations import Migration
from budget.domain.models import Model
from budget.domain.policies import Policy
from budget.domain.recording import Settled
from budget.domain.records import Alert, Hold, Record
from budget.storage import configuration, deliveries, holdings, migrations
from budget.storage.database import Connection


def rebuild(connection: Connection, entry: Entry) -> Any:
    """What was answered when this entry was written, whatever has happened since."""
    data = {} if entry.data is None else msgspec.json.decode(entry.data)
    build = _BUILDERS[entry.kind]
    return build(connection, entry, data)


def granted(connection: Connection, entry: Entry, data: dict[str, Any]) -> Grant:
    """An allocation as it was granted."""
    (hold,) = holdings.holds(connection, [entry.subject])
    first = history.granted(hold, entry, data)
    return Grant(
        hold=first,
        decision_id=first.allocation_id,
        warnings=data.get("warnings", []),
        offers=data.get("offers", []),
    )


def _used(connection: Connection, entry: Entry, data: dict[str, Any]) -> Record:
    (record,) = holdings.records(connection, [entry.subject])
    return history.booked(record, entry, data)


def _settled(connection: Connection, entry: Entry, data: dict[str, Any]) -> Settled:
    return Settled(
        record=_used(connection, entry, data),
        hold=msgspec.convert(data["hold"], Hold),
        tokens_released=data["tokens_released"],
    )


def _corrected(connection: Connection, entry: Entry, data: dict[str, Any]) -> Record | Settled:
    record = msgspec.convert(data["record"], Record)
    (stored,) = holdings.records(connection, [entry.subject])
    record.seq = stored.seq  # the batch was not numbered yet when the entry was written
    if (entry.idempotency_key or "").split("\x1f")[1:2] == [commands.Settle.operation]:
        return Settled(record=record, hold=msgspec.convert(data["hold"], Hold), tokens_released=0)
    return record


def _hold(_: Connection, __: Entry, data: dict[str, Any]) -> Hold:
    return msgspec.convert(data["hold"], Hold)


def _released(_: Connection, __: Entry, data: dict[str, Any]) -> tuple[Hold, int]:
    return msgspec.convert(data["hold"], Hold), data["tokens_released"]


def _price(connection: Connection, entry: Entry, _: dict[str, Any]) -> Any:
    return configuration.price(connection, entry.subject)


def _begun(connection: Connection, _: Entry, data: dict[str, Any]) -> Migration:
    migration = migrations.find(connection, data["migration"])
    if migration is None:
        raise NotFound(f"there is no migration {data['migration']!r}", field="migration_id")
    return migration


def _receiver(connection: Connection, _: Entry, data: dict[str, Any]) -> Any:
    if "delivery" not in data:
        return notifications.Issued(receiver=msgspec.convert(data["after"], notifications.Receiver))
    delivery = deliveries.find(connection, data["delivery"])
    if delivery is None:
        raise NotFound(f"delivery {data['delivery']!r} is over, and no longer kept", field="delivery_id")
    return delivery


_BUILDERS: dict[str, Callable[[Connection, Entry, dict[str, Any]], Any]] = {
    "held": granted,
    "used": _used,
    "settled": _settled,
    "corrected": _corrected,
    "started": _hold,
    "extended": _hold,
    "increased": _hold,
    "released": _released,
    "budget_changed": lambda _, __, data: msgspec.convert(data["after"], Budget),
    "policy_changed": lambda _, __, data: msgspec.convert(data["after"], Policy),
    "model_changed": lambda _, __, data: msgspec.convert(data["after"], Model),
    "price_changed": _price,
    "imported": _begun,
    "key_changed": lambda _, __, data: Issued(key=msgspec.convert(data["after"], Key)),
    "receiver_changed": _receiver,
    "alert_changed": lambda _, __, data: msgspec.convert(data["alert"], Alert),
}
