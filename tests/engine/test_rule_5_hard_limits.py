"""Rules 5: what a hard limit promises (P2), and what may carry a balance past it all the same."""

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budget.domain import commands
from budget.domain.errors import BudgetExceeded
from budget.domain.records import OVER_LIMIT, Hold
from tests.engine.conftest import an_allocation


async def test_P2_no_grant_passes_a_hard_limit_and_none_is_refused_that_fits(book):
    policy = await book.policy(token_limit=1000)
    await book.hold(600)
    await book.refusal(tokens=401)
    await book.hold(400)
    assert (await book.balance(policy))[:2] == (0, 1000)


async def test_P2_money_is_held_too(book):
    await book.price()
    await book.policy(cost_limit="0.02")
    await book.hold(600)
    await book.refusal(tokens=401)
    assert await book.hold(400)


async def test_P2_a_limit_with_fractions_of_a_nanocent_holds(book):
    await book.price()
    await book.policy(cost_limit="0.0000299999999999999")
    assert await book.hold(1)
    await book.refusal(tokens=1)


async def test_P2_many_at_once_fill_a_limit_and_never_pass_it(book):
    policy = await book.policy(token_limit=10_000)
    sizes = [random.Random(7).randint(1, 400) for _ in range(300)]
    outcomes = await asyncio.gather(
        *(book.ledger.submit(an_allocation(size, context_id=f"c{i}")) for i, size in enumerate(sizes)),
        return_exceptions=True,
    )
    granted = [outcome.answer.hold.tokens_allocated for outcome in outcomes if not isinstance(outcome, BaseException)]
    refused = [o for o in outcomes if isinstance(o, BudgetExceeded)]
    assert len(granted) + len(refused) == len(sizes)
    assert (await book.balance(policy))[1] == sum(granted) <= 10_000
    assert 10_000 - sum(granted) < 400


async def test_rule_5_usage_beyond_its_hold_is_booked_flagged_and_alerted(book):
    policy = await book.policy(token_limit=1000)
    hold = await book.hold(1000)
    settled = await book.settle(hold, 1500, 0)
    assert settled.record.flags & OVER_LIMIT
    assert (await book.balance(policy))[0] == 1500
    assert "token_limit_exceeded" in [alert.type for alert in await book.alerts()]


async def test_rule_5_used_and_held_past_a_limit_is_alerted_though_used_alone_is_not(book):
    policy = await book.policy(token_limit=1000)
    await book.hold(1000)
    record = await book.record(10, 0, context_id="elsewhere")
    assert record.flags & OVER_LIMIT
    mine = [a.threshold for a in await book.alerts() if a.policy_id == policy.policy_id]
    assert mine == ["over_limit"]


async def test_rule_5_a_policy_created_below_what_is_used_is_flagged_and_alerted(book):
    await book.record(500, 0)
    policy = await book.policy(token_limit=100)
    (entry,) = [e for e in await book.entries("policy_changed") if e.subject == policy.policy_id]
    assert entry.flags & OVER_LIMIT
    assert any(a.policy_id == policy.policy_id for a in await book.alerts())


async def test_rule_5_an_exhausted_unit_refuses_only_what_asks_of_it(book):
    await book.price("free", "0", "0")
    await book.price()
    await book.policy(cost_limit="0")
    await book.hold(1000, model="free")
    await book.refusal(tokens=1)


@pytest.mark.parametrize("kind", ["settle", "release", "expire"])
async def test_what_ends_a_hold_makes_room_again(book, kind):
    await book.policy(period="per_session", token_limit=1000)
    hold = await book.hold(1000)
    await book.refusal(tokens=1000)
    if kind == "settle":
        await book.settle(hold, 0, 0)
    elif kind == "release":
        await book.release(hold)
    else:
        book.clock.time = hold.expires_at
    assert await book.hold(1000)


step = st.tuples(st.sampled_from(["hold", "record", "settle", "release", "draw"]), st.integers(1, 600))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, max_size=25), limit=st.integers(0, 2000))
async def test_P2_against_a_naive_model(book, steps, limit):
    """Every grant and refusal agrees with a ledger kept in two plain numbers."""
    budget = await book.budget()
    await book.policy(budget_id=budget.budget_id, token_limit=limit)
    used = 0
    held: list[tuple[Hold, int]] = []
    for kind, tokens in steps:
        if kind == "hold":
            command = an_allocation(tokens, budget_id=budget.budget_id, context_id=f"{budget.budget_id}{len(held)}")
            try:
                hold = (await book.ledger.submit(command)).answer.hold
            except BudgetExceeded:
                assert used + sum(left for _, left in held) + tokens > limit
            else:
                assert used + sum(left for _, left in held) + tokens <= limit
                held.append((hold, tokens))
        elif kind == "record":
            await book.record(tokens, 0, budget_id=budget.budget_id, context_id="alone")
            used += tokens
        elif held:
            hold, left = held.pop()
            if kind == "settle":
                await book.settle(hold, tokens, 0)
                used += tokens
            elif kind == "release":
                await book.release(hold)
            else:
                await book.record(tokens, 0, allocation_id=hold.allocation_id)
                used += tokens
                if left > tokens:
                    held.append((hold, left - tokens))


async def test_P2_an_increase_is_a_grant(book):
    await book.policy(token_limit=1000)
    hold = await book.hold(900)
    error = await book.error(commands.Increase(allocation_id=hold.allocation_id, tokens=101))
    assert isinstance(error, BudgetExceeded)
