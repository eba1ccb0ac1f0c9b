"""Callbacks fire: for allocations, limits and policies, plain and coroutine functions, with and without a loop."""

import asyncio
import datetime as dt
import logging

import pytest

from budget.adapters.apollo import BudgetPolicy, TokenBudgetManager
from budget.adapters.apollo.callbacks import EVENTS
from budget.app import open_ledger
from budget.client.in_process import InProcess
from budget.settings import load
from tests.live import MovableClock

LIMIT = BudgetPolicy(policy_id="p", type="hard_limit", period="daily", tier="heavyweight", component="telos", limit=100)


@pytest.fixture
def told():
    return []


def listening(manager, told):
    for event in EVENTS:
        manager.register_callback(event, lambda subject, event=event: told.append((event, subject)))
    return manager


async def test_each_change_is_told_with_what_it_is_about(backend, told):
    manager = listening(TokenBudgetManager(backend=backend), told)
    made = await manager.allocate_budget("c", "telos", token_count=60)
    manager.record_usage("c", 10)
    manager.update_allocation("c", 5)
    manager.add_policy(LIMIT)
    manager.update_policy("p", limit=70)
    manager.delete_policy("p")
    assert told[:3] == [("on_allocation_created", made), *[("on_allocation_updated", made)] * 2]
    assert [(event, subject.policy_id) for event, subject in told[3:]] == [("on_policy_updated", "p")] * 3


async def test_a_limit_that_refuses_or_is_exceeded_already_is_told(backend, told):
    manager = TokenBudgetManager(backend=backend)
    manager.add_policy(LIMIT)
    manager.register_callback("on_budget_exceeded", told.append)
    assert await manager.allocate_budget("c", "telos", token_count=101) is None
    manager.update_policy("p", type="warn", limit=0)
    await manager.allocate_budget("c", "telos", token_count=5)
    manager.record_usage("c", 5)
    assert [each.policy_id for each in told] == ["p"]
    await manager.allocate_budget("c", "telos", token_count=5)
    assert [each.policy_id for each in told] == ["p", "p"]


async def test_coroutine_functions_are_awaited_and_a_failing_one_spoils_nothing(backend, told, caplog):
    async def tell(subject):
        told.append(subject)

    def fail(_):
        raise RuntimeError("it is broken")

    manager = TokenBudgetManager(backend=backend)
    for callback in (fail, tell):
        manager.register_callback("on_allocation_created", callback)
    with caplog.at_level(logging.CRITICAL):
        made = await manager.allocate_budget("c", "telos")
    assert told == [made]


def test_a_coroutine_function_is_run_where_no_loop_runs(backend, told):
    async def tell(subject):
        told.append(subject.policy_id)

    manager = TokenBudgetManager(backend=backend)
    manager.register_callback("on_policy_updated", tell)
    manager.add_policy(LIMIT)
    assert told == ["p"]


def test_an_event_that_never_happens_cannot_be_waited_for(backend):
    with pytest.raises(ValueError, match="on_allocation_created"):
        TokenBudgetManager(backend=backend).register_callback("on_everything", print)


async def test_an_allocation_whose_time_is_over_is_told_once(new_database, tmp_path, told):
    clock = MovableClock()
    settings = load({"BUDGET_DB_PATH": str(tmp_path / "budget.db"), "HOME": str(tmp_path)})
    backend = InProcess(open_ledger(settings, clock=clock))
    manager = listening(TokenBudgetManager(backend=backend), told)
    made = await manager.allocate_budget("c", "telos", expiration=dt.datetime.now() + dt.timedelta(hours=1))
    clock.ahead = 2 * 3600 * 1_000_000
    await manager.allocate_budget("d", "telos")  # whatever is due on the same limits ends with the next command
    del told[:]
    await manager.cleanup()
    await manager.cleanup()
    assert told == [("on_allocation_expired", made)]
    assert (made.is_active, manager.get_allocation("c")) == (False, None)
    backend.close()


async def test_who_started_it_is_told_without_asking(new_database, tmp_path, told):
    clock = MovableClock()
    settings = load({"BUDGET_DB_PATH": str(tmp_path / "budget.db"), "HOME": str(tmp_path)})
    backend = InProcess(open_ledger(settings, clock=clock))
    manager = TokenBudgetManager(backend=backend, cleanup_interval=0.01)
    await manager.start()
    heard = asyncio.Event()
    manager.register_callback("on_allocation_expired", lambda _: heard.set())
    await manager.allocate_budget("c", "telos")
    clock.ahead = 25 * 3600 * 1_000_000
    await manager.allocate_budget("d", "telos")
    async with asyncio.timeout(20):
        await heard.wait()
    await manager.stop()
    await manager.stop()
    backend.close()
