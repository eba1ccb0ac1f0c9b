"""Rules 10: a refusal helps (P10), and every decision can be explained (P14)."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budget.domain import commands, instants
from budget.engine import queries
from tests.engine.conftest import DAY, HOUR, START, an_allocation


async def test_P10_a_refusal_names_the_limit_and_the_arithmetic(book):
    policy = await book.policy(token_limit=1000)
    await book.record(300, 0, context_id="other")
    await book.hold(500)
    refusal = await book.refusal(tokens=400)
    (limit,) = refusal.limits
    assert (limit.policy_id, limit.unit) == (policy.policy_id, "tokens")
    assert (limit.limit, limit.used, limit.held, limit.asked) == (1000, 300, 500, 400)
    assert "300 tokens used + 500 tokens held + 400 tokens asked" in refusal.message


async def test_rule_10_2_waiting_for_others_is_said(book):
    await book.policy(token_limit=1000)
    await book.hold(800)
    assert (await book.refusal(tokens=400)).waits_for_others
    await book.record(700, 0, context_id="x")
    assert not (await book.refusal(tokens=400)).waits_for_others


async def test_rule_10_2_it_fits_again_when_a_hold_expires(book):
    await book.policy(token_limit=1000)
    soon = await book.hold(400, expiration_time=instants.iso(START + HOUR))
    await book.hold(600, expiration_time=instants.iso(START + 2 * HOUR))
    refusal = await book.refusal(tokens=300)
    assert (refusal.retryable, refusal.retry_at) == (True, soon.expires_at)


async def test_rule_10_2_else_when_the_window_ends(book):
    await book.policy(token_limit=1000)
    await book.record(900, 0)
    refusal = await book.refusal(tokens=300)
    assert refusal.retry_at == instants.parse_instant("2026-11-25", "UTC")


async def test_rule_10_2_a_started_hold_with_nothing_drawn_frees_nothing(book):
    await book.policy(token_limit=1000)
    await book.start(await book.hold(1000, expiration_time=instants.iso(START + HOUR)))
    assert (await book.refusal(tokens=300)).retry_at == instants.parse_instant("2026-11-25", "UTC")


async def test_rule_10_2_the_latest_of_the_limits_counts(book):
    await book.policy(period="hourly", token_limit=1000)
    await book.policy(period="daily", token_limit=1000)
    await book.record(900, 0)
    assert (await book.refusal(tokens=300)).retry_at == instants.parse_instant("2026-11-25", "UTC")


async def test_rule_10_2_what_never_fits_cannot_be_retried(book):
    await book.policy(token_limit=1000)
    refusal = await book.refusal(tokens=1001)
    assert (refusal.retryable, refusal.retry_at) == (False, None)


async def test_rule_10_3_fewer_tokens_never_below_what_is_worth_it(book):
    await book.policy(token_limit=1000)
    await book.record(950, 0)
    assert _kinds(await book.refusal(tokens=1000)) == ["later"]
    assert _kinds(await book.refusal(tokens=900, min_tokens=50)) == ["fewer_tokens", "later"]
    assert _kinds(await book.refusal(tokens=900, min_tokens=51)) == ["later"]


async def test_rule_10_3_fewer_tokens_cuts_the_difference_then_output_never_input(book):
    await book.price()
    await book.policy(token_limit=500)
    refusal = await book.refusal(tokens=1000, input_tokens=300, max_output_tokens=400)
    request = refusal.offers[0]["request"]
    assert (request["tokens_allocated"], request["input_tokens"], request["max_output_tokens"]) == (500, 300, 200)
    assert "fewer_tokens" not in _kinds(await book.refusal(tokens=1000, input_tokens=600))


async def test_rule_10_3_another_model_comes_only_from_the_editable_equivalents(book):
    await book.price("m", "0.01", "0.01")
    await book.price("n", "0.000001", "0.000001")
    await book.policy(cost_limit="0.01")
    assert "other_model" not in _kinds(await book.refusal(tokens=1000))
    await book.do(commands.SetModel(provider="acme", model="m", equivalents=(("acme", "n"),)))
    (offer,) = [offer for offer in (await book.refusal(tokens=1000)).offers if offer["kind"] == "other_model"]
    assert offer["request"]["model"] == "n"
    assert offer["saving_nanocents"] > 0


@pytest.mark.parametrize(
    "dates", [{"end_date": "2026-11-24T18:00:00Z"}, {"effective_date": "2026-11-24T18:00:00Z"}], ids=str
)
async def test_P10_later_is_not_offered_when_the_price_is_another_by_then(book, dates):
    await book.price(input="0.0001", output="0.0001")
    await book.price(input="0.00012", output="0.00012", **dates)
    await book.policy(cost_limit="0.18")
    await book.hold(1000)
    refusal = await book.refusal(tokens=1000)
    assert refusal.retry_at is not None
    assert "later" not in _kinds(refusal)


async def test_rule_10_3_later_is_granted_then_if_nothing_but_expiries_was_written(book):
    await book.policy(token_limit=1000)
    await book.hold(1000, expiration_time=instants.iso(START + HOUR))
    refusal = await book.refusal(tokens=300, context_id="d")
    (later,) = [offer for offer in refusal.offers if offer["kind"] == "later"]
    book.clock.time = instants.parse_instant(later["not_before"], "UTC")
    assert await book.do(msgspec.convert(later["request"], commands.Allocate))


def _kinds(refusal):
    return [offer["kind"] for offer in refusal.offers]


amounts = st.integers(1, 3000)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    token_limit=st.integers(0, 3000),
    cost_limit=st.integers(0, 400),
    asked=amounts,
    held=amounts,
    split=st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1)),
    price=st.sampled_from(["0", "0.00001", "0.000012345", "0.0000000000001"]),
)
async def test_P10_an_offer_taken_unchanged_is_granted(book, token_limit, cost_limit, asked, held, split, price):
    budget = await book.budget()
    model = f"m{price}"
    await book.price(model, price, "0.00002")
    await book.price("cheap", "0.000001", "0.000001")
    await book.do(commands.SetModel(provider="acme", model=model, equivalents=(("acme", "cheap"),)))
    fields = {"budget_id": budget.budget_id, "model": model, "context_id": budget.budget_id}
    await book.policy(budget_id=budget.budget_id, token_limit=token_limit)
    await book.policy(budget_id=budget.budget_id, cost_limit=Decimal(cost_limit) / 10_000)
    if split is not None:
        fields["input_tokens"] = int(asked * split[0])
        fields["max_output_tokens"] = int((asked - fields["input_tokens"]) * split[1])
    await book.ledger.submit_many([_submission(held, budget)])
    verdict = await book.check(tokens=asked, **fields)
    if verdict.allowed:
        assert await book.hold(asked, **fields)
        return
    for offer in (await book.refusal(tokens=asked, **fields)).offers:
        if offer["kind"] != "later":
            hold = (await book.do(msgspec.convert(offer["request"], commands.Allocate))).hold
            await book.release(hold)


def _submission(tokens, budget):
    from budget.engine.loading import Submission

    return Submission(an_allocation(tokens, budget_id=budget.budget_id, context_id="other", model="cheap"))


async def test_rule_10_4_a_check_decides_alike_and_holds_nothing(book):
    policy = await book.policy(token_limit=1000)
    verdict = await book.check(tokens=600)
    assert verdict.allowed
    assert verdict.lines.balances
    assert await book.balance(policy) == (0, 0, 0, 0)
    await book.hold(600)
    refused = await book.check(tokens=600)
    assert not refused.allowed
    assert _kinds(refused.refusal) == _kinds(await book.refusal(tokens=600))


async def test_P14_a_refusal_is_stored_and_explains_itself(book):
    policy = await book.policy(token_limit=100)
    refusal = await book.refusal(tokens=200)
    ((explanation, policy_id),) = await book.rows("SELECT explanation, policy_id FROM decisions")
    stored = msgspec.json.decode(explanation)
    assert policy_id == policy.policy_id
    assert (stored["limits"][0]["asked"], stored["request"]["tokens_allocated"]) == (200, 200)
    assert refusal.decision_id is not None


async def test_P14_a_grant_is_explained_by_its_entry(book):
    await book.price()
    await book.policy(token_limit=10_000)
    await book.record(70, 0, context_id="x")
    hold = await book.hold(100)
    (entry,) = await book.entries("held")
    data = msgspec.json.decode(entry.data)
    assert data["price"] == hold.price_id
    assert [70, 0] in [amounts[:2] for amounts in data["before"]]


async def test_rule_10_4_beyond_a_hundred_a_minute_refusals_are_counted_not_stored(book):
    await book.policy(token_limit=100)
    for _ in range(105):
        await book.refusal(tokens=200)
    ((stored, repeats),) = await book.rows("SELECT COUNT(*), SUM(repeats) FROM decisions")
    assert (stored, repeats) == (100, 5)
    book.clock.time += HOUR
    await book.refusal(tokens=200)
    assert await book.rows("SELECT COUNT(*) FROM decisions") == [(101,)]


async def test_rule_10_4_decisions_are_kept_ninety_days(book):
    await book.policy(token_limit=100)
    await book.refusal(tokens=200)
    book.clock.time += 91 * DAY
    await book.sweep()
    assert await book.rows("SELECT COUNT(*) FROM decisions") == [(0,)]


@pytest.mark.parametrize("tokens", [1, 99, 100])
async def test_P10_asking_for_what_is_left_is_granted(book, tokens):
    await book.policy(token_limit=1000)
    await book.record(900, 0)
    assert await book.hold(tokens)


async def test_rule_2_6_a_grants_explanation_says_which_limits_did_not_apply(book):
    await book.price()
    budget_id = (await book.budget()).budget_id
    policy = await book.policy("hard_limit", "per_task", budget_id=budget_id, token_limit=10)
    await book.policy("hard_limit", "per_session", budget_id=budget_id, token_limit=10_000)
    grant = await book.do(an_allocation(100, budget_id=budget_id))
    explanation = msgspec.json.decode((await queries.get_decision(book.ledger, grant.decision_id)).explanation)
    missing = {"policy_id": policy.policy_id, "period": "per_task", "reason": "the request has no task_id"}
    assert explanation["not_applied"] == [missing]
    assert [limit["period"] for limit in explanation["limits"]] == ["per_session"]
    named = await book.do(an_allocation(5, budget_id=budget_id, task_id="t"))
    explanation = msgspec.json.decode((await queries.get_decision(book.ledger, named.decision_id)).explanation)
    assert explanation["not_applied"] == []


async def test_rule_2_6_a_stored_refusal_says_which_limits_did_not_apply(book):
    policy = await book.policy(period="per_task", token_limit=5)
    await book.policy(token_limit=100)
    await book.refusal(tokens=200)
    ((explanation,),) = await book.rows("SELECT explanation FROM decisions")
    (unapplied,) = msgspec.json.decode(explanation)["not_applied"]
    assert unapplied["policy_id"] == policy.policy_id


async def test_an_equivalent_that_is_too_dear_hides_no_other(book):
    await book.price()
    await book.price("dear", "1000", "1000")
    await book.price("cheap", "0.000001", "0.000001")
    equivalents = (("acme", "dear"), ("acme", "cheap"))
    await book.do(commands.SetModel(provider="acme", model="m", equivalents=equivalents))
    await book.policy("soft_limit", token_limit=1)
    await book.policy(token_limit=0, model="cheap")
    assert (await book.do(an_allocation(1_000_000))).offers == []
