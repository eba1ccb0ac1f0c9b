"""Rules 6: the journal, its numbers and hashes, and what happens when a batch fails."""

import asyncio

import msgspec
import pytest

from budget.domain import commands
from budget.domain.errors import BudgetError, Unavailable
from budget.engine.loading import Submission
from budget.storage import journal
from tests.engine.conftest import a_usage, an_allocation


async def test_rule_6_1_entries_are_numbered_without_gaps(book):
    await book.record()
    await book.error(a_usage(budget_id="nobody"))
    await book.hold()
    assert [entry.seq for entry in await book.entries()] == list(range(1, len(await book.entries()) + 1))


async def test_rule_6_1_an_entry_says_who_when_and_where_it_posted(book):
    await book.policy(token_limit=1000)
    await book.record(100, 50, key="k")
    (entry,) = await book.entries("used")
    assert (entry.caller, entry.at > 0, entry.idempotency_key) == ("anonymous", True, "anonymous\x1frecord_usage\x1fk")
    ((set_id, *deltas),) = msgspec.json.decode(entry.postings)
    lines = await book.ledger.database.read(journal.posting_set, set_id)
    assert deltas[:2] == [150, 0]
    assert len(lines) == 10  # four clock token limits and a session's of the tier, four costs, and the new one


async def test_P1_balances_and_rollups_are_what_the_journal_adds_up_to(book):
    await book.price()
    await book.policy(token_limit=100_000, cost_limit="5")
    for _ in range(5):
        hold = await book.hold(1000, user_id="ada", context_id="x")
        await book.settle(hold, 100, 50)
    record = await book.record()
    await book.do(commands.Correct(record_id=record.record_id, input_tokens=7, output_tokens=3, reason="miscounted"))
    found = await book.verify()
    assert (found.differences, found.balances > 0, found.rollups > 0) == (0, True, True)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE balances SET used_tokens = used_tokens + 1 WHERE used_tokens > 0",
        "DELETE FROM balances WHERE used_tokens > 0",
        "UPDATE rollups SET input_cost = input_cost + 1",
        "DELETE FROM rollups",
        "DELETE FROM entries WHERE kind = 'used'",
    ],
)
async def test_P1_verify_notices_damage(book, damage):
    await book.record()

    class Undo(Exception):
        pass

    def look(connection):
        from budget.storage import verification

        connection.exec_driver_sql(damage)
        found = verification.verify(connection)
        raise Undo(found.differences)

    with pytest.raises(Undo) as undone:
        await book.ledger.database.write(look)
    assert undone.value.args[0] > 0


async def test_rule_6_2_each_batch_is_hashed_over_the_one_before(book):
    await book.record()
    await book.hold()
    batches = await book.rows("SELECT first_seq, last_seq, hash FROM batches ORDER BY last_seq")
    entries = await book.entries()
    before = b""
    for first, last, digest in batches:
        rows = [msgspec.structs.astuple(entry) for entry in entries[first - 1 : last]]
        assert journal.batch_hash(before, rows) == digest
        before = digest


async def test_P3_nothing_is_answered_that_is_not_stored(book, monkeypatch):
    def full(*_):
        raise Unavailable("disk full")

    before = len(await book.entries())
    monkeypatch.setattr(journal, "save", full)
    assert isinstance(await book.error(a_usage(), "k"), Unavailable)
    monkeypatch.undo()
    assert len(await book.entries()) == before
    assert not (await book.outcome(a_usage(), "k")).replayed


async def test_rule_6_3_only_the_culprit_of_a_failed_batch_fails(book):
    good = [Submission(a_usage(context_id=f"c{i}")) for i in range(3)]
    bad = Submission(a_usage(metadata={"x": "\ud800"}))
    outcomes = await book.ledger.submit_many([*good, bad])
    assert [outcome.error is None for outcome in outcomes] == [True, True, True, False]
    assert isinstance(outcomes[3].error, BudgetError)
    assert len(await book.entries("used")) == 3


async def test_commands_that_wait_share_a_commit(book):
    commits = book.ledger.figures.commits
    await book.ledger.submit_many([Submission(a_usage(context_id=f"c{i}")) for i in range(500)])
    assert book.ledger.figures.commits == commits + 1


async def test_a_full_queue_refuses_and_loses_nothing(book):
    book.ledger._queue_limit = 10
    book.ledger._queued = 10
    assert isinstance(await book.error(an_allocation()), Unavailable)
    book.ledger._queued = 0
    assert await book.hold()


async def test_rule_8_4_usage_past_92_million_dollars_on_a_balance_is_refused_naming_the_cap(book):
    from decimal import Decimal

    await book.record(cost=Decimal(91_000_000))
    error = await book.error(a_usage(cost=Decimal(2_000_000)))
    assert "92 million" in error.message
    assert await book.record(cost=Decimal(1_000_000))


async def test_many_readers_at_once_see_a_change(book):
    await book.price()
    found = await asyncio.gather(*(book.ledger.refresh() for _ in range(20)))
    assert {configuration.version for configuration in found} == {book.ledger.configuration().version}
