"""Operations by their names, in process and over HTTP: the same answers, the same errors."""

import asyncio
from decimal import Decimal

import pytest

from budget import app as wiring
from budget.client import BudgetClient, Conflict, Invalid, NotFound, Refused, Unavailable
from budget.client.exchange import Retries
from budget.client.in_process import InProcess
from budget.settings import load
from tests.serving import serving

HOLD = {"context_id": "c", "component": "x", "provider": "openai", "model": "gpt-4o", "tokens_allocated": 1000}


@pytest.fixture
def both(new_database, tmp_path):
    """Two ledgers, one in this process, one behind a socket."""
    own = InProcess(wiring.open_ledger(settings(tmp_path)))
    with serving(new_database, tmp_path / "served") as running, BudgetClient(running.address) as client:
        yield own, client
    own.close()


def settings(folder):
    return load({"BUDGET_DB_PATH": str(folder / "budget.db"), "HOME": str(folder)})


def test_answers_are_alike_with_exact_money_and_lists_as_lists(both):
    for way in both:
        hold = way.call("allocate", **HOLD, metadata=None)
        assert (hold["tokens_allocated"], hold["held_cost"]) == (1000, Decimal("0.01"))
        assert isinstance(
            way.call("list_prices", provider="openai", model="gpt-4o")[0]["input_cost_per_token"], Decimal
        )
    kinds = [
        {name: type(value) for name, value in way.call("get_usage_summary", period="daily").items()} for way in both
    ]
    assert kinds[0] == kinds[1]


def test_errors_are_alike(both):
    for way in both:
        way.call("create_policy", type="hard_limit", period="daily", token_limit=5)
        with pytest.raises(Refused) as refused:
            way.call("allocate", **HOLD)
        assert [limit["limit"] for limit in refused.value.limits] == [5]
        with pytest.raises(NotFound):
            way.call("get_allocation", allocation_id="nothing")
        with pytest.raises(NotFound):
            way.call("no_such_operation")
        with pytest.raises(Invalid) as wrong:
            way.call("allocate", **{**HOLD, "tokens_allocated": "many"})
        assert (wrong.value.status, wrong.value.field) == (422, "tokens_allocated")


def test_a_key_is_remembered(both):
    for way in both:
        first, second = (way.call("allocate", key="k", **HOLD) for _ in range(2))
        assert first["allocation_id"] == second["allocation_id"]
        with pytest.raises(Invalid):
            way.call("allocate", key="k", **{**HOLD, "context_id": "d"})


def test_a_conflict_is_one(both):
    for way in both:
        ended = way.call("allocate", **HOLD)["allocation_id"]
        way.call("release_allocation", allocation_id=ended)
        with pytest.raises(Conflict):
            way.call("increase_allocation", allocation_id=ended, tokens=5)


async def test_a_call_from_the_ledgers_own_loop_is_refused_instead_of_waiting_for_itself(service):
    shared = InProcess(service.state.ledger, loop=asyncio.get_running_loop())
    with pytest.raises(RuntimeError, match="another one"):
        shared.call("list_budgets")
    assert (await asyncio.to_thread(shared.call, "list_budgets"))["total"] == 1
    shared.close()
    assert service.state.ledger.is_writing


def test_a_ledger_that_cannot_start_says_why_and_leaves_no_thread(tmp_path):
    first = InProcess(wiring.open_ledger(settings(tmp_path)))
    with pytest.raises(Unavailable) as caught:
        InProcess(wiring.open_ledger(settings(tmp_path)))
    assert caught.value.code == "database_locked"
    first.close()
    first.close()


def test_a_service_that_is_away_is_tried_again_and_said(tmp_path):
    slept: list[float] = []
    away = BudgetClient("http://127.0.0.1:9", retries=Retries(tries=3), sleep=slept.append)
    with away as client, pytest.raises(Unavailable):
        client.call("list_budgets")
    assert len(slept) == 2
