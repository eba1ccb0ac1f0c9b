"""The model for a call: the one asked for while the limits allow it, else a cheaper one, and never a refusal."""

from decimal import Decimal
from typing import Any

import pytest

from budget.domain import commands
from budget.engine import recommendations


async def routed(book, model="dear", input_tokens=100, output_tokens=100, **fields):
    call: dict[str, Any] = {
        "provider": "acme",
        "component": "rhetor",
        "task_type": "default",
        "budget_id": None,
        "context_id": None,
    }
    call |= {"model": model, "input_tokens": input_tokens, "output_tokens": output_tokens, **fields}
    return await recommendations.route(book.ledger, recommendations.Call(**call))


@pytest.fixture
async def priced(book):
    """Three models: 100 + 100 tokens cost 2, 0.2 and 0.02 dollars."""
    for model, rate in (("dear", "0.01"), ("cheap", "0.001"), ("cheapest", "0.0001")):
        await book.price(model, rate, rate)
    return book


async def test_what_is_allowed_is_not_changed(priced):
    found = await routed(priced)
    assert (found["model"], found["is_downgraded"], found["allowed"], found["warnings"]) == ("dear", False, True, [])


async def test_a_refused_model_gives_way_to_a_cheaper_one_that_is_allowed(priced):
    await priced.policy(cost_limit="0.5")
    found = await routed(priced)
    assert (found["provider"], found["model"], found["original_model"]) == ("acme", "cheapest", "dear")
    assert (found["is_downgraded"], found["allowed"]) == (True, True)
    (warning,) = found["warnings"]
    assert warning.startswith("Budget limit exceeded. Downgraded from dear to cheapest: the daily cost limit of $0.5")
    assert (await priced.check(tokens=200, model=found["model"])).allowed


async def test_a_listed_equivalent_is_taken_before_what_is_only_cheaper(priced):
    await priced.do(commands.SetModel(provider="acme", model="dear", equivalents=(("acme", "cheap"),)))
    await priced.policy(cost_limit="0.5")
    assert (await routed(priced))["model"] == "cheap"


async def test_a_free_model_is_taken_when_no_other_is_allowed(priced):
    await priced.do(
        commands.SetPrice(
            provider="ollama",
            model="llama3",
            input_cost_per_token=Decimal(0),
            output_cost_per_token=Decimal(0),
        )
    )
    await priced.policy(cost_limit="0.001")
    found = await routed(priced)
    assert (found["provider"], found["model"], found["allowed"]) == ("ollama", "llama3", True)
    assert found["warnings"][0].startswith("Budget limit exceeded. Using the free model llama3")


async def test_when_all_are_refused_it_names_the_cheapest_and_says_so(priced):
    await priced.policy(token_limit=50)
    found = await routed(priced)
    assert (found["model"], found["is_downgraded"], found["allowed"]) == ("cheapest", True, False)
    assert found["warnings"][0].startswith("Budget limit exceeded. cheapest is the cheapest, and refused as well")


async def test_when_nothing_cheaper_is_known_the_model_stays(priced):
    await priced.policy(token_limit=50)
    found = await routed(priced, "cheapest")
    assert (found["model"], found["is_downgraded"], found["allowed"]) == ("cheapest", False, False)
    assert found["warnings"][0].startswith("Budget limit exceeded. No cheaper model is known")


async def test_an_unpriced_model_under_a_hard_cost_limit_gives_way_to_a_priced_one(priced):
    await priced.policy(cost_limit="5")
    found = await routed(priced, "unheard-of")
    assert (found["model"], found["allowed"]) == ("cheapest", True)
    assert "has no price" in found["warnings"][0]


async def test_a_soft_limit_that_is_reached_takes_an_equivalent(priced):
    await priced.do(commands.SetModel(provider="acme", model="dear", equivalents=(("acme", "cheap"),)))
    await priced.policy("soft_limit", cost_limit="1")
    found = await routed(priced)
    assert (found["model"], found["is_downgraded"], found["allowed"]) == ("cheap", True, True)
    assert found["warnings"][-1] == "Budget soft limit reached: Downgraded from dear to cheap"


async def test_routing_holds_and_stores_nothing(priced):
    policy = await priced.policy(cost_limit="0.5")
    before = len(await priced.entries())
    await routed(priced)
    assert (len(await priced.entries()), await priced.balances(policy)) == (before, {})
