"""Does the same to the service and to the model, step by step: commands, time, trouble; after each they must agree."""

import hashlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec

from budget.domain import commands
from budget.domain.entries import ANONYMOUS, Caller
from budget.domain.errors import BudgetExceeded, KeyReused
from budget.engine.ledger import Outcome
from budget.simulator import judging, taking
from budget.simulator.chance import Chance
from budget.simulator.clock import MINUTE, SECOND, Time
from budget.simulator.comparing import compare, compare_limits, compare_sums, no_clock_alerts_beyond
from budget.simulator.faults import Fault
from budget.simulator.granting import fits, instant, is_lifetime
from budget.simulator.making import KEYS, MODELS, Maker
from budget.simulator.model import Model
from budget.simulator.moving import move_on
from budget.simulator.promises import agree, hold_to
from budget.simulator.story import Happening
from budget.simulator.world import Item, Lost, World

CALLERS = (ANONYMOUS, ANONYMOUS, ANONYMOUS, *(Caller(key_id=key) for key in KEYS))
LAST_STATEMENT = 24
"""A batch runs about as many statements; a fault beyond its last happens before its commit."""

THOROUGH = 10
"""After so many steps sums are compared, too."""


class Driver:
    """A service and a model that go through the same steps."""

    def __init__(self, world: World, model: Model, time: Time) -> None:
        self.world = world
        self.model = model
        self.time = time
        self.happenings: list[Happening] = []
        self.digest = hashlib.sha256()
        self.commands = self.kills = self.jumps = 0
        self._step = 0
        self._head_at = 0
        """The latest time at which a batch ran."""
        self._sent: list[Item] = []
        """What was sent under a key."""
        self._late: list[Item] = []
        """What was sent, and has not arrived yet."""
        self._claims: dict[tuple[str, str, str], tuple[commands.Command, Any]] = {}
        """What was accepted under a key, and the first answer."""

    async def set_up(self, chance: Chance) -> None:
        """Two budgets, a few policies, and a price for all but one of the models."""
        maker = self._begin(0, chance)
        for name in ("b0", "b1"):
            await self._alone(chance, maker.create_budget(name))
        for _ in range(4):
            self.time.pass_(SECOND)
            await self._alone(chance, maker.create_policy())
        for named in MODELS[:-1]:
            await self._alone(chance, maker.set_price(named))
        await self._alone(chance, maker.set_model())

    async def step(self, number: int, chance: Chance) -> None:
        """Let time go on, let something happen, and compare."""
        move_on(self.time, self.model, chance)
        if chance.happens(0.03):
            self._set_clock(chance)
        maker = self._begin(number, chance)
        await self._act(chance, maker)
        await self.compare()
        if number % THOROUGH == 0:
            await self.compare_everything()

    def _begin(self, number: int, chance: Chance) -> Maker:
        self._step = number
        self.model.begin(number)
        self.world.take_turns()
        self.model.now = max(self.time.wall, self._head_at + 1)
        return Maker(self.model, chance)

    async def _act(self, chance: Chance, maker: Maker) -> None:
        actions: tuple[tuple[int, Callable[[], Awaitable[None]]], ...] = (
            (6, lambda: self._alone(chance, maker.create_policy())),
            (7, lambda: self._alone(chance, maker.update_policy())),
            (3, lambda: self._alone(chance, maker.change_zone())),
            (6, lambda: self._alone(chance, maker.set_any_price())),
            (2, lambda: self._alone(chance, maker.set_model())),
            (3, lambda: self._alone(chance, commands.Sweep())),
            (2, lambda: self._come_back(self.world.restart, "restart")),
            (3, self._pull_the_plug),
            (70, lambda: self._batch(chance, maker)),
            (30 if self.world.processes > 1 else 0, lambda: self._overlap(chance, maker)),
        )
        await chance.weighted(actions)()

    # Time

    def _set_clock(self, chance: Chance) -> None:
        """Somebody sets the wall clock, by more than a minute or less."""
        jump = chance.one_of((-26 * 60, -70, -3, -1, 1, 9, 100)) * MINUTE + chance.one_of((-SECOND, 0, SECOND))
        self.time.set_wall(jump)
        self.jumps += 1
        self._note(f"the clock is set by {jump // SECOND} s")

    def _round_time(self) -> None:
        """What runs in several batches, each later than the one before, must not lie astride an instant that counts."""
        self.time.pass_(-self.time.wall % SECOND)

    async def _tell_time(self) -> None:
        """The time of the next batch: the clock's, but later than the last entry (rule 3.3)."""
        self._head_at = (await self.world.head()).at
        self.model.now = max(self.time.wall, self._head_at + 1)

    async def _catch_up(self) -> None:
        """More batches may have followed by themselves."""
        self._head_at = (await self.world.head()).at
        if self._head_at > self.model.now:
            self.model.now = self._head_at
            self.model.expire()

    # Commands

    async def _alone(self, chance: Chance, command: commands.Command) -> None:
        """What changes the rules: under a key, so that its repeat changes nothing. The service's own sweep has none."""
        self._round_time()
        kinds = ("kill", "kill", "busy", "stumble")
        key = None if isinstance(command, commands.Sweep) else self._new_key()
        await self.deliver([Item(command, key)], self._fault(chance, 0.08, kinds))

    async def _batch(self, chance: Chance, maker: Maker) -> None:
        items: list[Item] = []
        for _ in range(chance.one_of((1, 1, 1, 2, 3, 6))):
            items += self._one_more(chance, maker)
        if not items:
            return
        command, key, caller = items[0]
        single = len(items) == 1
        kinds = ("kill", "kill", "kill", "busy", "stumble") if self.time.wall % SECOND == 0 else ("kill", "busy")
        fault = self._fault(chance, 0.12, kinds)
        if fault is None and single and key is None and isinstance(command, commands.Allocate):
            await self._check(command, caller)
        outcomes = await self.deliver(items, fault, apart=chance.happens(0.3))
        error = outcomes[-1].error
        if fault is None and isinstance(error, BudgetExceeded):  # nothing was written since its offers were made
            await taking.take_an_offer(self, chance, items[-1], error.refusal)

    async def _overlap(self, chance: Chance, maker: Maker) -> None:
        """Two processes at once, the second while the first is somewhere between its first statement and its commit."""
        one, other = ([item for _ in range(2) for item in self._one_more(chance, maker)] for _ in range(2))
        if not one or not other:
            return
        self._round_time()
        await self._tell_time()
        self._note("two processes at once")
        self.commands += len(one) + len(other)
        for items, outcomes in await self.world.overlap(one, other, chance.whole(1, LAST_STATEMENT)):
            self._absorb(items, outcomes)
        await self._catch_up()

    def _one_more(self, chance: Chance, maker: Maker) -> list[Item]:
        """Something new, something sent before, or something that was long on its way."""
        if self._late and chance.happens(0.3):
            late = chance.labelled(self._late)
            self._late.remove(late)
            return [late]
        if self._sent and chance.happens(0.12):
            return [self._repeat(chance)]
        items = []
        for command in maker.some_for_a_batch():
            key = self._new_key() if chance.happens(0.4) else None
            item = Item(command, key, chance.one_of(CALLERS))
            if key is not None:
                self._sent.append(item)
            items += [item] * (1 + (key is not None and chance.happens(0.1)))
        if len(items) == 1 and chance.happens(0.06):
            self._late += items
            return []
        return items

    def _new_key(self) -> str:
        return f"k{self.model.label()}"

    def _repeat(self, chance: Chance) -> Item:
        """What was sent before; now and then under the key of another command, or by another caller."""
        item = chance.labelled(self._sent)
        if chance.happens(0.1):
            same = [other for other in self._sent if other.command.operation == item.command.operation]
            return item._replace(command=chance.labelled(same).command)
        return item._replace(caller=chance.one_of(CALLERS)) if chance.happens(0.05) else item

    def _fault(self, chance: Chance, probability: float, kinds: tuple[Any, ...]) -> Fault | None:
        if not chance.happens(probability):
            return None
        kind = chance.one_of(kinds)
        return Fault(kind, chance.whole(1, LAST_STATEMENT), after_commit=kind == "kill" and chance.happens(0.25))

    async def deliver(self, items: list[Item], fault: Fault | None = None, *, apart: bool = False) -> list[Outcome]:
        """Send these until they are answered, and hold each outcome against the model."""
        await self._tell_time()
        if fault is not None:
            self._note(str(fault))
        self.commands += len(items)
        try:
            outcomes = await self.world.submit(items, fault, apart=apart)
        except Lost as lost:
            return await self._deliver_again(items, lost)
        self._absorb(items, outcomes)
        await self._catch_up()
        return outcomes

    async def _deliver_again(self, items: list[Item], lost: Lost) -> list[Outcome]:
        """Nobody was answered. What has a key is sent again; first all must be as it was, or as it was committed."""
        if lost.outcomes is not None:
            self._absorb(items, lost.outcomes)
        if lost.died:
            self.kills += 1
            await self._come_back(self.world.restart, "killed")
        await self.compare()
        if lost.outcomes is None:
            return await self.deliver(items)
        again = [item for item in items if item.key is not None]
        if again:
            await self.deliver(again)
        return lost.outcomes

    def _absorb(self, items: list[Item], outcomes: list[Outcome]) -> None:
        self.happenings.append(Happening(self._step, self.model.now, "", tuple(items), tuple(outcomes)))
        self.model.expire()
        for item, outcome in zip(items, outcomes, strict=True):
            self.digest.update(repr((type(outcome.error).__name__, plain(outcome.answer))).encode())
            if item.key is not None and item.claim in self._claims:
                self._agree_on_repeat(item, outcome)
                continue
            agree("P4", "whether a first answer is given again", expected=False, found=outcome.replayed)
            judging.told(self.model, item.command, outcome.answer, outcome.error, item.caller)
            if item.key is not None and outcome.error is None:
                self._claims[item.claim] = (item.command, plain(outcome.answer))

    def _agree_on_repeat(self, item: Item, outcome: Outcome) -> None:
        """The first answer is given again, whatever has happened since; another command may not use its key (P4)."""
        first, answer = self._claims[item.claim]
        if item.command != first:
            hold_to("P4", "another command may not use a key", isinstance(outcome.error, KeyReused), outcome)
            return
        agree("P4", "the answer to a repeat", None, outcome.error)
        agree("P4", "whether a repeat's answer is the first", expected=True, found=outcome.replayed)
        agree("P4", "a repeat's answer", answer, plain(outcome.answer))

    async def _check(self, command: commands.Allocate, caller: Caller) -> None:
        """A check decides as the request that follows it will be decided (rule 10.4)."""
        await self._tell_time()
        if not is_lifetime(self.model, instant(command.expiration_time)):
            return
        verdict = await self.world.ledger.check(command, caller)
        self.model.expire()  # it counts as if it had been done; the batch that follows does it
        agree("P10", "what a check says", fits(self.model, command, caller), verdict.allowed)

    # Coming back, and comparing

    async def _pull_the_plug(self) -> None:
        self.kills += 1
        await self._come_back(self.world.pull_the_plug, "killed while idle")

    async def _come_back(self, how: Callable[[], Awaitable[None]], note: str) -> None:
        """The service starts again: it ends what is due, and prices what a price has come for."""
        self._note(note)
        await self._tell_time()
        await how()
        self.model.expire()
        self.model.price_usage()
        await self._catch_up()

    async def compare(self) -> None:
        """Every row."""
        stored = await self.world.snapshot()
        compare(self.model, stored)
        no_clock_alerts_beyond(stored, self.jumps * self.world.processes)

    async def compare_everything(self) -> None:
        """What `compare` does, and sums, pages, and the ledger rebuilt from its journal."""
        self._round_time()
        await self.deliver([Item(commands.Sweep())])
        await self.compare()
        await compare_sums(self.model, self.world)
        await compare_limits(self.model, self.world)

    def _note(self, note: str) -> None:
        self.happenings.append(Happening(self._step, self.time.wall, note))


def plain(answer: Any) -> Any:
    """An answer as data, whether it was given or rebuilt."""
    if isinstance(answer, tuple):
        return [plain(part) for part in answer]
    return msgspec.to_builtins(answer, builtin_types=(Decimal,))
