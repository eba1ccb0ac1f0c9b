"""What one socket hears: its topics, its filter, and its place in the stream."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from budget.domain.entries import Caller
from budget.domain.events import Filter
from budget.engine.ledger import Ledger
from budget.engine.subscriptions import Ending, Message, Subscription
from budget.interfaces.ws.topics import filter_of
from budget.operations import by_caller
from budget.operations.access import Asking


class Place(NamedTuple):
    """A place in the stream that can be taken."""

    subscription: Subscription
    joined: frozenset[str]
    narrowed: Filter
    goes_on: bool
    """Whether it begins where the place before it ends."""

    @property
    def seq(self) -> int:
        """Where it begins."""
        return self.subscription.seq


class Seen(Protocol):
    """Who listens."""

    caller: Caller


class Hearing:
    """The socket's own; `over` is called when the stream sends it away."""

    def __init__(self, ledger: Ledger, topic: str, over: Callable[[], None], access: Seen) -> None:
        self.joined: frozenset[str] = frozenset((topic,))
        self.narrowed = Filter()
        self._ledger = ledger
        self._access = access
        self._over = over
        self.seq = 0
        """Everything wanted up to here has been sent."""
        self._subscription: Subscription | None = None
        self._offered: Subscription | None = None

    @property
    def began(self) -> bool:
        """Whether it has a place yet."""
        return self._subscription is not None

    @property
    def ending(self) -> Ending | None:
        """Why the stream sends the socket away, if it does."""
        return None if self._subscription is None else self._subscription.ending

    async def next(self) -> list[Message]:
        """What comes next; asking for it says that what came before is sent."""
        subscription = self._subscription
        assert subscription is not None  # noqa: S101 -- a socket takes a place before it listens
        self.seq = subscription.seq
        messages = await subscription.next()
        if not messages:
            self.seq = subscription.seq
        return messages

    async def place(self, joined: frozenset[str], narrowed: Filter, after: int | None = None) -> Place:
        """A place for these topics: after a number, else where the present one has come to, else from now on."""
        wanted = by_caller.narrowed(filter_of(joined, narrowed), self._access.caller)
        subscription = await self._ledger.bus.subscribe(wanted, after)
        subscription.on_end = self._over
        self._offered = subscription
        return Place(subscription, joined, narrowed, after is None)

    async def snapshot(self, budget_id: str | None) -> dict[str, Any]:
        """Every limit as it stands, of one budget or of all."""
        shown: dict[str, Any] = await Asking(self._ledger, self._access.caller)("get_snapshot", budget_id=budget_id)
        return shown

    def take(self, place: Place) -> None:
        """Hear this from now on."""
        if self._subscription is not None:
            if place.goes_on:
                place.subscription.go_back(self._subscription.seq)
            self._subscription.close()
        self._subscription, self._offered = place.subscription, None
        self.joined, self.narrowed = place.joined, place.narrowed
        self.seq = place.seq

    def stir(self) -> None:
        """Let `next` return soon, even with nothing."""
        if self._subscription is not None:
            self._subscription.checkpoint()

    def close(self) -> None:
        """Hear nothing more."""
        for subscription in (self._subscription, self._offered):
            if subscription is not None:
                subscription.close()
