"""A kill at any statement of a batch leaves nothing half done; what was committed is answered to who asks again."""

import random

import pytest

from budget.domain import commands
from budget.domain.configuration import Rules
from budget.simulator.clock import SECOND, Time
from budget.simulator.faults import Fault
from budget.simulator.files import Files
from budget.simulator.running import Simulator
from budget.simulator.world import Item, Lost, World


@pytest.fixture
async def world(simulator: Simulator, tmp_path):
    world = World(
        Files(simulator._template, tmp_path), Time(1_795_000_000 * SECOND), random.Random(1).randbytes, Rules()
    )
    await world.open()
    yield world
    await world.close()


@pytest.fixture
async def batch(world):
    """A grant, a settlement, usage that crosses levels, a refusal: all that a batch usually does."""
    (budget,) = await world.submit([Item(commands.CreateBudget(name="b", default_policies=False))])
    place = {"budget_id": budget.answer.budget_id, "component": "x", "provider": "acme", "model": "m"}
    limit = commands.CreatePolicy(budget_id=place["budget_id"], type="hard_limit", period="daily", token_limit=1000)
    await world.submit([Item(limit)])
    (granted,) = await world.submit([Item(commands.Allocate(tokens_allocated=500, context_id="c", **place))])
    settle = commands.Settle(allocation_id=granted.answer.hold.allocation_id, input_tokens=400, output_tokens=10)
    return [
        Item(commands.Allocate(tokens_allocated=100, context_id="c", **place), "k1"),
        Item(settle, "k2"),
        Item(commands.RecordUsage(input_tokens=600, output_tokens=0, context_id="d", **place), "k3"),
        Item(commands.Allocate(tokens_allocated=900, context_id="c", **place), "k4"),
    ]


async def test_a_kill_at_any_statement_leaves_all_as_it_was(world, batch):
    before = await world.snapshot()
    statement, ran = 0, 0
    while statement <= ran:  # the last one is killed after all statements, before the commit
        statement += 1
        with pytest.raises(Lost) as lost:
            await world.submit(batch, Fault("kill", statement))
        ran = world._running[0][1].statements
        assert lost.value.outcomes is None
        await world.restart()
        assert await world.snapshot() == before
    assert ran > 10
    outcomes = await world.submit(batch)
    assert [outcome.replayed for outcome in outcomes] == [False] * 4
    assert (await world.verify()).differences == 0


async def test_a_kill_after_the_commit_loses_the_answer_only(world, batch):
    with pytest.raises(Lost) as lost:
        await world.submit(batch, Fault("kill", 1, after_commit=True))
    await world.restart()
    again = await world.submit(batch)
    assert [outcome.replayed for outcome in again] == [True, True, True, False]
    assert lost.value.outcomes is not None
    assert again[0].answer == lost.value.outcomes[0].answer
    assert (await world.verify()).differences == 0


@pytest.mark.parametrize("statement", [1, 7, 100])
async def test_a_busy_database_changes_nothing(world, batch, statement):
    before = await world.snapshot()
    with pytest.raises(Lost) as lost:
        await world.submit(batch, Fault("busy", statement))
    assert not lost.value.died
    assert await world.snapshot() == before
    assert [outcome.error is None for outcome in await world.submit(batch)] == [True, True, True, False]


async def test_a_batch_that_stumbles_is_run_one_by_one(world, batch):
    outcomes = await world.submit(batch, Fault("stumble", 9))
    assert [outcome.error is None for outcome in outcomes] == [True, True, True, False]
    assert (await world.verify()).differences == 0


async def test_what_was_not_finished_had_reached_the_log(world, batch):
    """Or the kill would be none: the file that is opened again must hold something to be undone."""
    files = world._store
    log = files.path.with_name(files.path.name + "-wal")
    before = log.stat().st_size
    with pytest.raises(Lost):
        await world.submit(batch, Fault("kill", 100))
    assert files.path.with_name(files.path.name + "-wal").stat().st_size > before


async def test_who_is_killed_while_idle_has_lost_nothing(world, batch):
    await world.submit(batch)
    before = await world.snapshot()
    await world.pull_the_plug()
    assert await world.snapshot() == before
