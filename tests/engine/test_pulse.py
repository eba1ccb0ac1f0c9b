"""The figures that go out unasked: coalesced, the last state always among them."""

from typing import Any

import pytest

from budget.domain.events import DRAWN, SUMMARIES, SUMMARY, Filter
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
