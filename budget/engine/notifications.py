"""Those who are told of alerts, and what is sent to them: the commands, the lists, and the sender's own notes.

That something was tried to be sent is no fact of the ledger: like a cursor it is kept beside the journal.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from budget.domain import commands, notifying
from budget.domain import notification_commands as asked
from budget.domain import notifications as told
from budget.domain.configuration import Configuration
from budget.domain.entries import Caller
from budget.domain.errors import NotFound
from budget.domain.notifications import Delivery, Receiver
from budget.domain.state import State
from budget.engine.queries import listed
from budget.storage import deliveries
from budget.storage.database import Connection, Database
from budget.storage.lists import Listed


class Source(Protocol):
    """What queries need of the ledger."""

    database: Database

    async def refresh(self) -> Configuration:
        """The configuration as it is now."""


async def list_receivers(ledger: Source, page: int, limit: int) -> Listed[Receiver]:
    """Receivers, newest first, without those that were removed."""
    known = (each.receiver for each in (await ledger.refresh()).receivers.values())
    found = [receiver for receiver in known if receiver.removed_at is None]
    return listed(sorted(found, key=lambda each: (each.created_at, each.receiver_id), reverse=True), page, limit)


async def get_receiver(ledger: Source, receiver_id: str) -> Receiver:
    """One receiver, also one that was removed."""
    found = (await ledger.refresh()).receivers.get(receiver_id)
    if found is None:
        raise NotFound(f"there is no receiver {receiver_id!r}", field="receiver_id")
    return found.receiver


async def list_deliveries(ledger: Source, filters: Mapping[str, str | None], page: int, limit: int) -> Listed[Delivery]:
    """Deliveries, newest first."""
    return await ledger.database.read(deliveries.page, filters, page, limit)


async def get_delivery(ledger: Source, delivery_id: str) -> Delivery:
    """One delivery."""
    return _known(await ledger.database.read(deliveries.find, delivery_id), delivery_id)


# What the sender needs


async def add(ledger: Source, new: Sequence[Delivery]) -> None:
    """Make deliveries, each once whoever makes it again."""
    if new:
        await ledger.database.write(deliveries.add, new, told.MOST_WAITING)


async def waiting(ledger: Source) -> list[tuple[str, int]]:
    """Each receiver for whom something waits, and when the first of that is due."""
    return await ledger.database.read(deliveries.waiting)


async def due(ledger: Source, receiver_id: str, now: int, limit: int) -> list[Delivery]:
    """What is to be sent to a receiver now."""
    return await ledger.database.read(deliveries.due, receiver_id, now, limit)


async def note_try(ledger: Source, before: Delivery, after: Delivery) -> None:
    """Remember what became of a try."""
    await ledger.database.write(deliveries.note_try, before, after)


async def drop(ledger: Source, before: int) -> None:
    """Forget what is over and was made before an instant."""
    await ledger.database.write(deliveries.drop, before)


# Commands


def _add(_: Connection, state: State, command: asked.AddReceiver, caller: Caller) -> told.Issued:
    return notifying.add(state, command, _new_secret(), caller)


def _update(_: Connection, state: State, command: asked.UpdateReceiver, caller: Caller) -> told.Issued:
    return notifying.update(state, command, caller)


def _rotate(_: Connection, state: State, command: asked.RotateReceiverSecret, caller: Caller) -> told.Issued:
    return notifying.rotate(state, command, _new_secret(), caller)


def _remove(connection: Connection, state: State, command: asked.RemoveReceiver, caller: Caller) -> told.Issued:
    issued = notifying.remove(state, command, caller)
    deliveries.give_up(connection, command.receiver_id, "the receiver was removed")
    return issued


def _test(connection: Connection, state: State, command: asked.TestReceiver, caller: Caller) -> Delivery:
    delivery = notifying.test(state, command, caller)
    deliveries.save(connection, delivery)
    return delivery


def _replay(connection: Connection, state: State, command: asked.ReplayDelivery, caller: Caller) -> Delivery:
    found = _known(deliveries.find(connection, command.delivery_id), command.delivery_id)
    again = notifying.replay(state, found, caller)
    deliveries.save(connection, again)
    return again


def _known(found: Delivery | None, delivery_id: str) -> Delivery:
    if found is None:
        raise NotFound(f"there is no delivery {delivery_id!r}", field="delivery_id")
    return found


def _new_secret() -> str:
    return told.secret_text(secrets.token_bytes(told.SECRET_BYTES))


COMMANDS: Mapping[type[commands.Command], Callable[..., Any]] = {
    asked.AddReceiver: _add,
    asked.UpdateReceiver: _update,
    asked.RotateReceiverSecret: _rotate,
    asked.RemoveReceiver: _remove,
    asked.TestReceiver: _test,
    asked.ReplayDelivery: _replay,
}
