"""What happens in the ledger, told to Tekton through Hermes: in order, and none left out while events are kept (P13).

How far this has come stands in the database, so a restart goes on where it was; of several replicas one does it. Told
twice is possible (a crash between telling and remembering): the `message_id` is the same then.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from budget.adapters.hermes.calls import Absent, Hermes
from budget.domain.errors import Gone, Unavailable
from budget.domain.events import Filter
from budget.engine.cursors import Cursor, Task
from budget.engine.ledger import Ledger
from budget.engine.subscriptions import Ended, Message, Subscription
from budget.log import get_logger
from budget.operations import tekton_events

log = get_logger("budget_hermes")

PAUSE_SECONDS: Final = 5.0
"""Between tries, and between looks whether the task is free."""

TOLD: Final = Filter(types=frozenset(tekton_events.TYPES))


class Publisher:
    """Tells Hermes of events for as long as it knows us."""

    def __init__(
        self,
        ledger: Ledger,
        hermes: Hermes,
        joined: asyncio.Event,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._hermes = hermes
        self._joined = joined
        self._sleep = sleep
        self._place = Task(ledger, "hermes")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._keep(), name="budget-publisher")

    async def stop(self) -> None:
        """End, and let another replica go on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(Unavailable):
            await self._place.release()

    async def _keep(self) -> None:
        while True:
            try:
                cursor = await self._place.take()  # from the first start on nothing is left out, Hermes or no Hermes
                if cursor is not None and self._joined.is_set():
                    await self._tell(cursor)
            except (Absent, Unavailable, Ended) as problem:
                log.info("events wait for Hermes", reason=str(problem))
            except Exception:  # a fault of ours in here must not end the telling
                log.exception("events could not be told")
            await self._sleep(PAUSE_SECONDS)

    async def _tell(self, cursor: Cursor) -> None:
        """Tell everything after the cursor, and what comes, until the task is another's."""
        publisher = await self._hermes.find_publisher()
        subscription = await self._subscribe(cursor.seq)
        try:
            while await self._place.take() is not None:
                messages = await subscription.next()  # nothing, now and then: the lease must be kept
                await self._publish(publisher, messages, cursor.at)
                reached = messages[-1].as_of_seq if messages else cursor.seq
                cursor = Cursor(reached, self._ledger.now())
                await self._place.move(cursor)
        finally:
            subscription.close()

    async def _subscribe(self, after: int) -> Subscription:
        bus = self._ledger.bus
        try:
            return await bus.subscribe(TOLD, after)
        except Gone:
            oldest, _ = await bus.bounds()
            log.warning("events were dropped before Hermes could be told", first=after + 1, last=oldest - 1)
            return await bus.subscribe(TOLD, oldest - 1)

    async def _publish(self, publisher: str, messages: list[Message], since: int) -> None:
        told = [envelope for message in messages for envelope in tekton_events.envelopes(message.event)]
        told += tekton_events.resets(self._ledger.configuration(), since, self._ledger.now())
        for envelope in told:
            await self._hermes.publish(publisher, envelope["event_type"], envelope)
