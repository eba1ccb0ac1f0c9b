"""Holds that end well: allocated and started on entering, renewed while the body runs, settled or released on leaving.

What leaving does, after an exception or a cancellation as after success (rules 4.3, P9):

- the body settled or released the hold itself: nothing more;
- it recorded usage on the hold: the rest is released;
- it recorded nothing and never said `calling()`: no call was made as far as anyone knows, the hold is released whole;
- it said `calling()`, or recording failed, and usage is unknown: the hold is ended as a call that went silent. It
  becomes a provisional charge of what was held, never silently free; a late `settle` replaces it by the truth.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, Unpack

from budget.client import exchange
from budget.client.errors import BudgetError, Conflict, NotFound, Unavailable
from budget.client.exchange import Reply
from budget.client.operations import Operations
from budget.client.requests import Amounts
from budget.domain import instants

Answer = TypeVar("Answer")

LIFETIME_SECONDS: Final = 15 * 60
_EARLY: Final = 3
"""A hold is renewed a third of its lifetime before its end."""
_SILENT_SECONDS: Final = 1
"""How soon a hold whose usage is unknown ends, so that its charge stands at once."""

Sleep = Callable[[float], Awaitable[None]]
Wait = Callable[[threading.Event, float], bool]


class _State(Generic[Answer]):
    """What both kinds of hold know; nothing here waits."""

    def __init__(self, client: Operations[Answer], fields: Mapping[str, Any], lifetime_seconds: float) -> None:
        self._client = client
        self._lifetime = lifetime_seconds
        self._fields = fields
        self._called = self._recorded = self._ended = False
        self._ahead = 0
        self.allocation: Reply = {}
        """The allocation as last heard of."""
        self.extensions = 0
        """How often it was renewed."""
        self.extension_error: BudgetError | None = None
        """Why renewing stopped, if it did."""

    @property
    def allocation_id(self) -> str:
        """The hold's id."""
        allocation_id: str = self.allocation["allocation_id"]
        return allocation_id

    def calling(self) -> None:
        """Say that the model is being called now: if no usage becomes known, the call is charged, not free."""
        self._called = True

    def _request(self) -> Answer:
        return self._client.allocate(**{**self._fields, "expiration_time": _iso(exchange.now(), self._lifetime)})

    def _granted(self, allocation: Reply) -> None:
        # The service's clock counts; how far it is ahead of ours is known from its own times.
        self._ahead = instants.parse_instant(allocation["creation_time"], "UTC") - _steady()
        self.allocation = allocation

    def _expiration(self, seconds: float) -> str:
        return _iso(_steady() + self._ahead, seconds)

    def _extended(self, allocation: Reply) -> None:
        self.allocation = allocation
        self.extensions += 1

    @property
    def _renewal_seconds(self) -> float:
        return self._lifetime - self._lifetime / _EARLY

    @property
    def _retry_seconds(self) -> float:
        return self._lifetime / _EARLY / 10

    def _ending(self) -> Answer | None:
        """What is still to be sent so that the hold ends."""
        if self._ended:
            return None
        self._ended = True
        if self._recorded or not self._called:
            reason = "rest" if self._recorded else "no call was made"
            return self._client.release(self.allocation_id, confirm_unused=True, reason=reason)
        return self._client.extend(self.allocation_id, self._expiration(_SILENT_SECONDS))


