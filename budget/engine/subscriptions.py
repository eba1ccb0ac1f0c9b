"""A listener's place in the stream of events, and the channel that it shares with all who want the same."""

import asyncio
import bisect
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, Protocol, TypeVar

from budget.domain.events import Event, Filter

Made = TypeVar("Made")

KEPT: Final = 5_000
"""Messages of a channel that are kept in memory, and as many again until they are cut."""

TAKEN_AT_ONCE: Final = 16
"""Few, so that a listener that takes anything at all is seen to."""

PAGE: Final = 200
"""Events that one who catches up reads at once."""


class Ending(StrEnum):
    """Why a subscription is over, though its listener did not leave."""

    STOPPED = "the service stops"
    SLOW = "too slow"
    FAILED = "something went wrong here"


class Ended(Exception):
    """The subscription is over: `ending` says why."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending = ending


class Message:
    """An event on its way. What is made of it is made once, for all who send it."""

    __slots__ = ("_made", "as_of_seq", "event")

    def __init__(self, event: Event, as_of_seq: int) -> None:
        self.event = event
        self.as_of_seq = as_of_seq
        """Its own number; of an announcement the number of the last event before it."""
        self._made: dict[Callable[[Message], Any], Any] = {}

    def made(self, make: "Callable[[Message], Made]") -> Made:
        """What `make` makes of it."""
        found: Made | None = self._made.get(make)
        if found is None:
            found = self._made[make] = make(self)
        return found


class Stream(Protocol):
    """What a subscription needs of the bus."""

    seq: int

    async def read(self, after: int, limit: int) -> list[Message]:
        """The next events after a number, from the database."""

    def leave(self, channel: "Channel", subscription: "Subscription") -> None:
        """A listener is gone."""


class Channel:
    """The last messages that pass one filter, for all who have that filter."""

    def __init__(self, wanted: Filter, after: int) -> None:
        self.filter = wanted
        self.messages: list[Message] = []
        self.start = 0
        """How many messages were cut, so the position of the first that is there."""
        self.after = after
        """Everything wanted after this number has come through here and is still there."""
        self.subscriptions: set[Subscription] = set()

    @property
    def end(self) -> int:
        return self.start + len(self.messages)

    def add(self, messages: list[Message]) -> None:
        wanted = [message for message in messages if self.filter.passes(message.event)]
        if not wanted:
            return
        self.messages += wanted
        if len(self.messages) > 2 * KEPT:
            cut = len(self.messages) - KEPT
            self.after = self.messages[cut - 1].as_of_seq
            self.start += cut
            del self.messages[:cut]
        for subscription in self.subscriptions:
            subscription.arrived()

    def position_after(self, seq: int) -> int:
        return self.start + bisect.bisect_right(self.messages, seq, key=lambda message: message.as_of_seq)


class Subscription:
    """One listener's place in the stream: `next` gives what comes, in order; `close` must be called at the end."""

    def __init__(self, stream: Stream, channel: Channel, seq: int) -> None:
        self.seq = seq
        """Everything wanted up to this number has been given."""
        self._stream = stream
        self._channel = channel
        self._position: int | None = None
        """The next message's place in the channel; None while reading from the database."""
        self._is_ahead = False
        """Whether it has read further than the bus has handed out: what it knows will come through the channel yet."""
        self._page: list[Message] = []
        """What was read from the database and not given yet, and up to which number that goes."""
        self._page_end = seq
        self._taken_at: int | None = None
        """Where the channel ended when messages were given that are not dealt with yet."""
        self._waiting: asyncio.Future[None] | None = None
        self._checkpoint_due = False
        self.ending: Ending | None = None
        self.on_end: Callable[[], None] | None = None
        """Called when the subscription is over, for a listener that may be stuck in sending."""
        channel.subscriptions.add(self)
        self._join()

    async def next(self) -> list[Message]:
        """The next messages, soon after there are any; none when a checkpoint is due. Raises `Ended`."""
        self._taken_at = None
        while True:
            if self.ending is not None:
                raise Ended(self.ending)
            reads = self._position is None
            messages = await self._from_database() if reads else self._from_channel()
            if messages:
                if len(messages) == TAKEN_AT_ONCE:  # there may be many more: others get their turn in between
                    await asyncio.sleep(0)
                self._taken_at = self._channel.end
                return messages
            if reads or self._position is None:
                continue
            if self._checkpoint_due:
                self._checkpoint_due = False
                return []
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None

    def go_back(self, seq: int) -> None:
        """Go on right after this number instead, which another subscription has reached."""
        self.seq = self._page_end = seq
        self._page, self._position = [], None
        self._join()

    def close(self) -> None:
        """The listener leaves."""
        self._stream.leave(self._channel, self)

    def end(self, ending: Ending) -> None:
        """The listener must go."""
        if self.ending is None:
            self.ending = ending
            self._wake()
            if self.on_end is not None:
                self.on_end()

    def arrived(self) -> None:
        """The channel has more."""
        if self._taken_at is not None and self._channel.end - self._taken_at > KEPT:
            self.end(Ending.SLOW)
        self._wake()

    def checkpoint(self) -> None:
        """Let `next` return, even with nothing."""
        self._checkpoint_due = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _join(self) -> None:
        """Read from the channel as soon as it has everything that is still wanted."""
        if self.seq >= self._channel.after:
            self._position = self._channel.position_after(self.seq)
            self._is_ahead = self.seq > self._stream.seq

    def _from_channel(self) -> list[Message]:
        channel, position = self._channel, self._position
        if position is None or position < channel.start:  # it was overtaken
            self.go_back(self.seq)
            return []
        if self._is_ahead:
            position = channel.position_after(self.seq)
            self._is_ahead = self.seq > self._stream.seq
        first = position - channel.start
        messages = channel.messages[first : first + TAKEN_AT_ONCE]
        self._position = position + len(messages)
        self.seq = max(self.seq, self._stream.seq if self._position == channel.end else messages[-1].as_of_seq)
        return messages

    async def _from_database(self) -> list[Message]:
        if not self._page:
            found = await self._stream.read(self._page_end, PAGE)
            self._page = [message for message in found if self._channel.filter.passes(message.event)]
            self._page_end = found[-1].as_of_seq
        messages, self._page = self._page[:TAKEN_AT_ONCE], self._page[TAKEN_AT_ONCE:]
        self.seq = messages[-1].as_of_seq if self._page else self._page_end
        if not self._page:
            self._join()
        return messages
