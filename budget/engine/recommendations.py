"""What would be cheaper for a call, and which model to take where a limit refuses the one asked for.

Every figure comes from the prices in force, and every "allowed" from the decision that an allocation would get.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import msgspec

from budget.domain import asking, commands, money, recommendations
from budget.domain.configuration import GENERATED, Configuration
from budget.domain.entries import ANONYMOUS, Caller
from budget.domain.errors import NotFound
from budget.domain.recommendations import Candidate, Pair
from budget.engine.price_queries import in_force
from budget.engine.queries import Source

MOST_ITEMS = 20
MOST_ALTERNATIVES = 5

REFUSED = "Budget limit exceeded"
"""How Rhetor's warnings of a refused call begin, which its readers look for."""


class Checking(Source, Protocol):
    """A source that also says what an allocation would be told."""

    async def check(self, command: commands.Allocate, caller: Caller) -> asking.Verdict:
        """The verdict on a request."""


async def recommend(
    ledger: Source,
    *,
    provider: str | None = None,
    model: str | None = None,
    task_type: str = "default",
    context_size: int = 4000,
    output_size: int | None = None,
    prefer_provider: str | None = None,
    max_cost: Decimal | None = None,
) -> dict[str, Any]:
    """Cheaper models for a call: than a current one when it is named, else the cheapest there are.

    Without `output_size`, `context_size` is 25 % input and 75 % output (wire contract 3.3). Price is all it compares:
    what is listed as an equivalent of the current model comes first.
    """
    configuration = await ledger.refresh()
    now = ledger.now()
    if output_size is None:
        parts = {"input": context_size // 4, "output": context_size - context_size // 4}
    else:
        parts = {"input": context_size, "output": output_size}
    current_cost = None
    equivalents: Sequence[Pair] = ()
    if provider is not None and model is not None:
        price = configuration.price(provider.lower(), model, now)
        if price is None:
            raise NotFound(f"model {provider}/{model} has no price", field="model")
        current_cost = recommendations.any_cost(price, parts)
        equivalents = _equivalents(configuration, provider, model)
    found = recommendations.cheaper(
        recommendations.candidates(in_force(configuration, now), parts, equivalents),
        current_cost,
        preferred=prefer_provider.lower() if prefer_provider else None,
        at_most=None if max_cost is None else money.to_nanocents(max_cost),
    )
    items = [_item(candidate, current_cost) for candidate in found[:MOST_ITEMS]]
    return {
        "items": items,
        "current_provider": provider,
        "current_model": model,
        "current_cost": None if current_cost is None else money.to_dollars(current_cost),
        "task_type": task_type,
        "best_match": items[0] if items else None,
        "alternatives": items[1 : 1 + MOST_ALTERNATIVES],
        "optimization_tips": _tips(items, current_cost),
    }


class Call(NamedTuple):
    """A call that is about to be made, and the model it would use."""

    provider: str | None
    model: str | None
    component: str
    task_type: str
    budget_id: str | None
    context_id: str | None
    input_tokens: int
    output_tokens: int


async def route(ledger: Checking, call: Call, caller: Caller = ANONYMOUS) -> dict[str, Any]:
    """The model for a call: the one asked for while it is allowed, else the first cheaper one that is; never a refusal.

    Where a soft limit is reached it takes a listed equivalent, as the limit's old name, downgrade, says.
    """
    asked = commands.Allocate(
        context_id=call.context_id or GENERATED,
        component=call.component,
        provider=call.provider,
        model=call.model,
        task_type=call.task_type,
        budget_id=call.budget_id,
        tokens_allocated=max(call.input_tokens + call.output_tokens, 1),
        input_tokens=call.input_tokens,
        max_output_tokens=call.output_tokens,
    )
    verdict = await ledger.check(asked, caller)
    if verdict.allowed:
        for offer in verdict.offers:
            pair = offer["request"]["provider"], offer["request"]["model"]
            warning = f"Budget soft limit reached: Downgraded from {call.model} to {pair[1]}"
            return _routed(asked, pair, [*verdict.warnings, warning], allowed=True)
        return _routed(asked, None, verdict.warnings, allowed=True)
    reason = "" if verdict.refusal is None else f": {verdict.refusal.message}"
    parts = {"input": call.input_tokens, "output": call.output_tokens}
    found = await _candidates(ledger, asked, parts)
    current = (call.provider or "").lower(), call.model or ""
    current_cost = next((candidate.cost for candidate in found if candidate.pair == current), None)
    for candidate in recommendations.to_try(found, current, current_cost, call.task_type):
        other = msgspec.structs.replace(asked, provider=candidate.pair[0], model=candidate.pair[1])
        if (await ledger.check(other, caller)).allowed:
            what = "Using the free model" if candidate.cost == 0 else f"Downgraded from {call.model} to"
            return _routed(asked, candidate.pair, [f"{REFUSED}. {what} {candidate.pair[1]}{reason}"], allowed=True)
    last = recommendations.cheapest(candidate for candidate in found if candidate.cost != current_cost)
    if last is None or (current_cost is not None and last.cost > current_cost):
        return _routed(asked, None, [f"{REFUSED}. No cheaper model is known{reason}"], allowed=False)
    warning = f"{REFUSED}. {last.pair[1]} is the cheapest, and refused as well{reason}"
    return _routed(asked, last.pair, [warning], allowed=False)


async def _candidates(ledger: Source, asked: commands.Allocate, parts: Mapping[str, int]) -> list[Candidate]:
    configuration = await ledger.refresh()
    equivalents = _equivalents(configuration, asked.provider or "", asked.model or "")
    return recommendations.candidates(in_force(configuration, ledger.now()), parts, equivalents)


def _equivalents(configuration: Configuration, provider: str, model: str) -> Sequence[Pair]:
    row = configuration.table.get((provider.lower(), model.lower()))
    return () if row is None else row.equivalents


def _routed(asked: commands.Allocate, pair: Pair | None, warnings: list[str], *, allowed: bool) -> dict[str, Any]:
    provider, model = (asked.provider, asked.model) if pair is None else pair
    return {
        "provider": provider,
        "model": model,
        "warnings": warnings,
        "original_provider": asked.provider,
        "original_model": asked.model,
        "is_downgraded": pair is not None,
        "allowed": allowed,
    }


def _item(candidate: Candidate, current_cost: int | None) -> dict[str, Any]:
    price, cost, is_equivalent = candidate
    saving = None if current_cost is None else current_cost - cost
    percent = round(100 * saving / current_cost, 4) if saving is not None and current_cost else 0.0
    shown = money.to_dollars(saving or 0)
    name = f"{price.provider}/{price.model}"
    if saving is None:
        reason = f"{name} costs ${money.to_dollars(cost):f} for this call"
    else:
        reason = f"{name} costs ${money.to_dollars(cost):f} for this call, ${shown:f} less"
    return {
        "provider": price.provider,
        "model": price.model,
        "estimated_cost": money.to_dollars(cost),
        "savings": shown,
        "savings_percent": percent,
        "cost_reduction": shown,
        "cost_reduction_percentage": percent,
        "input_cost_per_token": price.rates["input"],
        "output_cost_per_token": price.rates["output"],
        "equivalent": is_equivalent,
        "confidence": "listed as equivalent" if is_equivalent else "compared by price only",
        "quality_impact": None,
        "speed_impact": None,
        "description": reason,
        "reason": reason,
    }


def _tips(items: list[dict[str, Any]], current_cost: int | None) -> list[str]:
    if not items:
        return ["No priced model is cheaper for this call."]
    tips = []
    if current_cost is not None:
        first = items[0]
        tips.append(f"{first['provider']}/{first['model']} would save {first['savings_percent']:.1f} % of this call.")
    if not any(item["equivalent"] for item in items):
        tips.append(
            "These are compared by price only; say which models can stand in with PUT /models/{provider}/{model}."
        )
    return tips
