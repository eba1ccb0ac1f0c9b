"""Alerts that reach people: what happens becomes deliveries, and deliveries are sent until they have arrived."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Self

import httpx

from budget.adapters.notifications import forewarning
from budget.adapters.notifications.gathering import Gatherer
from budget.adapters.notifications.mail import MailServer
from budget.adapters.notifications.sending import Sender
from budget.engine.clock import Clock
from budget.engine.ledger import Ledger


class Notifications:
    """The tasks of one replica. Several replicas may run them: one at a time works."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        mail: MailServer | None = None,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        wake = asyncio.Event()
        self._ledger = ledger
        sleep = (clock or Clock()).sleep
        self._gatherer = Gatherer(ledger, wake=wake, sleep=sleep)
        self._sender = Sender(
            ledger,
            wake=wake,
            sleep=sleep,
            is_ours=self._is_ours,
            mail=mail,
            transport=transport,
            chance=chance,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin in the background."""
        self._tasks = [
            asyncio.create_task(self._gatherer.keep(), name="budget-notifications"),
            asyncio.create_task(self._sender.keep(), name="budget-deliveries"),
            asyncio.create_task(forewarning.keep(self._ledger, self._is_ours), name="budget-forewarning"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End, and let another replica go on. What was being sent counts as not sent."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._sender.stop()
        await self._gatherer.release()

    def _is_ours(self) -> bool:
        return self._gatherer.has_task
