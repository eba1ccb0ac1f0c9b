"""Which models are offered in the place of another, and in which order."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from budget.domain import recommendations
from budget.domain.pricing import Price

PARTS = {"input": 100, "output": 50}


def a_price(provider: str, model: str, rate: str = "0.001", **metadata: object) -> Price:
    return Price(
        price_id=f"{provider}/{model}",
        provider=provider,
        model=model,
        rates={"input": Decimal(rate), "output": Decimal(rate)},
        effective_at=0,
        source="test",
        version="1",
        created_at=0,
        metadata=metadata,
    )


def names(found):
    return [candidate.price.model for candidate in found]


def candidates(*prices, equivalents=()):
    return recommendations.candidates(prices, PARTS, equivalents)


def test_only_prices_of_text_in_and_out_are_candidates():
    embedding = a_price("openai", "embedding")
    del embedding.rates["output"]
    found = candidates(
        a_price("a", "good"),
        a_price("a", "*"),
        a_price("a", "trial:free"),
        a_price("a", "old", deprecated=True),
        embedding,
    )
    assert names(found) == ["good"]


def test_cheaper_ones_come_by_price_and_equivalents_before_all():
    found = candidates(
        a_price("a", "dear", "0.01"),
        a_price("a", "cheap", "0.001"),
        a_price("b", "cheapest", "0.0001"),
        equivalents=[("a", "cheap")],
    )
    current = recommendations.any_cost(a_price("a", "x", "0.01"), PARTS)
    assert names(recommendations.cheaper(found, current)) == ["cheap", "cheapest"]
    assert names(recommendations.cheaper(found, None, preferred="a")) == ["cheap", "dear", "cheapest"]
    assert names(recommendations.cheaper(found, None, at_most=found[1].cost)) == ["cheap", "cheapest"]


def test_what_is_tried_follows_rhetors_order_of_providers():
    found = candidates(
        a_price("other", "a", "0.0001"), a_price("openai", "b", "0.002"), a_price("anthropic", "c", "0.003")
    )
    dear = recommendations.any_cost(a_price("a", "x", "0.01"), PARTS)
    assert names(recommendations.to_try(found, ("a", "x"), dear, "code")) == ["c", "b", "a"]
    assert names(recommendations.to_try(found, ("a", "x"), dear, "chat")) == ["b", "c", "a"]


def test_free_models_are_tried_last_ollamas_first():
    found = candidates(
        a_price("simulated", "s", "0"), a_price("zeta", "z", "0"), a_price("ollama", "o", "0"), a_price("openai", "p")
    )
    dear = recommendations.any_cost(a_price("a", "x", "0.01"), PARTS)
    assert names(recommendations.to_try(found, ("a", "x"), dear, "default")) == ["p", "o", "s", "z"]


def test_no_more_are_tried_than_a_few():
    found = candidates(
        *(a_price("openai", f"m{at}") for at in range(50)), *(a_price("x", f"f{at}", "0") for at in range(50))
    )
    assert len(recommendations.to_try(found, ("a", "x"), None, "chat")) == 2 * recommendations.MOST_TRIED


@given(st.lists(st.integers(0, 100), max_size=8), st.integers(0, 100))
def test_nothing_that_costs_as_much_is_ever_called_cheaper(rates, current):
    found = candidates(*(a_price("p", f"m{at}", f"0.{rate:03}") for at, rate in enumerate(rates)))
    cost = recommendations.any_cost(a_price("p", "x", f"0.{current:03}"), PARTS)
    for chosen in (recommendations.cheaper(found, cost), recommendations.to_try(found, ("p", "x"), cost, "chat")):
        assert all(candidate.cost < cost for candidate in chosen)
    assert len(recommendations.cheaper(found, cost)) == sum(candidate.cost < cost for candidate in found)
