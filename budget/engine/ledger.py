"""The way in for everything that changes something: submit a command, get its answer after the commit (P3)."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from budget.domain import asking, commands, models, refusals
from budget.domain.configuration import Configuration, Rules
from budget.domain.entries import ANONYMOUS, SYSTEM, Caller
from budget.domain.errors import BudgetError, Invalid, Unavailable
from budget.domain.ids import Ids
from budget.domain.migrations import Reader
from budget.domain.pricing import Price
from budget.engine import batch, decisions, keys, loading
from budget.engine.bus import KEPT_DAYS, Bus
from budget.engine.clock import Clock
from budget.engine.groups import Group, answer, fail, submissions_of
from budget.engine.loading import Outcome, Submission
from budget.log import get_logger
from budget.storage import configuration, holdings, journal, migration
from budget.storage.database import Collided, Connection, Database, KeyTaken, Locked, OutcomeUnknown

log = get_logger("budget_engine")

SWEEP_SECONDS = 1.0
IDLE_SWEEP_SECONDS = 3600.0
MOST_FAILURES = 5
"""How often a batch is run again because others were in the way, or its commit was cut off, before it is given up."""

PAUSES_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Between the tries to ask a database that was lost in a commit what became of it."""

PriceList = tuple[str, str, Callable[[], Iterable[Price]]]
"""A source of prices, its version, and how to read it."""


class Figures(msgspec.Struct):
    """What the writer has done since the start, for /metrics."""

    commands: int = 0
    batches: int = 0
    commits: int = 0
    commit_seconds: float = 0.0
    refusals: int = 0
    replays: int = 0
    rejected: int = 0
    failed_batches: int = 0
    largest_batch: int = 0


