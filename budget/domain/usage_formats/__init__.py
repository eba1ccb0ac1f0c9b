"""Usage as providers report it, translated into disjoint counts.

Sources: the providers' API references as of November 2026; each translation says what its totals include.
"""

from budget.domain.usage import UsageError
from budget.domain.usage_formats import anthropic, bedrock, google, local, openai
from budget.domain.usage_formats.reading import JsonObject, Reader
from budget.domain.usage_formats.translated import Translated, translated_parts

__all__ = ["FORMATS", "Translated", "format_for", "translate", "translated_parts"]

_TRANSLATIONS = {
    "openai_chat": openai.translate_chat,
    "openai_responses": openai.translate_responses,
    "anthropic": anthropic.translate,
    "google": google.translate,
    "bedrock": bedrock.translate,
    "openrouter": openai.translate_openrouter,
    "deepseek": openai.translate_chat,
    "ollama": local.translate_ollama,
    "rhetor": local.translate_rhetor,
}

FORMATS = tuple(_TRANSLATIONS)
"""Every name `translate` knows."""

_NATIVE_FORMATS = {
    "anthropic": "anthropic",
    "google": "google",
    "aws": "bedrock",
    "openrouter": "openrouter",
    "deepseek": "deepseek",
    "ollama": "ollama",
    "rhetor": "rhetor",
}
# These speak OpenAI's dialects; some of them other providers' besides, which the keys tell.
_OPENAI_SPEAKERS = frozenset(
    {
        "arcee",
        "avian",
        "azure",
        "baseten",
        "cerebras",
        "cloudflare",
        "cohere",
        "cursor",
        "databricks",
        "doubleword",
        "fireworks",
        "github-copilot",
        "groq",
        "llamacpp",
        "lmstudio",
        "local",
        "meta",
        "minimax",
        "mistral",
        "modal",
        "moonshotai",
        "novita",
        "openai",
        "ovhcloud",
        "perplexity",
        "quicksilverpro",
        "simulated",
        "together",
        "typesafe",
        "vllm",
        "voyageai",
        "x-ai",
        "zai",
        "zhipuai",
    }
)
# In order: the first key found decides, unless the provider has a say (see format_for).
_TELLING_KEYS = (
    ("prompt_tokens", "openai_chat"),
    ("completion_tokens", "openai_chat"),
    ("cache_read_input_tokens", "anthropic"),
    ("cache_creation_input_tokens", "anthropic"),
    ("input_tokens", "openai_responses"),
    ("inputTokens", "bedrock"),
    ("promptTokenCount", "google"),
    ("prompt_token_count", "google"),
    ("prompt_eval_count", "ollama"),
)
# Clouds that resell Claude hand on Anthropic's own object, which may lack the cache fields.
_SPEAKS_ANTHROPIC = frozenset({"anthropic", "aws", "google", "deepseek"})
_ONE_FORMAT = frozenset({"openrouter", "rhetor"})


def translate(usage: JsonObject, usage_format: str) -> Translated:
    """Translate a provider's `usage` object, as it came, from `usage_format` (one of `FORMATS`).

    Raises UsageError, and nothing else, for an unknown format, for a counter that is not a whole number from 0 to
    2**53, for parts that exceed their total, and when the object holds no counter the format knows.
    """
    translation = _TRANSLATIONS.get(usage_format)
    if translation is None:
        raise UsageError("usage_format", f"must be one of {', '.join(FORMATS)}")
    if not isinstance(usage, dict):
        raise UsageError("usage", "must be an object")
    return translation(Reader(usage))


def format_for(provider: str, usage: JsonObject) -> str | None:
    """Tell the format from the price catalogue's provider id and the object's keys; None for an unknown provider.

    >>> format_for("openai", {"input_tokens": 3, "output_tokens": 1})
    'openai_responses'
    """
    provider = provider.lower()
    speaks_openai = provider in _OPENAI_SPEAKERS or provider.startswith("huggingface_")
    native = "openai_chat" if speaks_openai else _NATIVE_FORMATS.get(provider)
    if native is None or native in _ONE_FORMAT:
        return native
    told = next((told for key, told in _TELLING_KEYS if key in usage), native)
    if told == "openai_responses" and provider in _SPEAKS_ANTHROPIC and "input_tokens_details" not in usage:
        return "anthropic"
    return native if told == "openai_chat" and native == "deepseek" else told
