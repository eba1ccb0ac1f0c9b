"""A limit that will not last is told once for its window, and not from three days of usage."""

import asyncio

import msgspec
import pytest

from budget.adapters.notifications.forewarning import keep
from budget.domain.notification_commands import AddReceiver
from budget.engine import forewarning
from tests.engine.test_outlook import spend


async def test_P12_a_limit_that_will_run_out_is_told_once_for_its_window(book):
    policy = await book.policy("warn", "weekly", token_limit=350)
    await spend(book, 10, per_day=100)
    (alert,) = await forewarning.look_ahead(book.ledger)
    details = msgspec.json.decode(alert.details)
    assert (alert.policy_id, alert.type, alert.severity) == (policy.policy_id, "token_limit_forecast", "warning")
    assert details["exhausts_at"] < details["resets_at"]
    assert await forewarning.look_ahead(book.ledger) == []
    assert [event.event.type for event in await book.ledger.bus.read(0, 500)][-1] == "forecast.runs_out"


async def test_three_days_and_a_limit_that_lasts_warn_of_nothing(book):
    await book.policy("warn", "weekly", token_limit=350)
    await spend(book, 3, per_day=100)
    assert await forewarning.look_ahead(book.ledger) == []
    await book.policy("warn", "weekly", token_limit=10_000, component="rhetor")
    await book.policy("ignore", "weekly", token_limit=10, task_type="default")
    await spend(book, 8, per_day=1)
    assert await forewarning.look_ahead(book.ledger) == []


async def test_what_is_used_up_already_is_no_forecast(book):
    await book.policy("warn", "weekly", token_limit=50)
    await spend(book, 10, per_day=100)
    assert await forewarning.look_ahead(book.ledger) == []


@pytest.mark.parametrize(("types", "told"), [((), 0), (("forecast.*",), 1)])
async def test_forecasts_are_looked_at_only_while_a_receiver_wants_to_hear_of_them(book, types, told):
    await book.policy("warn", "weekly", token_limit=350)
    await spend(book, 10)
    await book.do(AddReceiver(kind="email", address="ops@example.com", types=types))
    rounds = 0

    async def sleep(_):
        nonlocal rounds
        rounds += 1
        if rounds > 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await keep(book.ledger, lambda: True, sleep)
    assert len([alert for alert in await book.alerts() if alert.type == "token_limit_forecast"]) == told
