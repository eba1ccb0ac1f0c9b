"""What happens, made into deliveries: in order, one for each event and receiver, and none left out (P13).

How far this has come stands in the database. Made twice (a crash before that is remembered) is the same delivery.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from budget.domain import instants
from budget.domain import notifications as told
from budget.domain.configuration import Configuration
from budget.domain.errors import Gone, Unavailable
from budget.domain.events import RECEIVER_CHANGED, Event, Filter
from budget.engine import notifications
from budget.engine.cursors import Cursor, Task
from budget.engine.ledger import Ledger
from budget.engine.subscriptions import Ended, Subscription
from budget.log import get_logger
from budget.operations.bodies import encode
from budget.operations.event_views import event_view

log = get_logger("budget_notifications")

PAUSE_SECONDS: Final = 1.0
"""Between looks whether the task is free, and whether anyone wants to be told."""

IDLE: Final = 20 * instants.MICROSECONDS_PER_SECOND
"""While nobody does, this remembers so often how far the journal has come, and keeps the task."""


class Gatherer:
    """Makes deliveries for as long as this replica has the task."""

    def __init__(self, ledger: Ledger, *, wake: asyncio.Event, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._ledger = ledger
        self._wake = wake
        self._sleep = sleep
        self._place = Task(ledger, "notifications")
        self._next_look = 0
        self.has_task = False

    async def keep(self) -> None:
        """Go on until cancelled."""
        while True:
            try:
                if not await self._gather():
                    await self._sleep(PAUSE_SECONDS)
            except (Unavailable, Ended) as problem:
                log.info("notifications wait", reason=str(problem))
                await self._sleep(PAUSE_SECONDS)
            except Exception:  # a fault of ours in here must not end the telling
                log.exception("notifications could not be made")
                await self._sleep(PAUSE_SECONDS)

    async def release(self) -> None:
        """Let another replica have the task at once."""
        if self.has_task:
            with contextlib.suppress(Unavailable):
                await self._place.release()

    async def _gather(self) -> bool:
        """Make deliveries until the task is another's, or others are wanted: then True, to begin anew at once."""
        if self._ledger.now() < self._next_look and _types(self._ledger.configuration()) is None:
            return False
        cursor = await self._take()
        if cursor is None:
            return False
        _, newest = await self._ledger.bus.bounds()
        types = _types(await self._ledger.refresh())
        if types is None:  # nobody did when the newest event was there already, so all up to it is told
            await self._place.move(Cursor(newest, self._ledger.now()))
            self._next_look = self._ledger.now() + IDLE
            return False
        subscription = await self._subscribe(types, cursor.seq)
        try:
            while await self._take() is not None:
                events = [message.event for message in await subscription.next()]  # none, now and then: see the lease
                configuration = await self._ledger.refresh()
                await notifications.add(self._ledger, _deliveries(configuration, events, self._ledger.now()))
                await self._place.move(Cursor(subscription.seq, self._ledger.now()))
                if events:
                    self._wake.set()
                if _types(configuration) != types:
                    return True
        finally:
            subscription.close()
        return False

    async def _take(self) -> Cursor | None:
        cursor = await self._place.take()
        self.has_task = cursor is not None
        return cursor

    async def _subscribe(self, types: frozenset[str], after: int) -> Subscription:
        bus, wanted = self._ledger.bus, Filter(types=types | {RECEIVER_CHANGED})
        try:
            return await bus.subscribe(wanted, after)
        except Gone:
            oldest, _ = await bus.bounds()
            log.warning("events were dropped before anyone could be told", first=after + 1, last=oldest - 1)
            return await bus.subscribe(wanted, oldest - 1)


def _types(configuration: Configuration) -> frozenset[str] | None:
    """Every type that somebody wants to hear of; None when nobody listens."""
    wanted = [told.wanted(receiver).types or frozenset() for receiver in _listening(configuration)]
    return frozenset().union(*wanted) if wanted else None


def _listening(configuration: Configuration) -> list[told.Receiver]:
    return [each.receiver for each in configuration.receivers.values() if each.receiver.listens]


def _deliveries(configuration: Configuration, events: Iterable[Event], now: int) -> list[told.Delivery]:
    filters = [(receiver, told.wanted(receiver)) for receiver in _listening(configuration)]
    return [
        _delivery(receiver, event, now)
        for event in events
        for receiver, wanted in filters
        if wanted.passes(event) and event.at >= receiver.created_at
    ]


def _delivery(receiver: told.Receiver, event: Event, now: int) -> told.Delivery:
    view = event_view(event)
    body = {"type": event.type, "timestamp": view["time"], "data": view}  # as Standard Webhooks advise
    return told.Delivery(
        delivery_id=f"{event.seq}-{receiver.receiver_id}",
        receiver_id=receiver.receiver_id,
        type=event.type,
        seq=event.seq,
        created_at=now,
        next_at=now,
        body=encode(body).decode(),
    )
