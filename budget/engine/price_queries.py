"""Prices: what is in force, what a call would cost, and what would be cheaper (wire contract 3.3)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from budget.domain import money, pricing
from budget.domain.configuration import FOREVER, Configuration
from budget.domain.errors import NotFound
from budget.domain.models import ANY
from budget.domain.pricing import Price
from budget.engine.queries import Source

MOST_ITEMS = 20
MOST_ALTERNATIVES = 5


class _Remembered:
    """The prices in force, until one of them changes; worked out once for a version of the table."""

    table: object = None
    until = 0
    prices: tuple[Price, ...] = ()


_remembered = _Remembered()


async def list_prices(ledger: Source, provider: str | None = None, model: str | None = None) -> list[Price]:
    """The prices in force now, by provider and model; one for each name."""
    configuration = await ledger.refresh()
    wanted = provider and provider.lower(), model and model.lower()
    return [
        price
        for price in in_force(configuration, ledger.now())
        if wanted[0] in (None, price.provider) and wanted[1] in (None, price.model.lower())
    ]


def in_force(configuration: Configuration, now: int) -> tuple[Price, ...]:
    """One price for each provider and model that has one now."""
    known = _remembered
    if known.table is not configuration.prices or now >= known.until:
        found = [price for prices in configuration.prices.values() if (price := pricing.price_at(prices, now))]
        edges = (
            edge
            for prices in configuration.prices.values()
            for price in prices
            for edge in (price.effective_at, price.end_at)
            if edge is not None and edge > now
        )
        known.until = min(edges, default=FOREVER)
        known.prices = tuple(sorted(found, key=lambda price: (price.provider, price.model)))
        known.table = configuration.prices
    return known.prices


async def current_price(ledger: Source, provider: str, model: str) -> Price:
    """The price that a usage of this model gets now."""
    price = (await ledger.refresh()).price(provider.lower(), model, ledger.now())
    if price is None:
        raise NotFound(f"model {provider}/{model} has no price", field="model")
    return price


async def price_history(ledger: Source, provider: str, model: str) -> list[Price]:
    """Every price that a model ever had, newest first; none for an unknown one."""
    lists = (await ledger.refresh()).price_lists(provider.lower(), model)
    found = [price for prices in lists for price in prices]
    return sorted(found, key=lambda price: (price.effective_at, price.rank, price.created_at), reverse=True)


async def calculate(ledger: Source, provider: str, model: str, input_tokens: int, output_tokens: int) -> dict[str, Any]:
    """What one call with so many tokens costs now."""
    price = await current_price(ledger, provider, model)
    parts = {"input": input_tokens, "output": output_tokens, "requests": 1}
    cost = pricing.cost_of(price, {part: count for part, count in parts.items() if count})
    return {
        "provider": provider,
        "model": model,
        "pricing_id": price.price_id,
        "input_cost": money.to_dollars(cost.by_part.get("input", 0)),
        "output_cost": money.to_dollars(cost.by_part.get("output", 0)),
        "total_cost": money.to_dollars(cost.total),
        "partly_priced": bool(cost.unpriced_parts),
    }


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
    equivalents: Sequence[tuple[str, str]] = ()
    if provider is not None and model is not None:
        price = configuration.price(provider.lower(), model, now)
        if price is None:
            raise NotFound(f"model {provider}/{model} has no price", field="model")
        current_cost = pricing.cost_of(price, parts).total
        row = configuration.table.get((provider.lower(), model.lower()))
        equivalents = row.equivalents if row is not None else ()
    preferred = prefer_provider.lower() if prefer_provider else None
    found = []
    for candidate in in_force(configuration, now):
        cost = _cost(candidate, parts)
        too_dear = max_cost is not None and cost is not None and cost > money.to_nanocents(max_cost)
        if cost is None or too_dear or (current_cost is not None and cost >= current_cost):
            continue
        is_equivalent = (candidate.provider, candidate.model) in equivalents
        found.append((not is_equivalent, preferred not in (None, candidate.provider), cost, candidate))
    found.sort(key=lambda each: (*each[:3], each[3].provider, each[3].model))
    items = [
        _item(candidate, cost, current_cost, is_equivalent=not other)
        for other, _, cost, candidate in found[:MOST_ITEMS]
    ]
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


def _cost(price: Price, parts: dict[str, int]) -> int | None:
    """What a call costs; None where the price is not one for text in and out, names no model, or is a trial's."""
    is_trial = price.model.endswith(":free") or price.metadata.get("deprecated")
    if price.model == ANY or is_trial or not {"input", "output"} <= price.rates.keys():
        return None
    return pricing.cost_of(price, parts).total


def _item(price: Price, cost: int, current_cost: int | None, *, is_equivalent: bool) -> dict[str, Any]:
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
