"""One socket's place in the stream, when what it hears changes."""

import asyncio

from budget.domain.entries import ANONYMOUS
from budget.domain.events import Filter
from budget.interfaces.ws.hearing import Hearing
from tests.live import PATIENCE_SECONDS


class Listener:
    caller = ANONYMOUS


async def test_what_was_not_heard_before_a_change_is_heard_after_it(live):
    hearing = Hearing(live.app.state.ledger, "events", lambda: None, Listener())
    hearing.take(await hearing.place(frozenset(("events",)), Filter()))
    before = hearing.seq
    await live.record_many(40)
    await live.all_handed_out()
    heard = [message.event.seq for message in await hearing.next()]
    hearing.take(await hearing.place(frozenset(("events", "budget_alerts")), Filter()))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(heard) < 40:
            heard += [message.event.seq for message in await hearing.next()]
    hearing.close()
    assert heard == list(range(before + 1, before + 41))
