"""The figures that go out unasked: coalesced, the last state always among them."""

from typing import Any

import pytest

from budget.domain.errors import Unavailable
from budget.domain.events import DRAWN, SUMMARIES, SUMMARY, Filter
from budget.engine import pulse as pulse_module
from budget.engine import summaries
from budget.engine.pulse import Pulse


async def listening(book, *announcements):
    return await book.ledger.bus.subscribe(Filter(types=frozenset(), announced=frozenset(announcements)))


@pytest.fixture
async def pulse(book):
    made = Pulse(book.ledger, every_seconds=0.01)
    made.start()
    yield made
    await made.stop()


async def test_many_changes_are_few_summaries_and_the_last_has_them_all(book, pulse):
    subscription = await listening(book, SUMMARY)
    for _ in range(30):
        await book.record(10, 0)
    summaries: list[Any] = []
    while not summaries or summaries[-1]["summary"]["total_tokens_used"] < 300:
        summaries += [message.event.said for message in await subscription.next()]
    assert len(summaries) < 15
    assert summaries[-1]["summaries"][2]["period"] == "monthly"
    subscription.close()


async def test_what_cannot_be_read_now_is_told_when_it_can(book, pulse, monkeypatch):
    read, failures = summaries.summary_rows, [Unavailable("the database is gone for a moment")]

    async def summary_rows(*asked, **more):
        if failures:
            raise failures.pop()
        return await read(*asked, **more)

    monkeypatch.setattr(summaries, "summary_rows", summary_rows)
    monkeypatch.setattr(pulse_module, "RETRY_SECONDS", 0)
    subscription = await listening(book, SUMMARY)
    await book.record(10, 0)
    (message,) = await subscription.next()
    assert (failures, message.event.said["summary"]["total_tokens_used"]) == ([], 10)
    subscription.close()


async def test_an_allocation_that_is_drawn_on_is_told_as_it_stands(book, pulse):
    subscription = await listening(book, DRAWN)
    hold = await book.hold(1000)
    await book.record(100, 50, allocation_id=hold.allocation_id)
    (message,) = await subscription.next()
    assert message.event.about[0].held_tokens == 850
    subscription.close()


async def test_the_default_budget_is_told_again_and_again(book, pulse):
    subscription = await listening(book, *SUMMARIES.values())
    periods: list[str] = []
    while len(periods) < 6:
        periods += [message.event.said["period"] for message in await subscription.next()]
    assert periods[:6] == ["daily", "weekly", "monthly"] * 2
    subscription.close()


async def test_what_nobody_wants_to_hear_is_not_summed_up(book, pulse):
    subscription = await book.ledger.bus.subscribe()
    await book.record()
    await subscription.next()
    assert (pulse._budgets, pulse._holds) == (set(), set())
    subscription.close()
