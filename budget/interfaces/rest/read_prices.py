"""The reading routes of prices: in force, history, what a call costs, what would be cheaper."""

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from budget.domain import commands
from budget.engine import price_queries
from budget.interfaces.rest import read_examples, views, wire
from budget.interfaces.rest.read_parameters import Id, Text, documented, ledger_of
from budget.interfaces.rest.wire import reply

router = APIRouter(tags=["prices"])


class CurrentPriceRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which model's price."""

    provider: commands.Name
    model: commands.Name


class CalculationRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a call would use."""

    provider: commands.Name
    model: commands.Name
    input_tokens: commands.Count
    output_tokens: commands.Count | None = 0


class RecommendationRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A call to make cheaper: that of a current model, or any of such sizes."""

    provider: commands.Name | None = None
    model: commands.Name | None = None
    task_type: commands.Name | None = "default"
    context_size: commands.Count | None = None
    output_size: commands.Count | None = None
    prefer_provider: commands.Name | None = None
    max_cost: commands.Amount | None = None


@router.get("/prices", **documented("List prices", [read_examples.PRICE]))
async def list_prices(request: Request, provider: Text = None, model: Text = None) -> Response:
    """The prices in force now, one for each provider and model, in dollars per unit."""
    found = await price_queries.list_prices(ledger_of(request), provider, model)
    return reply([views.price_view(price) for price in found])


@router.post("/prices/current", **documented("Get a model's price", read_examples.PRICE, 404, body=CurrentPriceRequest))
async def current_price(request: Request) -> Response:
    """The price that a usage of this model gets now; aliases that the catalogue knows are resolved."""
    asked = await wire.decode(request, CurrentPriceRequest)
    return reply(views.price_view(await price_queries.current_price(ledger_of(request), asked.provider, asked.model)))


@router.get(
    "/prices/history/{provider}/{model:path}",
    **documented("List a model's prices over time", [read_examples.PRICE]),
)
async def price_history(request: Request, provider: Id, model: Id) -> Response:
    """Every price that the model ever had, newest first; prices are never overwritten."""
    found = await price_queries.price_history(ledger_of(request), provider, model)
    return reply([views.price_view(price) for price in found])


@router.post("/prices/calculate", **documented("Price a call", read_examples.CALCULATION, 404, body=CalculationRequest))
async def calculate(request: Request) -> Response:
    """What one call with so many tokens costs now, the price per request included in the total."""
    asked = await wire.decode(request, CalculationRequest)
    return reply(
        await price_queries.calculate(
            ledger_of(request), asked.provider, asked.model, asked.input_tokens, asked.output_tokens or 0
        )
    )


@router.post(
    "/prices/recommendations",
    **documented("Find cheaper models", read_examples.RECOMMENDATION, 404, body=RecommendationRequest),
)
@router.post(
    "/prices/recommend",
    **documented("Find cheaper models", read_examples.RECOMMENDATION, 404, body=RecommendationRequest),
)
async def recommend(request: Request) -> Response:
    """Models that cost less for such a call than the current one; without a current one, the cheapest there are.

    Prices are all that is compared; models listed as equivalents come first. 404 when the current model has no price.
    """
    asked = await wire.decode(request, RecommendationRequest)
    return reply(
        await price_queries.recommend(
            ledger_of(request),
            provider=asked.provider,
            model=asked.model,
            task_type=asked.task_type or "default",
            context_size=4000 if asked.context_size is None else asked.context_size,
            output_size=asked.output_size,
            prefer_provider=asked.prefer_provider,
            max_cost=asked.max_cost,
        )
    )
