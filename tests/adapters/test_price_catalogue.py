"""The bundled prices."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

import pytest
from genai_prices import Usage
from genai_prices.data import providers

from budget.adapters.price_catalogue import LOCAL_PROVIDERS, canonical_model, catalogue_prices
from budget.domain.money import to_nanocents
from budget.domain.pricing import Price, cost_of, price_at

NOVEMBER_2026 = 1_793_498_400_000_000


@cache
def all_prices() -> tuple[Price, ...]:
    """Read the catalogue once."""
    return tuple(catalogue_prices())


@cache
def by_model() -> dict[tuple[str, str], list[Price]]:
    """Index the catalogue."""
    index: dict[tuple[str, str], list[Price]] = {}
    for price in all_prices():
        index.setdefault((price.provider, price.model), []).append(price)
    return index


def prices_of(provider: str, model: str) -> list[Price]:
    """Find the prices of one model."""
    return by_model().get((provider, model), [])


def test_most_of_the_catalogue_has_prices() -> None:
    assert len({(price.provider, price.model) for price in all_prices()}) > 2000


def test_price_ids_are_unique_and_repeatable() -> None:
    ids = [price.price_id for price in all_prices()]
    assert len(set(ids)) == len(ids)
    assert ids == [price.price_id for price in catalogue_prices()]


def test_rates_are_exact_dollars_per_token() -> None:
    (price,) = prices_of("openai", "gpt-4o")
    assert price.rates["input"] == Decimal("0.0000025")
    assert price.rates["output"] == Decimal("0.00001")
    assert price.rates["cache_read"] == Decimal("0.00000125")


def test_searches_are_priced_each() -> None:
    (price,) = prices_of("openai", "gpt-4o")
    assert price.rates["web_searches"] == Decimal("0.01")


def test_an_hour_of_speech_costs_what_the_list_says() -> None:
    (price,) = prices_of("groq", "whisper-large-v3")
    assert cost_of(price, {"milliseconds": 3_600_000}).total == 11_100_000_000
    assert price.price_type == "time_based"


def test_pages_are_priced_each() -> None:
    (price,) = prices_of("mistral", "mistral-ocr-2503")
    assert (price.rates["pages"], price.price_type) == (Decimal("0.001"), "fixed")


def test_a_tier_of_the_list_becomes_a_context_tier() -> None:
    (price,) = prices_of("google", "gemini-2.5-pro")
    ((start, rates),) = price.context_tiers
    assert (start, rates["input"], rates["output"]) == (200_000, Decimal("0.0000025"), Decimal("0.000015"))


def test_dated_prices_follow_one_another_without_a_gap() -> None:
    first, second = prices_of("anthropic", "claude-sonnet-4-6")
    assert (first.effective_at, second.end_at) == (0, None)
    assert first.end_at == second.effective_at == 1_773_360_000_000_000


def test_at_every_instant_one_price_of_a_model_is_in_force() -> None:
    first, second = prices_of("anthropic", "claude-sonnet-4-6")
    assert price_at([first, second], second.effective_at - 1) is first
    assert price_at([first, second], second.effective_at) is second


def test_of_the_hours_of_a_day_the_dearest_counts() -> None:
    (price,) = prices_of("deepseek", "deepseek-chat")
    assert price.rates["output"] == Decimal("0.0000011")
    assert price.metadata["note"] == "the dearest hours of the day"


def test_rates_we_have_no_part_for_are_noted() -> None:
    (price,) = prices_of("perplexity", "sonar-deep-research")
    assert price.metadata["unsupported_rates"] == {"output_citation_mtok": "2"}


def test_the_context_window_is_kept() -> None:
    (price,) = prices_of("openai", "gpt-4o")
    assert price.metadata["context_window_tokens"] == 128_000


def test_prices_name_their_source_and_version() -> None:
    (price,) = prices_of("openai", "gpt-4o")
    assert (price.source, price.rank, price.version.split()[0]) == ("genai-prices", 50, "genai-prices")


def test_P6_a_model_without_rates_has_no_price() -> None:
    assert prices_of("github-copilot", "gpt-4o") == []
    assert all(price.rates for price in all_prices())


def test_a_model_named_free_is_free() -> None:
    prices = [price for price in all_prices() if price.provider == "openrouter" and price.model.endswith(":free")]
    assert prices
    assert all(cost_of(price, {"input": 9, "output": 9}).total == 0 for price in prices)


@pytest.mark.parametrize("provider", LOCAL_PROVIDERS)
def test_P6_a_local_model_is_free_because_a_price_says_so(provider: str) -> None:
    price = price_at(prices_of(provider, "*"), NOVEMBER_2026)
    assert price is not None
    assert cost_of(price, {"input": 5, "output": 5, "requests": 1}).unpriced_parts == ()
    assert (price.rates["input"], price.rank) == (Decimal(0), 40)


@pytest.mark.parametrize(("uncached", "cached", "output"), [(1000, 0, 500), (300_001, 1000, 77), (1, 199_999, 1)])
def test_every_price_costs_what_the_package_itself_works_out(uncached: int, cached: int, output: int) -> None:
    parts = {"input": uncached, "output": output, "requests": 1} | ({"cache_read": cached} if cached else {})
    usage = Usage(input_tokens=uncached + cached, cache_read_tokens=cached, output_tokens=output)
    peak = datetime(2026, 11, 1, 2, tzinfo=UTC)  # when DeepSeek is at its dearest, which is what we keep
    for provider in providers:
        for model in provider.models:
            price = price_at(prices_of(provider.id, model.id), NOVEMBER_2026)
            if price:
                theirs = model.calc_price(usage, provider, genai_request_timestamp=peak).total_price
                assert cost_of(price, parts).total == to_nanocents(theirs), price.price_id


def test_the_import_instant_is_kept() -> None:
    assert {price.created_at for price in catalogue_prices(created_at=7)} == {7}


@pytest.mark.parametrize(
    ("provider", "model", "canonical"),
    [
        ("OpenAI", "GPT-4o", ("openai", "gpt-4o")),
        ("openai", "gpt-4o-2024-08-06", ("openai", "gpt-4o")),
        ("gemini", "gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("vertex_ai", "models/gemini-2.5-pro", ("google", "gemini-2.5-pro")),
        ("xai", "grok-4", ("x-ai", "grok-4-0709")),
        ("azure_openai", "gpt-4o", ("openai", "gpt-4o")),
        ("anthropic", "claude-3-7-sonnet-20250219", ("anthropic", "claude-3-7-sonnet-latest")),
        ("openai", "openai/gpt-4o-mini", ("openai", "gpt-4o-mini")),
        ("litellm", "openai/gpt-4o", ("openai", "gpt-4o")),
        ("ollama", "llama3.2:3b", ("ollama", "*")),
        ("LM_Studio", "anything", ("lmstudio", "*")),
        ("openai", "nonsense", None),
        ("openai", "anthropic/gpt-4o", None),
        ("nobody", "gpt-4o", None),
        ("litellm", "gpt-4o", None),
        ("openai", "x" * 257, None),
        ("", "", None),
    ],
)
def test_names_lead_to_the_catalogue(provider: str, model: str, canonical: tuple[str, str] | None) -> None:
    assert canonical_model(provider, model) == canonical


def test_bedrock_names_lead_to_a_price_of_aws() -> None:
    found = canonical_model("bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0")
    assert found is not None
    assert found[0] == "aws"
    assert prices_of(*found)