class AsyncHold(_State[Awaitable[Reply]]):
    """An allocation for the time of an `async with` block; `AsyncBudgetClient.allocation` makes it."""

    def __init__(
        self, client: Operations[Awaitable[Reply]], fields: Mapping[str, Any], lifetime_seconds: float, sleep: Sleep
    ) -> None:
        super().__init__(client, fields, lifetime_seconds)
        self._sleep = sleep
        self._extending: asyncio.Task[None] | None = None

    async def record(self, **amounts: Unpack[Amounts]) -> Reply:
        """Book what one call used, drawing it off the hold; the hold stays for the next call."""
        self.calling()
        record = await self._client.record(allocation_id=self.allocation_id, **amounts)
        self._recorded = True
        return record

    async def settle(self, **amounts: Unpack[Amounts]) -> Reply:
        """Book what was used, besides what was recorded, and end the hold."""
        self.calling()
        settled = await self._client.settle(self.allocation_id, **amounts)
        self._ended = True
        return settled

    async def release(self) -> Reply:
        """End the hold and free what it still holds: no (more) usage comes."""
        released = await self._client.release(self.allocation_id, confirm_unused=True)
        self._ended = True
        return released

    async def increase(self, tokens: int) -> Reply:
        """Hold more tokens."""
        self.allocation = await self._client.increase(self.allocation_id, tokens)
        return self.allocation

    async def __aenter__(self) -> Self:
        # Shielded: cancelled while the answer is on its way, the hold must still be found and given back.
        beginning = asyncio.create_task(self._begin())
        try:
            await asyncio.shield(beginning)
        except asyncio.CancelledError:
            _keep(asyncio.create_task(self._give_back(beginning)))
            raise
        self._extending = asyncio.create_task(self._extend())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Shielded: a second cancellation must not leave the hold behind.
        await asyncio.shield(_keep(asyncio.create_task(self._end(error))))

    async def _begin(self) -> None:
        self._granted(await self._request())
        try:
            self.allocation = await self._client.start(self.allocation_id)
        except BudgetError:
            with contextlib.suppress(BudgetError):
                await self._client.release(self.allocation_id, confirm_unused=True)
            raise

    async def _give_back(self, beginning: "asyncio.Task[None]") -> None:
        with contextlib.suppress(BudgetError):
            await beginning
            await self._client.release(self.allocation_id, confirm_unused=True)

    async def _end(self, error: BaseException | None) -> None:
        if self._extending is not None:
            self._extending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._extending
        ending = self._ending()
        if ending is None:
            return
        try:
            await ending
        except (Conflict, NotFound):
            return  # it has ended by itself
        except BudgetError as failed:
            _say_or_raise(failed, error)

    async def _extend(self) -> None:
        wait = self._renewal_seconds
        while not self._ended:
            await self._sleep(wait)
            try:
                self._extended(await self._client.extend(self.allocation_id, self._expiration(self._lifetime)))
                wait = self._renewal_seconds
            except Unavailable as error:
                self.extension_error = error
                wait = self._retry_seconds
            except BudgetError as error:
                self.extension_error = error
                return


class Hold(_State[Reply]):
    """An allocation for the time of a `with` block, renewed by a thread; `BudgetClient.allocation` makes it."""

    def __init__(
        self, client: Operations[Reply], fields: Mapping[str, Any], lifetime_seconds: float, wait: Wait
    ) -> None:
        super().__init__(client, fields, lifetime_seconds)
        self._wait = wait
        self._stopped = threading.Event()
        self._extending = threading.Thread(target=self._extend, name="budget-hold", daemon=True)

    def record(self, **amounts: Unpack[Amounts]) -> Reply:
        """Book what one call used, drawing it off the hold; the hold stays for the next call."""
        self.calling()
        record = self._client.record(allocation_id=self.allocation_id, **amounts)
        self._recorded = True
        return record

    def settle(self, **amounts: Unpack[Amounts]) -> Reply:
        """Book what was used, besides what was recorded, and end the hold."""
        self.calling()
        settled = self._client.settle(self.allocation_id, **amounts)
        self._ended = True
        return settled

    def release(self) -> Reply:
        """End the hold and free what it still holds: no (more) usage comes."""
        released = self._client.release(self.allocation_id, confirm_unused=True)
        self._ended = True
        return released

    def increase(self, tokens: int) -> Reply:
        """Hold more tokens."""
        self.allocation = self._client.increase(self.allocation_id, tokens)
        return self.allocation

    def __enter__(self) -> Self:
        self._granted(self._request())
        try:
            self.allocation = self._client.start(self.allocation_id)
        except BaseException:
            with contextlib.suppress(BudgetError):
                self._client.release(self.allocation_id, confirm_unused=True)
            raise
        self._extending.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._extending.join()
        try:
            self._ending()
        except (Conflict, NotFound):
            return  # it has ended by itself
        except BudgetError as failed:
            _say_or_raise(failed, error)

    def _extend(self) -> None:
        wait = self._renewal_seconds
        while not self._wait(self._stopped, wait) and not self._ended:
            try:
                self._extended(self._client.extend(self.allocation_id, self._expiration(self._lifetime)))
                wait = self._renewal_seconds
            except Unavailable as error:
                self.extension_error = error
                wait = self._retry_seconds
            except BudgetError as error:
                self.extension_error = error
                return


def fields_of(component: str, tokens: int, context_id: str | None, more: Mapping[str, Any]) -> dict[str, Any]:
    """The request of a hold; a call without a context of its own gets a fresh one."""
    context = context_id or f"call-{exchange.new_key()}"
    return {**more, "component": component, "tokens_allocated": tokens, "context_id": context}


def _say_or_raise(failed: BudgetError, error: BaseException | None) -> None:
    if error is None:
        raise failed
    # The body's own error matters more; the hold ends by itself at its expiry.
    error.add_note(f"and the hold could not be ended: {failed.message}")


def _steady() -> int:
    return time.monotonic_ns() // 1000


def _iso(microseconds: int, seconds: float) -> str:
    return instants.iso(microseconds + int(seconds * instants.MICROSECONDS_PER_SECOND))


# The loop keeps only weak references to tasks; what ends a hold must run to its end.
_running: set["asyncio.Task[None]"] = set()


def _keep(task: "asyncio.Task[None]") -> "asyncio.Task[None]":
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task
