"""Prices: what is in force, what was, and what a call would cost (wire contract 3.3)."""

from typing import Any

from budget.domain import money, pricing
from budget.domain.configuration import FOREVER, Configuration
from budget.domain.errors import NotFound
from budget.domain.pricing import Price
from budget.engine.queries import Source


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
