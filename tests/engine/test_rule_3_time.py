"""Rules 3: when a usage happened, when it is booked, and the one time of a batch."""

from budget.domain import commands, instants
from budget.domain.errors import Invalid
from budget.engine import batch, loading
from budget.engine.loading import Submission
from tests.engine.conftest import DAY, HOUR, MINUTE, START, a_usage


async def test_rule_3_1_a_usage_happened_when_it_arrived_unless_it_says_otherwise(book):
    record = await book.record()
    assert record.occurred_at == record.recorded_at == record.booked_at
    past = await book.record(occurred_at="2024-02-29T23:59:59Z")
    assert instants.iso(past.occurred_at).startswith("2024-02-29T23:59:59")
    assert past.recorded_at > past.occurred_at == past.booked_at


async def test_rule_3_1_more_than_five_minutes_ahead_is_invalid(book):
    assert await book.record(occurred_at=instants.iso(START + 5 * MINUTE))
    error = await book.error(a_usage(occurred_at=instants.iso(START + 6 * MINUTE)))
    assert isinstance(error, Invalid)
    assert error.field == "occurred_at"


async def test_rule_3_1_usage_drawn_on_a_hold_is_booked_at_the_holds_time(book):
    hold = await book.hold()
    book.clock.time += HOUR
    record = await book.record(allocation_id=hold.allocation_id)
    assert record.booked_at == hold.created_at
    assert record.occurred_at > hold.created_at


async def test_rule_3_2_drawn_usage_counts_in_the_windows_of_the_hold(book):
    policy = await book.policy(period="hourly", token_limit=10_000)
    hold = await book.hold(1000)
    book.clock.time += HOUR
    await book.record(100, 0, allocation_id=hold.allocation_id)
    assert await book.balance(policy) == (100, 900, 0, 0)


async def test_rule_3_2_extending_a_hold_never_moves_it(book):
    policy = await book.policy(period="hourly", token_limit=10_000)
    hold = await book.hold(1000)
    before = await book.balances(policy)
    book.clock.time += 23 * HOUR
    await book.do(commands.Extend(allocation_id=hold.allocation_id))
    assert await book.balances(policy) == before


async def test_rule_3_3_a_batch_has_one_time_and_time_never_goes_back(book):
    first = await book.record()
    book.clock.time -= HOUR
    second = await book.record()
    assert second.recorded_at > first.recorded_at


async def test_rule_3_3_a_jump_of_the_clock_raises_an_alert(book):
    database, memory = book.ledger.database, book.ledger._memory
    await database.write(batch.run, memory, lambda: [Submission(a_usage())], 3600 * 1_000_000)
    assert [alert.type for alert in await book.alerts()] == ["clock_jump"]


async def test_P11_a_window_needs_no_reset_job(book):
    await book.policy(period="daily", token_limit=1000)
    await book.hold(1000)
    await book.refusal(tokens=1)
    book.clock.time = instants.parse_instant("2026-11-25T00:01:00Z", "UTC")
    assert await book.hold(1000)


async def test_P11_the_window_is_the_budgets_own_day_across_dst(book):
    budget = await book.budget(time_zone="America/New_York")
    policy = await book.policy(budget_id=budget.budget_id, token_limit=10_000)
    book.clock.time = instants.parse_instant("2027-03-14T12:00:00", "America/New_York")  # the day has 23 hours
    await book.record(1, 0, budget_id=budget.budget_id)
    (key,) = await book.balances(policy)
    start, end = map(int, key.split("-"))
    assert end - start == 23 * 3600


async def test_a_ledger_that_slept_a_month_is_right_when_it_wakes(book):
    policy = await book.policy(period="hourly", token_limit=10_000)
    hold = await book.hold(1000)
    book.clock.time += 30 * DAY
    await book.record(1, 0)
    assert (await book.stored_hold(hold)).state == "expired"
    assert list((await book.balances(policy)).values()) == [(1, 0, 0, 0)]


def test_expiries_have_a_bound():
    assert loading.EXPIRIES <= 10_000
