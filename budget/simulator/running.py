"""One run: so many steps from one seed, until the end or the first broken promise."""

import asyncio
import contextlib
import random
import tempfile
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, Self

from budget.domain.configuration import Rules
from budget.domain.instants import parse_instant
from budget.simulator.chance import Chance
from budget.simulator.clock import MINUTE, Time
from budget.simulator.counts import NANOCENTS
from budget.simulator.faults import Store
from budget.simulator.files import Files
from budget.simulator.model import Model
from budget.simulator.promises import SERVICE, Broken
from budget.simulator.steps import Driver
from budget.simulator.story import tell
from budget.simulator.world import World

STARTS = (
    "2026-10-24T20:11Z",  # within hours Beirut, Berlin and the Azores put their clocks back
    "2027-03-27T21:05Z",  # … and forward
    "2026-11-01T03:40Z",  # … New York back
    "2027-03-14T02:30Z",  # … and forward
    "2027-04-03T13:20Z",  # … Lord Howe back by half an hour
    "2026-10-03T13:50Z",  # … and forward
    "2026-12-31T21:45Z",  # a year ends
    "2026-11-29T22:30Z",  # a week ends, and soon a month
)
WORST = (4000, 9000)
"""Nanocents per input and output token of a model without a price, in the runs that assume some."""


class Step(NamedTuple):
    """One step as data: everything by chance in it comes from its seed, whatever other steps there are."""

    number: int
    seed: int


class Report(NamedTuple):
    """What became of a run."""

    seed: int
    steps: tuple[Step, ...]
    digest: str
    commands: int
    kills: int
    broken: Broken | None = None
    at_step: int = 0
    story: tuple[str, ...] = ()


def steps_of(seed: int, numbers: Iterable[int]) -> tuple[Step, ...]:
    """The steps of a run that have these numbers; step 0 sets everything up and is always done."""
    wanted = sorted(set(numbers))
    source = random.Random(seed)
    seeds = [source.getrandbits(64) for _ in range(max(wanted, default=0) + 1)]
    return tuple(Step(number, seeds[number]) for number in wanted if number > 0)


class Simulator:
    """Runs on database files of its own, which are gone when it is closed."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="budget-sim-")))
            self._runs, self._template = folder / "run", folder / "template.db"
            self._runs.mkdir()
            asyncio.run(_make_template(self._template, folder))
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def run(self, seed: int, steps: Iterable[Step], processes: int = 1) -> Report:
        """Do these steps of a seed."""
        return asyncio.run(run(Files(self._template, self._runs), seed, tuple(steps), processes))


async def _make_template(path: Path, folder: Path) -> None:
    empty = folder / "empty.db"
    empty.touch()
    store = Files(empty, folder)
    await start_once(store)
    store.path.rename(path)


async def start_once(store: Store) -> None:
    """Leave an empty database as the first start leaves it, the same one every time: what runs are copied from."""
    time = Time(parse_instant("2026-01-01T00:00Z", "UTC"))
    world = World(store, time, random.Random(0).randbytes, Rules())
    try:
        await world.open()
    finally:
        await world.close()


async def run(store: Store, seed: int, steps: tuple[Step, ...], processes: int = 1) -> Report:
    """Do these steps of a seed on a database that nobody else uses."""
    source = random.Random(f"the whole of run {seed}")
    time = Time(parse_instant(source.choice(STARTS), "UTC") + source.randint(0, 90) * MINUTE)
    worst = source.choice((None, None, None, WORST))
    world = World(store, time, source.randbytes, _rules(worst), processes)
    driver = Driver(world, Model(worst), time)
    setting_up = Step(0, source.getrandbits(64))
    broken, at_step = None, 0
    try:
        await world.open()
        for at_step, step_seed in (setting_up, *steps):
            chance = Chance(step_seed)
            await (driver.step(at_step, chance) if at_step else driver.set_up(chance))
        await driver.compare_everything()
        driver.digest.update((await world.head()).hash)
    except Broken as found:
        broken = found
    except Exception as error:  # noqa: BLE001 -- whatever it is, the run has found it: it is told with the steps that led to it
        broken = Broken(SERVICE, f"{type(error).__name__}: {error}", "an answer", error)
        broken.__cause__ = error
    finally:
        await world.close()
        store.discard()
    story = () if broken is None else tuple(tell(driver.happenings, driver.model))
    return Report(seed, steps, driver.digest.hexdigest()[:16], driver.commands, driver.kills, broken, at_step, story)


def _rules(worst: tuple[int, int] | None) -> Rules:
    if worst is None:
        return Rules()
    given, made = (Decimal(rate) / NANOCENTS for rate in worst)
    return Rules(unpriced="hold", unpriced_input_cost_per_token=given, unpriced_output_cost_per_token=made)


Runs = Callable[[tuple[Step, ...]], Report]
"""Does some steps of one seed."""
