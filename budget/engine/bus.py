"""The live stream: the journal is read once, by number, for everyone who listens (design 7).

The writer only says that there is something new (`wake`); what it is comes from the database, so other processes'
entries come the same way. Those who want the same share a channel. A listener that falls behind its channel goes on
from the database at its own pace; one that takes nothing at all while a whole channel passes by is dropped.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from budget.domain import instants
from budget.domain.entries import SYSTEM, Caller
from budget.domain.errors import Gone, Invalid, Unavailable
from budget.domain.events import Event, Filter
from budget.engine.subscriptions import Channel, Ending, Message, Subscription
from budget.log import get_logger
from budget.storage import events as stored
from budget.storage.database import Database

log = get_logger("budget_websocket")

READ_AT_ONCE: Final = 500
BUSY: Final = 8
PAUSE_SECONDS: Final = 0.025
"""After so many events at once, so that a busy ledger is read in few large pieces; else what comes is read at once."""

KEPT_DAYS: Final = 30
MOST_LISTENERS: Final = 10_000
CHECKPOINT_SECONDS: Final = 25.0
RETRY_SECONDS: Final = 1.0
STOP_SECONDS: Final = 3.0

_DAY: Final = 86_400 * instants.MICROSECONDS_PER_SECOND
EVERYTHING: Final = Filter()
SNAPSHOT: Final = "/api/events/snapshot"
"""Where to begin when what was missed is no longer kept."""


class Bus:
    """Reads what is new and hands it out. All of it runs on one event loop."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], int],
        *,
        kept_days: int = KEPT_DAYS,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self.seq = 0
        """The number of the last event that was handed out."""
        self._database = database
        self._now = now
        self._kept = kept_days * _DAY
        self._checkpoint_seconds = checkpoint_seconds
        self._channels: dict[Filter, Channel] = {}
        self._observers: list[Callable[[list[Message]], None]] = []
        self.listeners = 0
        """How many listen."""
        self._woken = asyncio.Event()
        self._left = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    # For those who write

    def wake(self, seq: int) -> None:
        """There are entries up to this number."""
        if seq > self.seq:
            self._woken.set()

    def announce(
        self,
        type: str,  # noqa: A002 -- its name on the wire
        payload: Mapping[str, Any],
        *,
        about: tuple[Any, ...] = (),
        subject: str = "",
        budget_id: str | None = None,
        caller: Caller = SYSTEM,
    ) -> None:
        """Tell those who want it now something that is not in the journal: no number, no second chance."""
        event = Event(
            seq=None,
            type=type,
            at=self._now(),
            caller=caller.name,
            subject=subject,
            budget_id=budget_id,
            about=about,
            said=payload,
        )
        self._hand_out([Message(event, self.seq)])

    # For those who listen

    async def subscribe(self, wanted: Filter = EVERYTHING, after: int | None = None) -> Subscription:
        """A place in the stream: right after a number, else from now on.

        Raises `Gone` when events after that number are no longer kept, `Invalid` when it has not been given out yet.
        """
        oldest, newest = await self.bounds()
        check_after(after, oldest, newest)
        if self._stopping or self.listeners >= MOST_LISTENERS:
            raise Unavailable("no more listeners are taken now")
        if not self._channels:  # nobody listened, so nothing was read: go on from here
            self.seq = max(self.seq, newest)
        channel = self._channels.get(wanted)
        if channel is None:
            channel = self._channels[wanted] = Channel(wanted, self.seq)
        self.listeners += 1
        self._woken.set()
        return Subscription(self, channel, self.seq if after is None else after)

    def leave(self, channel: Channel, subscription: Subscription) -> None:
        """A listener is gone; the last of a channel takes it along."""
        if subscription not in channel.subscriptions:
            return
        channel.subscriptions.discard(subscription)
        self.listeners -= 1
        if not channel.subscriptions:
            del self._channels[channel.filter]
        if not self.listeners:
            self._left.set()

    async def bounds(self) -> tuple[int, int]:
        """The oldest number that is kept, and the newest."""
        return await self._database.read(stored.bounds, self._now() - self._kept)

    async def read(self, after: int, limit: int) -> list[Message]:
        """The next events after a number, from the database."""
        found = await self._database.read(stored.after, after, limit)
        return [Message(event, event.seq or 0) for event in found]

    def listens(self, announcement: str) -> bool:
        """Whether anyone wants this announcement."""
        return any(announcement in channel.filter.announced for channel in self._channels.values())

    def watch(self, observer: Callable[[list[Message]], None]) -> None:
        """Show each round of events to an observer, too, while anyone listens."""
        self._observers.append(observer)

    def remind(self) -> None:
        """Let every listener say how far it has come."""
        for channel in self._channels.values():
            for subscription in channel.subscriptions:
                subscription.checkpoint()

    # Life

    def start(self) -> None:
        """Follow the journal from now on."""
        self._tasks = [
            asyncio.create_task(self._follow(), name="budget-events"),
            asyncio.create_task(self._remind(), name="budget-checkpoints"),
        ]

    async def stop(self) -> None:
        """Tell every listener to go, and wait a moment until they have; nobody is taken any more."""
        self._stopping = True
        if self.listeners:
            self._left.clear()
            self._end_all(Ending.STOPPED)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), STOP_SECONDS)
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def _follow(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                while self._channels:
                    messages = await self.read(self.seq, READ_AT_ONCE)
                    # Listeners may have left and others come while this was read; those begin further on.
                    self._hand_out([message for message in messages if message.as_of_seq > self.seq])
                    if len(messages) < READ_AT_ONCE:
                        await asyncio.sleep(PAUSE_SECONDS if len(messages) >= BUSY else 0)
                        break
            except Unavailable as error:
                log.warning("events cannot be read now", error=error.message)
                await asyncio.sleep(RETRY_SECONDS)
                self._woken.set()
            except Exception:  # an entry that cannot be shown: nobody may believe that there was nothing
                log.exception("events cannot be read")
                self._end_all(Ending.FAILED)

    async def _remind(self) -> None:
        while True:
            await asyncio.sleep(self._checkpoint_seconds)
            self.remind()

    def _hand_out(self, messages: list[Message]) -> None:
        if not messages:
            return
        for channel in self._channels.values():
            channel.add(messages)
        self.seq = max(self.seq, messages[-1].as_of_seq)
        for observer in self._observers:
            observer(messages)

    def _end_all(self, ending: Ending) -> None:
        for channel in self._channels.values():
            for subscription in channel.subscriptions:
                subscription.end(ending)


def check_after(after: int | None, oldest: int, newest: int) -> None:
    """Raise where the stream cannot go on right after this number."""
    if after is None:
        return
    if after > newest:
        raise Invalid("after", f"{after} has not been given out yet; the newest event is {newest}")
    if after < oldest - 1:
        raise Gone(
            f"events up to {oldest - 1} are no longer kept; take a snapshot and go on after its as_of_seq",
            oldest_seq=oldest,
            snapshot=SNAPSHOT,
        )
