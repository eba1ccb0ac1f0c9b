"""The live stream on a real journal: in order, without gaps, whoever comes when, and however slow."""

import asyncio

import pytest

from budget.domain.errors import Gone, Invalid, Unavailable
from budget.domain.events import RESULT, Filter
from budget.engine import bus as bus_module
from budget.engine import subscriptions
from budget.engine.bus import Bus
from budget.engine.subscriptions import Ended, Ending
from budget.storage import statements
from tests.engine.conftest import DAY


@pytest.fixture
def bus(book):
    return book.ledger.bus


@pytest.fixture
async def subscribe(bus):
    """Subscriptions that are closed when the test ends."""
    made = []

    async def subscribe(*arguments, **more):
        made.append(await bus.subscribe(*arguments, **more))
        return made[-1]

    yield subscribe
    for subscription in made:
        subscription.close()


async def take(subscription, count):
    """So many messages, by their numbers."""
    found: list[int | None] = []
    while len(found) < count:
        found += [message.event.seq for message in await subscription.next()]
    return found


async def records(book, count):
    for _ in range(count):
        await book.record()


async def test_what_is_committed_is_heard_in_order(book, bus, subscribe):
    subscription = await subscribe()
    before = subscription.seq
    await records(book, 3)
    assert await take(subscription, 3) == [before + 1, before + 2, before + 3]
    assert subscription.seq == before + 3


async def test_going_back_joins_what_is_new_without_gap_or_repetition(book, bus, subscribe, monkeypatch):
    monkeypatch.setattr(subscriptions, "PAGE", 7)
    await records(book, 20)
    _, newest = await bus.bounds()
    subscription = await subscribe(after=newest - 20)
    reading = asyncio.create_task(take(subscription, 30))
    await records(book, 10)
    assert await reading == list(range(newest - 19, newest + 11))


async def test_one_that_is_overtaken_goes_on_from_the_database(book, bus, subscribe, monkeypatch):
    monkeypatch.setattr(subscriptions, "KEPT", 5)
    behind, ahead = await subscribe(), await subscribe()
    before = behind.seq
    await records(book, 30)
    await take(ahead, 30)
    assert await take(behind, 30) == list(range(before + 1, before + 31))


async def test_one_that_is_stuck_while_all_passes_by_must_go_and_the_others_stay(book, bus, subscribe, monkeypatch):
    monkeypatch.setattr(subscriptions, "KEPT", 5)
    stuck, reading = await subscribe(), await subscribe()
    sent_away = []
    stuck.on_end = lambda: sent_away.append(stuck.ending)
    await book.record()
    await take(stuck, 1)  # and it never asks for more: it is busy sending
    await records(book, 8)
    assert len(await take(reading, 9)) == 9
    assert sent_away == [Ending.SLOW]
    with pytest.raises(Ended, match="too slow"):
        await stuck.next()


async def test_a_narrowed_stream_knows_how_far_it_has_come(book, bus, subscribe):
    subscription = await subscribe(Filter(types=frozenset(("price.set",))))
    heard = await subscribe()
    await records(book, 3)
    await take(heard, 3)
    bus.remind()
    assert (await subscription.next(), subscription.seq) == ([], heard.seq)


async def test_one_that_knows_more_than_was_handed_out_hears_nothing_twice(book):
    bus = Bus(book.ledger.database, book.ledger.now)  # it does not follow yet, so it lags behind
    first = await bus.subscribe()
    await records(book, 5)
    _, newest = await bus.bounds()
    second = await bus.subscribe(after=newest - 2)
    third = await bus.subscribe(after=newest)
    bus.start()
    await book.record()
    bus.wake(newest + 1)
    assert await take(second, 3) == [newest - 1, newest, newest + 1]
    assert await take(third, 1) == [newest + 1]
    for subscription in (first, second, third):
        subscription.close()
    await bus.stop()


async def test_what_is_announced_reaches_those_who_want_it_and_has_no_number(book, bus, subscribe):
    wants, does_not = await subscribe(Filter(announced=frozenset((RESULT,)))), await subscribe()
    before = wants.seq
    bus.announce(RESULT, {"message_id": "m"})
    await book.record()
    first, *_ = await wants.next()
    assert (first.event.seq, first.event.said, first.as_of_seq) == (None, {"message_id": "m"}, before)
    assert None not in await take(does_not, 1)


async def test_nothing_is_read_while_nobody_listens_and_a_newcomer_begins_now(book, bus, subscribe):
    await records(book, 3)
    before = bus.seq
    subscription = await subscribe()
    _, newest = await bus.bounds()
    assert before < newest == subscription.seq
    await book.record()
    assert await take(subscription, 1) == [newest + 1]


async def test_a_number_that_is_too_old_is_gone_and_one_that_was_not_given_out_is_wrong(book, bus, subscribe, clock):
    _, newest = await bus.bounds()
    clock.time += 31 * DAY
    await book.record()
    with pytest.raises(Gone) as gone:
        await subscribe(after=newest - 1)
    assert gone.value.details["oldest_seq"] == newest + 1
    with pytest.raises(Invalid, match="not been given out"):
        await subscribe(after=newest + 5)
    assert await take(await subscribe(after=newest), 1) == [newest + 1]


async def test_what_is_just_old_enough_is_still_kept(book, bus, clock):
    await book.record()
    (*_, last) = await book.entries()
    clock.time = last.at + 30 * DAY
    assert await bus.bounds() == (last.seq, last.seq)
    clock.time += 1
    assert await bus.bounds() == (last.seq + 1, last.seq)


async def test_stopping_tells_all_and_takes_nobody_any_more(book, bus, subscribe):
    subscription = await subscribe()
    waiting = asyncio.create_task(subscription.next())
    stopping = asyncio.create_task(bus.stop())
    with pytest.raises(Ended, match="the service stops"):
        await waiting
    subscription.close()
    await stopping
    with pytest.raises(Unavailable):
        await subscribe()


async def test_listeners_are_counted_and_bounded(book, bus, subscribe, monkeypatch):
    monkeypatch.setattr(bus_module, "MOST_LISTENERS", 1)
    subscription = await subscribe()
    with pytest.raises(Unavailable):
        await subscribe()
    subscription.close()
    subscription.close()
    assert bus.listeners == 0
    (await subscribe()).close()


async def test_an_entry_that_cannot_be_shown_ends_all_rather_than_being_passed_over(book, bus, subscribe):
    subscription = await subscribe()
    ((data,),) = await book.rows("SELECT data FROM entries WHERE seq = ?", subscription.seq)
    await spoil(book, subscription.seq, "{")
    bus.seq -= 1
    bus.wake(subscription.seq)
    with pytest.raises(Ended, match="something went wrong"):
        await subscription.next()
    await spoil(book, subscription.seq, data)


async def spoil(book, seq, data):
    sql = "UPDATE entries SET data = ? WHERE seq = ?"
    await book.ledger.database.write(lambda connection: statements.run(connection, sql, (data, seq)))
