"""What happens in the ledger, as events: each of the right type, about the thing as it was then."""

from budget.domain import commands
from budget.engine.bus import EVERYTHING
from budget.engine.events import list_events
from tests.engine.conftest import HOUR


async def since(book, seq):
    page = await list_events(book.ledger.bus, EVERYTHING, seq, 1000)
    assert [event.seq for event in page.events] == list(range(seq + 1, page.as_of_seq + 1))
    return page.events


async def newest(book):
    return (await book.ledger.bus.bounds())[1]


async def test_the_life_of_a_hold_is_told_step_by_step(book):
    await book.price()
    before = await newest(book)
    hold = await book.hold(1000)
    await book.start(hold)
    await book.record(100, 50, allocation_id=hold.allocation_id)
    await book.do(commands.Increase(allocation_id=hold.allocation_id, tokens=500))
    await book.do(commands.Extend(allocation_id=hold.allocation_id))
    await book.settle(hold, 200, 100)
    events = await since(book, before)
    types = [event.type for event in events]
    assert types == [
        "allocation.held",
        "allocation.started",
        "usage.recorded",
        "allocation.increased",
        "allocation.extended",
        "allocation.settled",
    ]
    held = [event.about[0].held_tokens for event in events if event.type.startswith("allocation")]
    assert held == [1000, 1000, 1350, 1350, 0]
    assert {(event.budget_id, event.component) for event in events} == {(hold.budget_id, "rhetor")}


async def test_holds_that_end_otherwise_say_how(book, clock):
    before = await newest(book)
    released, expired, silent = [await book.hold(100, context_id=name) for name in "abc"]
    await book.release(released)
    await book.start(silent)
    clock.time += 25 * HOUR
    await book.sweep()
    ended = {event.about[0].allocation_id: event for event in (await since(book, before))[3:]}
    names = zip("abc", (released, expired, silent), strict=True)
    assert {name: ended[hold.allocation_id].type for name, hold in names} == {
        "a": "allocation.released",
        "b": "allocation.expired",
        "c": "allocation.charged",
    }
    assert ended[silent.allocation_id].severity == "warning"
    assert (await book.settle(silent)).record.record_id == ended[silent.allocation_id].said["record_id"]
    assert (await since(book, await newest(book) - 1))[0].type == "allocation.settled"


async def test_usage_is_told_as_it_was_booked_although_it_was_priced_and_corrected_since(book):
    before = await newest(book)
    record = await book.record(100, 50)
    await book.price()
    (booked, *_) = await since(book, before)
    assert booked.about[0] == record
    corrected = await book.do(commands.Correct(record_id=record.record_id, output_tokens=60, reason="recount"))
    await book.do(commands.Void(record_id=corrected.record_id, reason="twice"))
    types = [event.type for event in await since(book, before)]
    assert types == ["usage.recorded", "price.set", "usage.priced", "usage.corrected", "usage.voided"]
    recorded, _, priced, *_ = await since(book, before)
    assert (recorded.about[0], priced.about[0].cost) == (record, 200_000_000)


async def test_usage_past_a_hard_limit_is_a_warning_and_the_limit_an_error(book):
    await book.policy(token_limit=100, component="rhetor")
    before = await newest(book)
    await book.record(100, 50)
    found = [(event.type, event.severity) for event in await since(book, before)]
    assert found[0] == ("usage.recorded", "warning")
    assert ("limit.exceeded", "error") in found
