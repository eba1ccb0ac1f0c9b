"""The service as its callers see it: one or more real ledgers on one database, which may die and come back."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

from budget.domain import commands
from budget.domain.configuration import Rules
from budget.domain.entries import ANONYMOUS, Caller
from budget.domain.errors import BudgetError, Unavailable
from budget.domain.ids import Ids
from budget.engine.ledger import Ledger, Outcome, Submission
from budget.simulator.clock import SimulatedClock, Time
from budget.simulator.faults import Fault, FaultyDatabase, Killed, Store
from budget.storage import inspection, journal, verification


class Item(NamedTuple):
    """A command on its way: who sends it, and under which key."""

    command: commands.Command
    key: str | None = None
    caller: Caller = ANONYMOUS

    @property
    def label(self) -> str:
        """The same whatever other steps there are: a key names the step that made it."""
        return f"{self.command.operation} {self.key}"

    @property
    def claim(self) -> tuple[str, str, str]:
        """What makes a key one key (rule 7.1)."""
        return self.caller.name, self.command.operation, self.key or ""


Sent = tuple[list[Item], list[Outcome]]
"""A batch, and what became of it."""


class Lost(Exception):
    """Nobody was answered: the process died, or the database could not answer."""

    def __init__(self, outcomes: list[Outcome] | None, *, died: bool) -> None:
        super().__init__()
        self.outcomes = outcomes
        """What was committed all the same."""
        self.died = died


class World:
    """Real ledgers on one database, taking turns."""

    def __init__(
        self, store: Store, time: Time, noise: Callable[[int], bytes], rules: Rules, processes: int = 1
    ) -> None:
        self._store = store
        self._time = time
        self._noise = noise
        self._rules = rules
        self.processes = processes
        self._running: list[tuple[Ledger, FaultyDatabase]] = []
        self._turn = 0

    async def open(self) -> None:
        """Start every process."""
        for _ in range(self.processes):
            database = self._store.open()
            clock, ids = SimulatedClock(self._time), Ids(self._noise)
            ledger = Ledger(database, rules=self._rules, clock=clock, ids=ids, sweeps=False)
            self._running.append((ledger, database))
            await ledger.start()

    async def close(self) -> None:
        """Stop every process; one that was killed has nothing left to finish."""
        for ledger, _ in self._running:
            with contextlib.suppress(Killed):
                await ledger.stop()
        self._running.clear()

    async def restart(self) -> None:
        """Stop in good order, and start again."""
        await self.close()
        await self.open()

    async def pull_the_plug(self) -> None:
        """Kill every process while none is writing, and start again."""
        self._store.kill(None)
        await self.restart()

    @property
    def ledger(self) -> Ledger:
        """The process whose turn it is."""
        return self._running[self._turn][0]

    def take_turns(self) -> None:
        """Let the next process have its turn."""
        self._turn = (self._turn + 1) % self.processes

    async def submit(self, items: list[Item], fault: Fault | None = None, *, apart: bool = False) -> list[Outcome]:
        """Send these at once, as one request or each apart; raises `Lost` when nobody is answered."""
        ledger, database = self._running[self._turn]
        if fault is None:
            return await _send(ledger, items, apart=apart)
        database.fault = fault
        sending = asyncio.ensure_future(_send(ledger, items, apart=apart))
        dying = asyncio.ensure_future(database.died.wait())
        try:
            await asyncio.wait({sending, dying}, return_when=asyncio.FIRST_COMPLETED)
            if database.died.is_set():
                raise Lost(database.lost, died=True)
            return await sending
        finally:
            database.fault = None
            sending.cancel()
            dying.cancel()
            await asyncio.gather(sending, dying, return_exceptions=True)

    async def overlap(self, items: list[Item], others: list[Item], statement: int) -> list[Sent]:
        """While one process is in the middle of these, the next one does others; gives both in the order of commits."""
        ledger, database = self._running[self._turn]
        self.take_turns()
        database.fault = Fault("pause", statement)
        done: list[Sent] = []

        async def send(ledger: Ledger, batch: list[Item]) -> None:
            done.append((batch, await _send(ledger, batch, apart=False)))

        one, paused = asyncio.ensure_future(send(ledger, items)), asyncio.ensure_future(database.paused.wait())
        await asyncio.wait({one, paused}, return_when=asyncio.FIRST_COMPLETED)
        other = asyncio.ensure_future(send(self.ledger, others))
        await self._store.until_it_waits(other)
        database.resume.set()
        await asyncio.gather(one, other)
        database.fault = None
        paused.cancel()
        database.paused.clear()
        database.resume.clear()
        return done

    async def verify(self) -> verification.Verification:
        """Rebuild every figure from the journal."""
        return await self.ledger.database.read(verification.verify)

    async def snapshot(self) -> inspection.Snapshot:
        """Every row that is compared."""
        return await self.ledger.database.read(inspection.snapshot)

    async def head(self) -> journal.Head:
        """Where the journal stands."""
        return await self.ledger.database.read(journal.head)

    async def rollup_sums(self) -> list[int]:
        """What the rollups add up to."""
        return await self.ledger.database.read(inspection.rollup_sums)


async def _send(ledger: Ledger, items: list[Item], *, apart: bool) -> list[Outcome]:
    if len(items) == 1 or apart:
        return await asyncio.gather(*(_send_one(ledger, item) for item in items))
    try:
        return await ledger.submit_many(
            [
                Submission(command, caller, key, None if key is None else commands.fingerprint(command))
                for command, key, caller in items
            ]
        )
    except Unavailable:
        raise Lost(None, died=False) from None


async def _send_one(ledger: Ledger, item: Item) -> Outcome:
    try:
        return await ledger.submit(item.command, item.caller, item.key)
    except Unavailable:
        raise Lost(None, died=False) from None
    except BudgetError as error:
        return Outcome(error=error)
