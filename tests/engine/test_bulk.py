"""Runs of plain records, booked at once, write what recording them one by one writes."""

import contextlib
import shutil
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budget.domain import bulk, commands
from budget.domain.configuration import Rules
from budget.engine.ledger import Ledger
from budget.engine.loading import Submission
from budget.storage.database import Database
from tests.engine.conftest import Book, ManualClock, a_usage, an_allocation

NAMES = ("entries", "usage_records", "balances", "rollups", "alerts")


@contextlib.asynccontextmanager
async def a_book(migrated_sqlite, path):
    shutil.copy(migrated_sqlite, path)
    clock, rules = ManualClock(), Rules()
    ledger = Ledger(Database(f"sqlite:///{path}", synchronous="OFF"), rules=rules, clock=clock)
    await ledger.start()
    book = Book(ledger, clock, rules)
    yield book
    assert (await book.verify()).differences == 0
    await ledger.stop()


async def _outcome(book, submissions):
    """What a batch left, without the ids, which differ from run to run."""
    await book.price()
    await book.policy("warn", "daily", token_limit=3000, cost_limit="0.05")
    await book.policy("warn", "per_session", token_limit=400)
    await book.hold(50, context_id="held")
    outcomes = await book.ledger.submit_many(submissions)
    entries = [
        (entry.kind, entry.at, entry.idempotency_key, entry.fingerprint, entry.context_id, entry.flags)
        for entry in await book.entries()
    ]
    records = await book.rows("SELECT * FROM usage_records ORDER BY seq")
    names = [row[1] for row in await book.rows("PRAGMA table_info(usage_records)")]
    unlike = {"record_id", "allocation_id", "budget_id", "price_id"}
    shown = [{n: v for n, v in zip(names, row, strict=True) if n not in unlike} for row in records]
    sums = await book.rows("SELECT grain, start, count, input_count, output_cost FROM rollups ORDER BY 1, 2, 3, 4")
    balances = await book.rows(
        "SELECT window_key, used_tokens, used_cost, held_tokens FROM balances ORDER BY 1, 2, 3, 4"
    )
    alerts = sorted((alert.type, alert.threshold, alert.unit, alert.window_key) for alert in await book.alerts())
    decided = [(type(o.error).__name__, o.replayed, o.wrote) for o in outcomes]
    return entries, shown, sums, balances, alerts, decided


one_record = st.builds(
    lambda tokens, session, key, extra: Submission(
        command := a_usage(*tokens, context_id=session, **extra), key=key, fingerprint=commands.fingerprint(command)
    ),
    tokens=st.tuples(st.integers(0, 120), st.integers(0, 60)),
    session=st.sampled_from(["a", "b", "c", "held"]),
    key=st.none() | st.integers(0, 400).map(str),
    extra=st.sampled_from([{}] * 30 + [{"user_id": "ada"}, {"cache_read_tokens": 0}, {"images": 1}, {"model": "n"}]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(submissions=st.lists(one_record, min_size=1, max_size=150))
async def test_at_once_and_one_by_one_write_the_same(migrated_sqlite, tmp_path_factory, submissions):
    folder = tmp_path_factory.mktemp("bulk")
    async with a_book(migrated_sqlite, folder / "bulk.db") as book:
        at_once = await _outcome(book, submissions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "WORTH_IT", 10**9)
        async with a_book(migrated_sqlite, folder / "single.db") as book:
            one_by_one = await _outcome(book, submissions)
    assert at_once == one_by_one


async def test_a_run_is_booked_at_once(book, monkeypatch):
    booked: list[int] = []

    def watch(*args):
        records = original(*args)
        booked.append(len(records or ()))
        return records

    original = bulk.book
    monkeypatch.setattr(bulk, "book", watch)
    await book.price()
    await book.ledger.submit_many([Submission(a_usage(index, 1, context_id=f"c{index % 3}")) for index in range(100)])
    assert booked == [100]


async def test_a_key_that_comes_twice_in_a_run_happens_once(book):
    await book.price()
    commands_ = [a_usage(index, 1) for index in range(100)]
    keys = [str(index) for index in range(99)] + ["50"]
    commands_[99] = commands_[50]
    submissions = [
        Submission(c, key=k, fingerprint=commands.fingerprint(c)) for c, k in zip(commands_, keys, strict=True)
    ]
    outcomes = await book.ledger.submit_many(submissions)
    assert [outcome.replayed for outcome in outcomes] == [False] * 99 + [True]
    again = await book.ledger.submit_many(submissions)
    assert all(outcome.replayed for outcome in again)
    assert len(await book.entries("used")) == 99


async def test_a_run_that_reaches_a_level_alerts_in_its_place(book):
    await book.price()
    await book.policy("warn", token_limit=1000)
    await book.ledger.submit_many([Submission(a_usage(10, 0)) for _ in range(200)])
    alerts = [alert for alert in await book.alerts() if alert.limit_value == "1000"]
    assert [alert.threshold for alert in alerts] == ["0.8", "0.95", "1"]


async def test_a_run_past_a_hard_limit_is_flagged_from_where_it_passed(book):
    await book.price()
    await book.policy(token_limit=1000)
    outcomes = await book.ledger.submit_many([Submission(a_usage(10, 0)) for _ in range(150)])
    assert [bool(outcome.answer.flags) for outcome in outcomes] == [False] * 100 + [True] * 50


@pytest.mark.parametrize(
    "fields",
    [
        {"allocation_id": "x"},
        {"cost": Decimal(1)},
        {"tags": {"a": "b"}},
        {"requests": 2},
        {"reasoning_tokens": 1},
        {"usage": {"prompt_tokens": 1}},
        {"occurred_at": "2026-01-01"},
        {"metadata": {"a": 1}},
        {"task_id": "t"},
        {"seconds": Decimal("0.5")},
    ],
)
def test_a_record_with_anything_special_is_not_plain(fields):
    assert bulk.plain(a_usage(1, 2)) is not None
    assert bulk.plain(commands.RecordUsage(context_id="c", input_tokens=1, output_tokens=2, **fields)) is None


def test_other_commands_are_not_plain():
    assert bulk.plain(an_allocation()) is None
    assert bulk.plain(commands.Settle(allocation_id="x", input_tokens=1, output_tokens=1)) is None
    assert bulk.plain(commands.RecordUsage(context_id="c", input_tokens=1)) is None
