"""From the journal's events to "this resource changed", for those who listen by the Model Context Protocol.

An implementation of the SDK's `SubscriptionBus`. The journal is followed only while someone listens.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent

from budget.engine.ledger import Ledger
from budget.engine.subscriptions import Ended, Ending, Subscription
from budget.interfaces.mcp import resources
from budget.log import get_logger
from budget.operations import tekton_events

log = get_logger("mcp_endpoints")

LEAST_SECONDS: Final = 0.1
"""Between two rounds: an address that changes a thousand times a second is told of ten times."""


class Changes:
    """Tells listeners which resources changed."""

    def __init__(self, ledger: Ledger) -> None:
        self.on_stop: Callable[[], None] = lambda: None
        """Called when the service stops: every listener's stream is then ended."""
        self._ledger = ledger
        self._listeners: dict[object, Callable[[ServerEvent], None]] = {}
        self._following: asyncio.Task[None] | None = None
        self._followers = 0

    async def publish(self, event: ServerEvent) -> None:
        """Tell every listener."""
        for listener in list(self._listeners.values()):
            listener(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Take a listener; what is given back takes it out again."""
        token = object()
        self._listeners[token] = listener
        return lambda: self._listeners.pop(token, None) and None

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """The journal is followed from before the block begins until no such block is left."""
        self._followers += 1
        try:
            if self._following is None or self._following.done():
                subscription = await self._ledger.bus.subscribe()
                if self._following is None or self._following.done():
                    self._following = asyncio.create_task(self._follow(subscription), name="mcp-changes")
                else:  # another one came first while this one waited
                    subscription.close()
            yield
        finally:
            self._followers -= 1
            if not self._followers and self._following is not None:
                self._following.cancel()
                self._following = None

    async def _follow(self, subscription: Subscription) -> None:
        looked = self._ledger.now()
        try:
            while True:
                changed: dict[str, None] = {}
                list_changed = False
                for message in await subscription.next():
                    changed.update(dict.fromkeys(resources.changed_by(message.event)))
                    list_changed = list_changed or message.event.type == "budget.created"
                since, looked = looked, self._ledger.now()
                if tekton_events.resets(self._ledger.configuration(), since, looked):
                    changed[resources.events_uri(tekton_events.RESET)] = None
                for uri in changed:
                    await self.publish(ResourceUpdated(uri=uri))
                if list_changed:
                    await self.publish(ResourcesListChanged())
                await asyncio.sleep(LEAST_SECONDS)
        except Ended as ended:
            if ended.ending is not Ending.STOPPED:
                log.warning("the journal is not followed any more", reason=ended.ending)
            self.on_stop()  # whoever listens is told that the stream is over, and may listen anew
        except Exception:  # likewise: an open stream that hears nothing would be worse
            log.exception("the journal is not followed any more")
            self.on_stop()
        finally:
            subscription.close()
