"""Callbacks: who wants to be told of allocations, limits and policies; a callback that fails spoils nothing."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

from budget.log import get_logger

log = get_logger("apollo_adapter")

EVENTS: Final = (
    "on_allocation_created",
    "on_allocation_updated",
    "on_allocation_expired",
    "on_budget_exceeded",
    "on_policy_updated",
)

Callback = Callable[[Any], Any]
"""Called with the allocation or the policy that it is about; a coroutine function is awaited."""


class Callbacks:
    """The callbacks of one manager."""

    def __init__(self) -> None:
        self._known: dict[str, list[Callback]] = {event: [] for event in EVENTS}
        self._running: set[asyncio.Future[Any]] = set()

    def register(self, event: str, callback: Callback) -> None:
        """Tell it of an event from now on; `ValueError` for an unknown one."""
        if event not in self._known:
            raise ValueError(f"{event!r} is not one of {', '.join(EVENTS)}")
        self._known[event].append(callback)

    def wanted(self, event: str) -> bool:
        """Whether anybody wants to know."""
        return bool(self._known[event])

    async def tell(self, event: str, subject: Any) -> None:
        """Call those who want to know, and wait for what they return."""
        for callback in tuple(self._known[event]):
            await _told(callback, event, subject)

    def tell_now(self, event: str, subject: Any) -> None:
        """The same from a function without `await`: a running loop goes on with what they return, else it is run."""
        if not self._known[event]:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(self.tell(event, subject))
            return
        for callback in tuple(self._known[event]):
            result = _called(callback, event, subject)
            if inspect.isawaitable(result):
                work = asyncio.ensure_future(_finished(result, event))
                self._running.add(work)
                work.add_done_callback(self._running.discard)


async def _told(callback: Callback, event: str, subject: Any) -> None:
    result = _called(callback, event, subject)
    if inspect.isawaitable(result):
        await _finished(result, event)


def _called(callback: Callback, event: str, subject: Any) -> Any:
    try:
        return callback(subject)
    except Exception:  # it is somebody else's code: the manager goes on, and the log says what was wrong
        log.exception("a callback failed", event_type=event)
        return None


async def _finished(result: Awaitable[Any], event: str) -> None:
    try:
        await result
    except Exception:  # likewise
        log.exception("a callback failed", event_type=event)
