"""OpenAI's two dialects (Chat Completions, Responses) and the providers that speak them.

Input includes cached, audio and image tokens; output includes reasoning and audio. xAI's and Perplexity's chat
leave reasoning out of the output. Sources: OpenAI, xAI, Perplexity, Mistral, DeepSeek, OpenRouter API references.
"""

from decimal import Decimal
from typing import NamedTuple

from budget.domain.usage import Counts
from budget.domain.usage_formats.reading import Reader
from budget.domain.usage_formats.translated import Translated, assemble, beside_cache

_MILLISECOND = Decimal("0.001")
_TICK_PLACES = 10  # xAI: one dollar is 10¹⁰ ticks


class _Totals(NamedTuple):
    prompt: int | None
    completion: int | None
    stated: int | None


def translate_chat(reader: Reader) -> Translated:
    """Translate Chat Completions usage, DeepSeek's cache counters and embeddings included."""
    counts, total = _chat_counts(reader)
    return assemble(reader, counts, total=total, reported_cost=_cost_by_chat_provider(reader))


def translate_responses(reader: Reader) -> Translated:
    """Translate usage of the Responses, Realtime, image and transcription APIs."""
    counts, total = _responses_counts(reader)
    return assemble(reader, counts, total=total, reported_cost=_cost_in_ticks(reader))


def translate_openrouter(reader: Reader) -> Translated:
    """Translate OpenRouter's usage, which reports the cost.

    With the caller's own provider key, `cost` is OpenRouter's fee alone and the provider's bill stands beside it; if
    that is missing the whole cost is not known, and the fee is kept as an unknown.
    """
    counts, total = _responses_counts(reader) if _is_responses(reader) else _chat_counts(reader)
    cost = reader.amount("cost")
    details = reader.child("cost_details")
    upstream = details.amount("upstream_inference_cost")
    details.ignore("upstream_inference_prompt_cost", "upstream_inference_completions_cost")
    if not reader.is_true("is_byok"):
        return assemble(reader, counts, total=total, reported_cost=cost)
    if upstream is None:
        fee: dict[str, object] = {} if cost is None else {"cost": cost}
        return assemble(reader, counts, total=total, unknown=fee)
    return assemble(reader, counts, total=total, reported_cost=upstream + (cost or 0))


def _is_responses(reader: Reader) -> bool:
    return reader.has("input_tokens", "output_tokens") and not reader.has("prompt_tokens", "completion_tokens")


def _chat_counts(reader: Reader) -> tuple[Counts, int | None]:
    hits = reader.count("prompt_cache_hit_tokens")
    misses = reader.count("prompt_cache_miss_tokens")
    prompt = reader.count("prompt_tokens")
    if prompt is None and misses is not None:
        prompt = (hits or 0) + misses
    totals = _Totals(prompt, reader.count("completion_tokens"), reader.count("total_tokens"))
    inputs = reader.child("prompt_tokens_details", "prompt_token_details")
    outputs = reader.child("completion_tokens_details", "completion_token_details")
    outputs.ignore("accepted_prediction_tokens", "rejected_prediction_tokens")  # both priced as plain output
    cached = reader.number("cached_tokens", "num_cached_tokens")  # Moonshot, Mistral
    return _counts(reader, totals, inputs, outputs, hits or cached), totals.stated


def _responses_counts(reader: Reader) -> tuple[Counts, int | None]:
    totals = _Totals(reader.count("input_tokens"), reader.count("output_tokens"), reader.count("total_tokens"))
    inputs = reader.child("input_tokens_details", "input_token_details")
    outputs = reader.child("output_tokens_details", "output_token_details")
    return _counts(reader, totals, inputs, outputs, 0), totals.stated


def _counts(reader: Reader, totals: _Totals, inputs: Reader, outputs: Reader, cached_elsewhere: int) -> Counts:
    cached = inputs.count("cached_tokens")
    cached = cached_elsewhere if cached is None else cached
    written = inputs.number("cache_write_tokens", "cache_creation_tokens")
    inputs.ignore("text_tokens")
    outputs.ignore("text_tokens")
    reasoning = outputs.count("reasoning_tokens")
    stated_apart = reader.number("reasoning_tokens")  # Perplexity
    reasoning = stated_apart if reasoning is None else reasoning
    audio, image, video = _media(inputs, totals.prompt, cached, written)
    reader.ignore("num_server_side_tools_used", "doc_size_bytes")
    return Counts(
        input_tokens=totals.prompt,
        output_tokens=_all_output(totals, reasoning),
        cache_read_tokens=cached,
        cache_write_tokens=written,
        input_audio_tokens=audio,
        input_image_tokens=image,
        input_video_tokens=video,
        reasoning_tokens=reasoning,
        output_audio_tokens=outputs.number("audio_tokens"),
        seconds=_seconds(reader),
        pages=reader.number("pages_processed"),  # Mistral's document reading
        web_searches=_searches(reader),
    )


def _media(inputs: Reader, total: int | None, cached: int, written: int) -> list[int]:
    """Audio, image and video of the input, without what was read from the cache (which Realtime states)."""
    in_cache = inputs.child("cached_tokens_details")
    in_cache.ignore("text_tokens")
    media = [
        max(0, inputs.number(name) - in_cache.number(name)) for name in ("audio_tokens", "image_tokens", "video_tokens")
    ]
    return beside_cache(total, cached + written, *media)


def _all_output(totals: _Totals, reasoning: int) -> int | None:
    """Give all output, reasoning included, also where the provider's own count leaves reasoning out."""
    if totals.completion is None or not reasoning:
        return totals.completion
    apart = totals.completion + reasoning
    left_out = reasoning > totals.completion or totals.stated == (totals.prompt or 0) + apart
    return apart if left_out else totals.completion


def _searches(reader: Reader) -> int:
    """Web searches, wherever the provider puts them; stated twice, they count once."""
    return max(
        reader.number("num_search_queries"),  # Perplexity
        reader.child("tool_calls_details").child("search_web").number("invocation"),  # Perplexity
        reader.child("server_side_tool_usage_details").number("web_search_calls"),  # xAI
        reader.child("server_tool_use").number("web_search_requests"),  # OpenRouter
    )


def _seconds(reader: Reader) -> Decimal | int:
    """Seconds of audio (OpenAI's transcription, Mistral), to the millisecond as we count them."""
    seconds = reader.amount("seconds", "prompt_audio_seconds")
    return seconds.quantize(_MILLISECOND) if seconds else 0


def _cost_by_chat_provider(reader: Reader) -> Decimal | None:
    """Give the cost xAI or Perplexity states; a bare number under `cost` says neither its currency nor its scope."""
    ticks = _cost_in_ticks(reader)
    costs = reader.child("cost") if reader.is_object("cost") else Reader({})
    total = costs.amount("total_cost")
    return total if ticks is None else ticks


def _cost_in_ticks(reader: Reader) -> Decimal | None:
    ticks = reader.count("cost_in_usd_ticks")
    return None if ticks is None else Decimal(ticks).scaleb(-_TICK_PLACES)
