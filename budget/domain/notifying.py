"""Adding, changing, trying and removing receivers: what each command changes (rule 6.1, `receiver_changed`)."""

from typing import Any

import msgspec

from budget.domain import destinations, instants
from budget.domain import notification_commands as asked
from budget.domain.configuration import Configuration
from budget.domain.entries import Caller, encode
from budget.domain.errors import Conflict, Invalid, NotFound
from budget.domain.events import severities_of, types_of
from budget.domain.notifications import (
    MOST_RECEIVERS,
    PENDING,
    Delivery,
    Issued,
    Reachable,
    Receiver,
    Secret,
    as_journalled,
)
from budget.domain.state import State

TEST = "receiver.test"


def add(state: State, command: asked.AddReceiver, secret: str, caller: Caller) -> Issued:
    """A new receiver; webhooks are signed with this secret."""
    if command.kind not in destinations.KINDS:
        raise Invalid("kind", f"must be one of {', '.join(destinations.KINDS)}")
    if sum(each.receiver.removed_at is None for each in state.configuration.receivers.values()) >= MOST_RECEIVERS:
        raise Conflict(f"there are {MOST_RECEIVERS} receivers; remove one first")
    _check(state.configuration, command)
    destinations.check(command.kind, command.address)
    target = destinations.shown(command.kind, command.address)
    receiver = Receiver(
        receiver_id=state.new_id(),
        name=command.name or f"{command.kind} {target}"[:200],
        kind=command.kind,
        target=target,
        types=command.types,
        severities=tuple(word.lower() for word in command.severities),
        budgets=command.budgets,
        components=command.components,
        created_at=state.now,
        updated_at=state.now,
    )
    signed = command.kind == "webhook"
    secrets = (Secret(text=secret),) if signed else ()
    _write(state, "added", None, Reachable(receiver=receiver, address=command.address, secrets=secrets), caller)
    return Issued(receiver=receiver, secret=secret if signed else None)


def update(state: State, command: asked.UpdateReceiver, caller: Caller) -> Issued:
    """The same receiver with other rules, or elsewhere; what is not given stays."""
    before = _found(state, command.receiver_id)
    _check(state.configuration, command)
    address = command.address or before.address
    destinations.check(before.receiver.kind, address)
    named = ("name", "types", "severities", "budgets", "components", "enabled")
    given = {name: value for name in named if (value := getattr(command, name)) is not None}
    changed = msgspec.structs.replace(
        before.receiver, target=destinations.shown(before.receiver.kind, address), **given
    )
    if (changed, address) == (before.receiver, before.address):
        return Issued(receiver=changed)
    after = msgspec.structs.replace(changed, updated_at=state.now)
    kept = msgspec.structs.replace(before, receiver=after, address=address)
    _write(state, "updated", before.receiver, kept, caller)
    return Issued(receiver=after)


def rotate(state: State, command: asked.RotateReceiverSecret, secret: str, caller: Caller) -> Issued:
    """A new secret; for the overlap both sign."""
    before = _found(state, command.receiver_id)
    if before.receiver.kind != "webhook":
        raise Conflict("only webhooks are signed")
    until = state.now + command.overlap_seconds * instants.MICROSECONDS_PER_SECOND
    replaced = (msgspec.structs.replace(before.secrets[0], until=until),) if command.overlap_seconds else ()
    after = msgspec.structs.replace(before.receiver, rotated_at=state.now)
    kept = msgspec.structs.replace(before, receiver=after, secrets=(Secret(text=secret), *replaced))
    _write(state, "rotated", before.receiver, kept, caller)
    return Issued(receiver=after, secret=secret)


def remove(state: State, command: asked.RemoveReceiver, caller: Caller) -> Issued:
    """Nothing is sent to it any more, and its address and secrets are forgotten; again changes nothing."""
    known = state.configuration.receivers.get(command.receiver_id)
    if known is not None and known.receiver.removed_at is not None:
        return Issued(receiver=known.receiver)
    before = _found(state, command.receiver_id)
    after = msgspec.structs.replace(before.receiver, removed_at=state.now)
    _write(state, "removed", before.receiver, Reachable(receiver=after, address=""), caller)
    return Issued(receiver=after)


def test(state: State, command: asked.TestReceiver, caller: Caller) -> Delivery:
    """An example, to be delivered like anything else."""
    receiver = _found(state, command.receiver_id).receiver
    at = instants.iso(state.now)
    example = {"type": TEST, "timestamp": at, "data": {"message": "This is a test of Budget's notifications."}}
    delivery = Delivery(
        delivery_id=f"test-{state.new_id()}",
        receiver_id=receiver.receiver_id,
        type=TEST,
        seq=None,
        created_at=state.now,
        next_at=state.now,
        body=encode(example).decode(),
    )
    _note(state, "tested", receiver.receiver_id, caller, name=receiver.name, delivery=delivery.delivery_id)
    return delivery


def replay(state: State, delivery: Delivery, caller: Caller) -> Delivery:
    """A delivery from its first try on, now."""
    receiver = _found(state, delivery.receiver_id).receiver
    again = msgspec.structs.replace(delivery, state=PENDING, attempts=0, next_at=state.now, delivered_at=None)
    _note(state, "replayed", receiver.receiver_id, caller, name=receiver.name, delivery=delivery.delivery_id)
    return again


def _found(state: State, receiver_id: str) -> Reachable:
    found = state.configuration.receivers.get(receiver_id)
    if found is None or found.receiver.removed_at is not None:
        raise NotFound(f"there is no receiver {receiver_id!r}", field="receiver_id")
    return found


def _check(configuration: Configuration, command: asked.AddReceiver | asked.UpdateReceiver) -> None:
    types_of(command.types or ())
    severities_of(command.severities or (), "severities")
    for at, budget_id in enumerate(command.budgets or ()):
        if budget_id not in configuration.budgets:
            raise Invalid(f"budgets[{at}]", f"there is no budget {budget_id!r}")


def _write(state: State, change: str, before: Receiver | None, after: Reachable, caller: Caller) -> None:
    state.new_receivers.append(after)
    receiver = after.receiver
    values = {"before": as_journalled(before), "after": as_journalled(receiver)}
    _note(state, change, receiver.receiver_id, caller, name=receiver.name, **values)


def _note(state: State, change: str, receiver_id: str, caller: Caller, **said: Any) -> None:
    state.note("receiver_changed", receiver_id, caller, change=change, **said)
