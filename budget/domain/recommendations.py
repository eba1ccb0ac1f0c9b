"""Which models would be cheaper for a call, and which one to take where a limit refuses the one asked for.

Only prices, equivalents and verdicts decide: nothing here knows how good a model is, so equivalents come first.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from budget.domain import pricing
from budget.domain.models import ANY
from budget.domain.pricing import Price

MOST_TRIED: Final = 5
"""How many cheaper models a routing asks the limits about."""

_PREFERRED: Final[Mapping[str, tuple[str, ...]]] = {"chat": ("openai", "anthropic", "ollama")}
_OTHERWISE: Final = ("anthropic", "openai", "ollama")
_FREE_FIRST: Final = ("ollama", "simulated")

Pair = tuple[str, str]


class Candidate(NamedTuple):
    """A model, what the call would cost with it, and whether it is listed as standing in for the current one."""

    price: Price
    cost: int
    is_equivalent: bool

    @property
    def pair(self) -> Pair:
        """Its provider and model."""
        return self.price.provider, self.price.model


def candidates(prices: Iterable[Price], parts: Mapping[str, int], equivalents: Sequence[Pair]) -> list[Candidate]:
    """Every model whose price says what such a call costs."""
    costs = ((price, cost_for(price, parts)) for price in prices)
    return [
        Candidate(price, cost, (price.provider, price.model) in equivalents)
        for price, cost in costs
        if cost is not None
    ]


def cost_for(price: Price, parts: Mapping[str, int]) -> int | None:
    """What a call costs; None where the price is not one for text in and out, names no model, or is a trial's."""
    is_trial = price.model.endswith(":free") or price.metadata.get("deprecated")
    if price.model == ANY or is_trial or not {"input", "output"} <= price.rates.keys():
        return None
    return any_cost(price, parts)


def any_cost(price: Price, parts: Mapping[str, int]) -> int:
    """What a call costs at any price, the current model's included."""
    return pricing.cost_of(price, dict(parts)).total


def cheaper(
    found: Iterable[Candidate], current_cost: int | None, *, preferred: str | None = None, at_most: int | None = None
) -> list[Candidate]:
    """Those that cost less than the current one, and no more than `at_most`: equivalents first, then by cost."""
    fitting = [
        candidate
        for candidate in found
        if (current_cost is None or candidate.cost < current_cost) and (at_most is None or candidate.cost <= at_most)
    ]
    return sorted(
        fitting,
        key=lambda each: (not each.is_equivalent, preferred not in (None, each.price.provider), each.cost, each.pair),
    )


def to_try(found: Iterable[Candidate], current: Pair, current_cost: int | None, task_type: str) -> list[Candidate]:
    """What to try in the place of a refused model: Rhetor's order of providers for the task, then cost.

    Free models end the list, whatever is before them: they pass every cost limit (rule 2.8).
    """
    order = _PREFERRED.get(task_type.lower(), _OTHERWISE)
    others = [
        candidate
        for candidate in found
        if candidate.pair != current and (current_cost is None or candidate.cost < current_cost)
    ]
    priced = sorted(
        (candidate for candidate in others if candidate.cost > 0 or candidate.is_equivalent),
        key=lambda each: (not each.is_equivalent, _place(order, each), each.cost, each.pair),
    )
    free = sorted(
        (candidate for candidate in others if candidate.cost == 0 and not candidate.is_equivalent),
        key=lambda each: (_place(_FREE_FIRST, each), each.pair),
    )
    return priced[:MOST_TRIED] + free[:MOST_TRIED]


def cheapest(found: Iterable[Candidate]) -> Candidate | None:
    """The one that costs least."""
    return min(found, key=lambda each: (each.cost, each.pair), default=None)


def _place(order: Sequence[str], candidate: Candidate) -> int:
    provider = candidate.price.provider
    return order.index(provider) if provider in order else len(order)
