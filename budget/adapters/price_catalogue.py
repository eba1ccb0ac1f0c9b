"""The bundled, offline price catalogue (genai-prices) as our own dated prices; nothing else imports that package.

genai-prices is imported inside functions: its data module takes half a second to load, and only an import of
prices or a model name not seen before needs it. It never touches the network here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from budget.domain.pricing import SOURCE_RANKS, Price, Rates
from budget.domain.usage import TOKEN_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, Provider

LOCAL_PROVIDERS = ("ollama", "local", "simulated", "lmstudio", "llamacpp", "vllm")
"""Providers whose models cost nothing because a price of zero says so."""

ANY_MODEL = "*"
"""The model of a price that holds for every model of its provider."""

_MICROSECONDS = 1_000_000
_MAX_NAME_LENGTH = 256
# Few prices per hour divide evenly by 3.6 million milliseconds; 28 digits err by less than 10⁻¹⁵ nanocents an hour.
_DIVISION = Context(prec=28)

_MILLION = Decimal(10**6)
_THOUSAND = Decimal(1000)
_MILLISECONDS_PER_HOUR = Decimal(3_600_000)
# Price field of the catalogue → our part and how many of its units the price is for. Where two fields name one part,
# the later one wins.
_RATE_FIELDS = {
    "input_mtok": ("input", _MILLION),
    "output_mtok": ("output", _MILLION),
    "cache_read_mtok": ("cache_read", _MILLION),
    "cache_write_5m_mtok": ("cache_write", _MILLION),
    "cache_write_mtok": ("cache_write", _MILLION),
    "cache_write_1h_mtok": ("cache_write_1h", _MILLION),
    "input_audio_mtok": ("input_audio", _MILLION),
    "input_image_mtok": ("input_image", _MILLION),
    "input_video_mtok": ("input_video", _MILLION),
    "output_reasoning_mtok": ("reasoning", _MILLION),
    "output_audio_mtok": ("output_audio", _MILLION),
    "audio_hours": ("milliseconds", _MILLISECONDS_PER_HOUR),
    "input_audio_hours": ("milliseconds", _MILLISECONDS_PER_HOUR),
    "input_document_kpages": ("pages", _THOUSAND),
    "web_searches_kcount": ("web_searches", _THOUSAND),
    "requests_kcount": ("requests", _THOUSAND),
}

# Spellings callers use that the catalogue's own matching misses or sends elsewhere.
_PROVIDER_ALIASES = {
    "azure_openai": "azure",
    "azure-openai": "azure",
    "azureopenai": "azure",
    "azure_ai": "azure",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "claude": "anthropic",
    "fireworks_ai": "fireworks",
    "fireworks-ai": "fireworks",
    "grok": "x-ai",
    "kimi": "moonshotai",
    "llama.cpp": "llamacpp",
    "llama_cpp": "llamacpp",
    "lm_studio": "lmstudio",
    "lm-studio": "lmstudio",
    "ollama_chat": "ollama",
    "togetherai": "together",
    "x.ai": "x-ai",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "z-ai": "zai",
    "z.ai": "zai",
}


def catalogue_prices(created_at: int = 0) -> list[Price]:
    """List every bundled price and the zero prices of local providers, `created_at` being the import's instant.

    Undated prices are in force since ever (0). A model whose price the catalogue leaves empty, or states only in
    units we have no part for, gets none: unpriced is not free. Only names that end in `:free` say so themselves.
    """
    bundled = [
        price
        for provider in _providers()
        for model in provider.models
        for price in _model_prices(provider, model, created_at)
    ]
    return bundled + [_local_price(provider, created_at) for provider in LOCAL_PROVIDERS]


def canonical_model(provider: str, model: str) -> tuple[str, str] | None:
    """Give the catalogue's provider id and model id for what a caller wrote, or None when it knows no such model.

    A cloud that resells another's model without a price of its own gives that other provider's id. A local provider
    gives its wildcard: (`ollama`, `*`).
    """
    if len(provider) > _MAX_NAME_LENGTH or len(model) > _MAX_NAME_LENGTH:
        return None
    return _canonical_model(provider.strip().lower(), model.strip().lower())


@lru_cache(4096)
def _canonical_model(provider: str, model: str) -> tuple[str, str] | None:
    prefix, slash, rest = model.partition("/")
    if provider == "litellm" and slash:
        return _canonical_model(prefix, rest)
    provider = _PROVIDER_ALIASES.get(provider, provider)
    if provider in LOCAL_PROVIDERS:
        return provider, ANY_MODEL
    found = _provider(provider)
    if found is None:
        return None
    # `models/gemini-…` and `openai/gpt-…` repeat what the provider says already.
    repeated = slash and (prefix == "models" or _provider(_PROVIDER_ALIASES.get(prefix, prefix)) is found)
    return _find(found, model) or (_find(found, rest) if repeated else None)


def _find(provider: Provider, model: str) -> tuple[str, str] | None:
    providers = _providers()
    found = provider.find_model(model, all_providers=providers)
    if found is None:
        return None
    lenders = provider.fallback_model_providers or []
    candidates = [provider, *(lender for lender in providers if lender.id in lenders)]
    owner = next(owner for owner in candidates if any(owned is found for owned in owner.models))
    return owner.id, found.id


def _provider(name: str) -> Provider | None:
    from genai_prices.data_snapshot import find_provider_by_id  # noqa: PLC0415 - slow to load, see above

    return find_provider_by_id(_providers(), name)


@cache
def _providers() -> list[Provider]:
    from genai_prices.data import providers  # noqa: PLC0415 - slow to load, see above

    return providers


@cache
def _version() -> str:
    return version("genai-prices")


def _model_prices(provider: Provider, model: ModelInfo, created_at: int) -> Iterator[Price]:
    dated, hourly = _split_conditions(model)
    starts = [start for start, _ in dated]
    for (start, prices), end in zip(dated, [*starts[1:], None], strict=True):
        rates, tiers, unsupported = _dearest_rates([prices, *hourly])
        if not rates and model.id.endswith(":free"):
            rates = {"input": Decimal(0), "output": Decimal(0)}
        if rates:
            yield Price(
                price_id=f"genai-prices:{_version()}:{provider.id}:{model.id}:{start}",
                provider=provider.id,
                model=model.id,
                price_type=_price_type(rates),
                rates=rates,
                context_tiers=tiers,
                effective_at=start,
                end_at=end,
                rank=SOURCE_RANKS["genai-prices"],
                source="genai-prices",
                source_url=next(iter(provider.pricing_urls or ()), None),
                version=f"genai-prices {_version()}",
                created_at=created_at,
                metadata=_metadata(model, unsupported, has_hours=bool(hourly)),
            )


def _split_conditions(model: ModelInfo) -> tuple[list[tuple[int, ModelPrice]], list[ModelPrice]]:
    """Give the prices by start, ascending, and those for hours of the day."""
    from genai_prices.types import StartDateConstraint, TimeOfDateConstraint  # noqa: PLC0415 - slow to load

    conditions: list[ConditionalPrice] | ModelPrice = model.prices
    if not isinstance(conditions, list):
        return [(0, conditions)], []
    dated: dict[int, ModelPrice] = {}
    hourly = []
    for index, condition in enumerate(conditions):
        if isinstance(condition.constraint, TimeOfDateConstraint):
            hourly.append(condition.prices)
        elif isinstance(condition.constraint, StartDateConstraint) and index:
            dated[_midnight(condition.constraint.start_date)] = condition.prices
        else:
            dated[0] = condition.prices  # the catalogue falls back to the first, whatever its condition
    return sorted(dated.items(), key=lambda item: item[0]), hourly


def _midnight(day: date) -> int:
    """Start of the UTC day in microseconds since the epoch."""
    days = (datetime(day.year, day.month, day.day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    return days * 86_400 * _MICROSECONDS


def _dearest_rates(prices: list[ModelPrice]) -> tuple[Rates, tuple[tuple[int, Rates], ...], dict[str, str]]:
    """Rates, context tiers and unsupported fields; of several prices, the dearest rate of each part."""
    unsupported = {name: str(value) for price in prices for name, value in _fields(price) if name not in _RATE_FIELDS}
    starts = sorted({start for price in prices for _, value in _fields(price) for start in _tier_starts(value)})
    plain = _rates_at(prices, 0)
    tiers = []
    for start in starts:
        at_start = _rates_at(prices, start + 1)
        tiers.append((start, {part: rate for part, rate in at_start.items() if rate != plain[part]}))
    return plain, tuple(tiers), unsupported


def _rates_at(prices: list[ModelPrice], input_tokens: int) -> Rates:
    dearest: Rates = {}
    for price in prices:
        stated = dict(_fields(price))
        rates: Rates = {}
        for name, (part, units) in _RATE_FIELDS.items():
            if name in stated:
                rates[part] = _DIVISION.divide(_amount(stated[name], input_tokens), units)
        for part, rate in rates.items():
            dearest[part] = max(rate, dearest.get(part, rate))
    return dearest


def _fields(price: ModelPrice) -> Iterator[tuple[str, object]]:
    return ((name, value) for name, value in vars(price).items() if value is not None)


def _tier_starts(value: object) -> list[int]:
    return [] if isinstance(value, Decimal) else [tier.start for tier in getattr(value, "tiers", [])]


def _amount(value: object, input_tokens: int) -> Decimal:
    """Give the stated amount for a call of so many input tokens; a tier replaces the base past its start."""
    from genai_prices.types import TieredPrices  # noqa: PLC0415 - slow to load, see above

    if not isinstance(value, TieredPrices):
        return Decimal(str(value))
    reached = [tier.price for tier in value.tiers if input_tokens > tier.start]
    return reached[-1] if reached else value.base


def _price_type(rates: Rates) -> str:
    if any(part in rates for part in TOKEN_PARTS):
        return "token_based"
    return "time_based" if "milliseconds" in rates else "fixed"


def _metadata(model: ModelInfo, unsupported: dict[str, str], *, has_hours: bool) -> dict[str, object]:
    metadata: dict[str, object] = {}
    if model.name:
        metadata["name"] = model.name
    if model.context_window:
        metadata["context_window_tokens"] = model.context_window
    if model.deprecated:
        metadata["deprecated"] = True
    if unsupported:
        metadata["unsupported_rates"] = unsupported
    if has_hours:
        metadata["note"] = "the dearest hours of the day"
    if model.price_variants:
        names = (" ".join(f"{key}={value}" for key, value in variant.when.items()) for variant in model.price_variants)
        metadata["variants_not_applied"] = sorted(set(names))
    return metadata


def _local_price(provider: str, created_at: int) -> Price:
    return Price(
        price_id=f"builtin:{provider}:{ANY_MODEL}:0",
        provider=provider,
        model=ANY_MODEL,
        rates={"input": Decimal(0), "output": Decimal(0)},
        rank=SOURCE_RANKS["builtin"],
        source="builtin",
        version="builtin 1",
        created_at=created_at,
    )
