"""Being a member of Tekton: registered with Hermes for as long as both are there, whatever happens in between."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from budget.adapters.hermes.calls import Absent, Hermes, Registration, TokenRefused, Tool
from budget.engine.clock import Clock
from budget.log import get_logger
from budget.operations.identity import Neighbour

log = get_logger("budget_hermes")

BEAT_EVERY: Final = 30.0
"""Seconds between heartbeats: Hermes takes a component for alive for 60 after each."""

RENEW_AFTER: Final = 3000 * 1_000_000
"""µs after which to register again: a token is good for an hour."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Between tries while Hermes is absent: twice as long each time, less some chance."""

GOODBYE_SECONDS: Final = 4.0
"""How long a stop waits for Hermes."""


class Membership:
    """Registers, beats, notices that it was forgotten, registers again, says goodbye."""

    def __init__(
        self,
        hermes: Hermes,
        registrations: Iterable[Registration],
        tools: Iterable[Tool] = (),
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.state = Neighbour(name="hermes", endpoint=hermes.url)
        self.joined = asyncio.Event()
        """Set while Hermes knows us."""
        self._hermes = hermes
        self._registrations = tuple(registrations)
        self._tools = tuple(tools)
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._tokens: dict[str, str] = {}
        self._renewed_at: int | None = None
        """When all was registered last; None where it was begun and not finished."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background; nothing waits for it."""
        self._task = asyncio.create_task(self._keep(), name="budget-hermes")

    async def stop(self) -> None:
        """Take the tools off Hermes' list and say goodbye, if that is quickly done."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(TimeoutError, Absent):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._leave()
        await self._hermes.close()

    async def _keep(self) -> None:
        failures = 0
        while True:
            try:
                await self._step()
                failures, pause = 0, BEAT_EVERY
            except Absent as absent:
                failures += 1
                pause = self._pause(failures)
                self._note(absent, pause)
            except Exception:  # a fault of ours in here must not end the membership
                log.exception("the membership failed")
                pause = LONGEST_PAUSE
            await self._sleep(pause)

    def _pause(self, failures: int) -> float:
        longest = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE)
        return longest * (0.5 + 0.5 * self._chance())

    async def _step(self) -> None:
        """Make sure that Hermes knows us, once."""
        if self._renewed_at is not None and self._clock.steady() - self._renewed_at < RENEW_AFTER:
            try:
                for registration in self._registrations:
                    await self._hermes.beat(registration.component_id, self._tokens[registration.component_id])
                listed = [await self._hermes.is_listed(registration.name) for registration in self._registrations]
                if all(listed):
                    self._joined()
                    return
                log.info("Hermes has forgotten us; registering again")
            except TokenRefused:
                log.info("Hermes refuses the token; registering again")
        await self._join()

    async def _join(self) -> None:
        self._renewed_at = None
        self._tokens.clear()
        for registration in self._registrations:
            self._tokens[registration.component_id] = await self._hermes.register(registration)
        for tool in self._tools:
            await self._hermes.add_tool(tool)
        self._renewed_at = self._clock.steady()
        log.info("registered with Hermes", names=[registration.name for registration in self._registrations])
        self._joined()

    def _joined(self) -> None:
        self.state.note(self._clock.now(), is_there=True, message="registered")
        self.joined.set()

    def _note(self, absent: Absent, pause: float) -> None:
        level = log.debug if not self.state.is_there and self.state.message else log.warning
        level("Hermes is absent", reason=absent.message, next_try_seconds=round(pause, 1))
        self.state.note(self._clock.now(), is_there=False, message=absent.message)
        self.joined.clear()

    async def _leave(self) -> None:
        self.joined.clear()
        tokens, self._tokens = self._tokens, {}
        if not tokens:
            return
        for tool in self._tools:
            await self._hermes.remove_tool(tool.id)
        for component_id, token in tokens.items():
            await self._hermes.unregister(component_id, token)
        log.info("unregistered from Hermes")