class Ledger:
    """One writer over one database: commands wait in a bounded queue, and share commits (design 4).

    `clock`, `ids` and `sweeps` are for a simulation, where all that happens comes from one seed.
    """

    def __init__(  # noqa: PLR0913 -- all but the first have a default, and are given by name
        self,
        database: Database,
        *,
        rules: Rules,
        alias: models.Alias = lambda _provider, _model: None,
        price_lists: Iterable[PriceList] = (),
        clock: Clock | None = None,
        ids: Ids | None = None,
        sweeps: bool = True,
        queue_limit: int = 20_000,
        batch_limit: int = 2_000,
        default_limit: Decimal = Decimal(500),
        event_days: int = KEPT_DAYS,
        readers: Mapping[str, Reader] = {},
    ) -> None:
        self.database = database
        self.figures = Figures()
        self.default_limit = default_limit
        self.readers = readers
        """How older ledgers are read, by kind."""
        self._price_lists = tuple(price_lists)
        self._clock = clock or Clock()
        self._memory = loading.Memory(alias, rules, self._clock, ids or Ids())
        self._read_memory = loading.Memory(alias, rules, self._clock, Ids())
        self._queue: deque[Group] = deque()
        self._queued = 0
        self._queue_limit = queue_limit
        self._batch_limit = batch_limit
        self._arrived = asyncio.Event()
        self._stopping = False
        self._reached = True
        self._sweeps = sweeps
        self._pricing_due = True
        self._tasks: list[asyncio.Task[None]] = []
        self.key_uses = keys.Uses()
        self.bus = Bus(database, self.now, kept_days=event_days)
        """What happened, for those who listen."""

    # Life

    async def start(self) -> None:
        """Own the file, bring its tables up to date, make the first budget, load the price lists, then write."""
        self.database.lock()
        await self.database.write(migration.upgrade)
        self._tasks = [asyncio.create_task(self._write(), name="budget-writer")]
        await self.submit(commands.Initialise(), SYSTEM)
        for source, version, read in self._price_lists:
            if not await self.database.read(configuration.price_list_loaded, source, version):
                prices = await asyncio.to_thread(lambda read=read: tuple(read()))  # type: ignore[misc]
                await self.submit(commands.LoadPrices(source=source, version=version, prices=prices), SYSTEM)
        self._read_memory.prices = self._memory.prices  # thousands, and just read
        await self.refresh()
        await self._price_usage()
        self.bus.start()
        self._tasks.append(asyncio.create_task(self.database.listen(self.bus.wake), name="budget-listen"))
        if self._sweeps:
            self._tasks.append(asyncio.create_task(self._sweep(), name="budget-sweep"))

    async def stop(self) -> None:
        """Take nothing more, finish what was accepted, close."""
        await self.bus.stop()
        self._stopping = True
        self._arrived.set()
        for task in self._tasks[1:]:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        try:
            if self._tasks:
                await self._tasks[0]
        finally:
            await self.database.aclose()

    # Commands

    async def submit(self, command: commands.Command, caller: Caller = ANONYMOUS, key: str | None = None) -> Outcome:
        """Run one command; returns after its commit, or raises the error that refused it."""
        fingerprint = None if key is None else commands.fingerprint(command)
        (outcome,) = await self.submit_many([Submission(command, caller, key, fingerprint)])
        if outcome.error is not None:
            raise outcome.error
        if isinstance(command, commands.SetPrice) and not outcome.replayed:
            with contextlib.suppress(BudgetError):  # the price stands; the sweep goes on with what is left
                await self._price_usage()
        return outcome

    async def submit_many(self, submissions: list[Submission]) -> list[Outcome]:
        """Run these commands in one commit, each accepted or refused by itself. `Unavailable` when all must wait."""
        if self._stopping:
            raise Unavailable("the service is stopping")
        if len(submissions) > 1 and any(submission.command.alone for submission in submissions):
            return [outcome for submission in submissions for outcome in await self.submit_many([submission])]
        if self._queued and self._queued + len(submissions) > self._queue_limit:
            self.figures.rejected += len(submissions)
            raise Unavailable("too many commands are waiting; try again in a moment")
        group = Group(submissions, asyncio.get_running_loop().create_future())
        self._queue.append(group)
        self._queued += len(submissions)
        self._arrived.set()
        if any(isinstance(submission.command, commands.SetPrice) for submission in submissions):
            self._pricing_due = True
        return await group.future

    async def check(self, command: commands.Allocate, caller: Caller = ANONYMOUS) -> asking.Verdict:
        """Decide as an allocation would be decided, on a snapshot, and hold nothing (rule 10.4)."""
        return await self.database.read(_check, self._read_memory, command, caller)

    # What readers need

    def configuration(self) -> Configuration:
        """The configuration as this process last saw it."""
        current = self._memory.configuration
        if current is None:
            raise Unavailable("the ledger has not started")
        return current

    async def refresh(self) -> Configuration:
        """The configuration as it is now."""
        return await self.database.read(loading.current_configuration, self._read_memory)

    def now(self) -> int:
        """The time in µs that a batch would have now: always after what is in the ledger."""
        return max(self._clock.now(), self._memory.last_at + 1)

    @property
    def queue_depth(self) -> int:
        """How many commands wait."""
        return self._queued

    @property
    def is_writing(self) -> bool:
        """Whether commands are being taken, and the database was there when it was last asked."""
        return bool(self._tasks) and not self._tasks[0].done() and not self._stopping and self._reached

    # The writer

    async def _write(self) -> None:
        while True:
            if not self._queue:
                if self._stopping:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            groups: list[Group] = []
            self._gather(groups)
            try:
                await self._run(groups)
            except Exception:  # whatever it is, those who wait get an answer and the writer goes on
                log.exception("a batch could not be run")
                for group in groups:
                    fail(group, Unavailable("the outcome is not known; ask again with the same key"))

    def _gather(self, groups: list[Group]) -> None:
        """Add what waits, up to the batch limit; a command that changes the rules comes alone."""
        size = sum(len(group.submissions) for group in groups)
        while self._queue and not (groups and groups[0].alone):
            group = self._queue[0]
            if groups and (group.alone or size + len(group.submissions) > self._batch_limit):
                break
            groups.append(self._queue.popleft())
            size += len(group.submissions)
            self._queued -= len(group.submissions)

    async def _run(self, groups: list[Group]) -> None:
        def take() -> list[Submission]:
            if self.database.is_shared:  # others had their turn while this batch waited, and more has come meanwhile
                self._gather(groups)
            return submissions_of(groups)

        try:
            outcomes = await self._commit(take)
        except Unavailable as error:
            self._reached = False
            self.figures.failed_batches += 1
            log.warning("batch failed", error=error.message, commands=len(submissions_of(groups)))
            for group in groups:
                fail(group, error)
            return
        except Exception:
            # Not a passing fault of the database: one command is to blame, and only it shall fail (rule 6.3).
            self.figures.failed_batches += 1
            submissions = submissions_of(groups)
            if len(submissions) > 1:
                log.warning("batch failed, running its commands one by one", commands=len(submissions), exc_info=True)
            outcomes = await self._one_by_one(submissions)
        if groups[0].alone:
            with contextlib.suppress(Exception):  # it is committed, whatever comes now; the next batch looks again
                await self.database.read(loading.current_configuration, self._memory)
        self._count(outcomes)
        answer(groups, outcomes)
        if self._memory.head is not None:
            self._memory.last_at = max(self._memory.last_at, self._memory.head.at)
            self.bus.wake(self._memory.head.seq)

    async def _commit(self, take: Callable[[], list[Submission]]) -> list[Outcome]:
        jump = self._clock.jump()
        started = time.perf_counter()
        outcomes, claims_known = None, False
        failures = 0
        while outcomes is None:
            try:
                outcomes = await self.database.write(batch.run, self._memory, take, jump, claims_known=claims_known)
            except (KeyTaken, Collided, OutcomeUnknown) as error:
                written = self._memory.head
                self._memory.forget()
                if isinstance(error, OutcomeUnknown) and await self._was_committed(written):
                    self._memory.head, outcomes = written, error.result
                    continue
                claims_known = claims_known or isinstance(error, KeyTaken)
                failures += 1
                if failures > MOST_FAILURES:
                    raise Unavailable("this cannot be committed now; try again with the same key") from error
            except BaseException:  # not committed: what was remembered of it is not so
                self._memory.forget()
                raise
        self._reached = True
        self.figures.commits += 1
        self.figures.commit_seconds += time.perf_counter() - started
        return outcomes

    async def _was_committed(self, written: journal.Head | None) -> bool:
        """Whether the batch whose commit was cut off is in the journal after all, once that can be asked."""
        if written is None:  # it wrote no entry: running it again does no harm
            return False
        for pause in PAUSES_SECONDS:
            try:
                return await self.database.write(journal.is_written, written)
            except Exception as error:  # noqa: BLE001 -- whatever it is, nothing may be run again before this is known
                log.warning("a commit was cut off, and cannot be looked up yet", error=str(error))
                await asyncio.sleep(pause)
        raise OutcomeUnknown(None)

    async def _one_by_one(self, submissions: list[Submission]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for submission in submissions:
            if outcomes and isinstance(outcomes[-1].error, Unavailable):  # the others would wait for the same
                outcomes.append(Outcome(error=outcomes[-1].error))
            else:
                outcomes.append(await self._alone(submission))
        return outcomes

    async def _alone(self, submission: Submission) -> Outcome:
        try:
            (outcome,) = await self._commit(lambda: [submission])
        except BudgetError as error:
            return Outcome(error=error)
        except OverflowError:
            return Outcome(error=Invalid("cost", "an amount would leave the 64 bits of the database"))
        except Exception:  # the culprit of its batch: it alone fails, and the log says why
            log.exception("command failed", operation=submission.command.operation)
            return Outcome(error=BudgetError("this command could not be carried out; nothing was changed"))
        return outcome

    def _count(self, outcomes: list[Outcome]) -> None:
        figures = self.figures
        figures.batches += 1
        figures.commands += len(outcomes)
        figures.largest_batch = max(figures.largest_batch, len(outcomes))
        for outcome in outcomes:
            if outcome.error is not None:
                figures.refusals += 1
            elif outcome.replayed:
                figures.replays += 1

    # The background

    async def _sweep(self) -> None:
        """End holds that are due although nobody asks, once an hour drop what nobody uses, look for what is new."""
        next_idle = 0.0
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                self.bus.wake((await self.database.read(journal.head)).seq)  # in case a notice was missed
                self._reached = True
                # Another replica may have made or revoked a key, and here nothing was written since.
                await self.database.read(loading.current_configuration, self._memory)
                await self.key_uses.save(self.database, self._clock.now())
                due = await self.database.read(holdings.next_expiry)
                idle = time.monotonic() >= next_idle
                if idle or (due is not None and due <= self._clock.now()):
                    await self.submit(commands.Sweep(), SYSTEM)
                if idle:
                    next_idle = time.monotonic() + IDLE_SWEEP_SECONDS
                if self._pricing_due:
                    await self._price_usage()
            except BudgetError as error:
                self._reached = not isinstance(error, Unavailable)
                log.warning("sweep failed", error=error.message)
            except Exception:  # the next round tries again
                log.exception("sweep failed")

    async def _price_usage(self) -> None:
        """Price what had no price, a bounded chunk a batch so that others get their turn (rule 8.2)."""
        self._pricing_due = False
        after: Any = 0
        try:
            while after is not None:
                after = (await self.submit(commands.PriceUsage(after=after), SYSTEM)).answer
        except BaseException:  # a caller that goes away included
            self._pricing_due = True
            raise


def _check(
    connection: Connection, memory: loading.Memory, command: commands.Allocate, caller: Caller
) -> asking.Verdict:
    state = loading.load(connection, memory, [Submission(command, caller)], only_reads=True)
    verdict = asking.check(state, command, caller)
    if verdict.refusal is not None:
        refusals.complete(verdict.refusal, state.now, decisions.Outlook(connection, state))
    return verdict


__all__ = ["Ledger", "Locked", "Outcome", "Submission"]
