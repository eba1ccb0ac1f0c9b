"""Gemini: the prompt includes cached tokens, the candidates leave out the thoughts, tool results are further input.

Source: Gemini API and Vertex AI references, UsageMetadata, in camel and in snake case.
"""

from collections import Counter

from budget.domain.usage import Counts
from budget.domain.usage_formats.reading import Reader
from budget.domain.usage_formats.translated import Translated, assemble, beside_cache

_ANSWER_DETAILS = (
    "candidatesTokensDetails",
    "candidates_tokens_details",
    "responseTokensDetails",
    "response_tokens_details",
)


def translate(reader: Reader) -> Translated:
    """Translate a UsageMetadata object, alone or inside the response's `usageMetadata`."""
    if reader.has("usageMetadata", "usage_metadata"):
        return translate(reader.child("usageMetadata", "usage_metadata"))
    prompt = reader.count("promptTokenCount", "prompt_token_count")
    tool_results = reader.count("toolUsePromptTokenCount", "tool_use_prompt_token_count")
    cached = reader.number("cachedContentTokenCount", "cached_content_token_count")
    thoughts = reader.count("thoughtsTokenCount", "thoughts_token_count")
    answer = reader.count(
        "candidatesTokenCount", "candidates_token_count", "responseTokenCount", "response_token_count"
    )
    answer_kinds = _by_modality(reader, *_ANSWER_DETAILS)
    audio, image, video = _media(reader, prompt, tool_results, cached)
    reader.ignore("billablePromptUsage", "billable_prompt_usage")  # the prompt again, in other units
    counts = Counts(
        input_tokens=_sum(prompt, tool_results),
        output_tokens=_sum(answer, thoughts),
        cache_read_tokens=cached,
        input_audio_tokens=audio,
        input_image_tokens=image,
        input_video_tokens=video,
        reasoning_tokens=thoughts or 0,
        output_audio_tokens=answer_kinds["AUDIO"],
    )
    # Made images and films have rates of their own and no part of ours: counted as output, named as unknown.
    unknown: dict[str, object] = {
        f"candidatesTokensDetails.{kind}": answer_kinds[kind] for kind in ("IMAGE", "VIDEO") if answer_kinds[kind]
    }
    total = reader.count("totalTokenCount", "total_token_count")
    return assemble(reader, counts, total=total, unknown=unknown)


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _media(reader: Reader, prompt: int | None, tool_results: int | None, cached: int) -> list[int]:
    """Audio, image and video of the input that did not come from the cache; text and documents are plain input."""
    in_prompt = _by_modality(reader, "promptTokensDetails", "prompt_tokens_details")
    in_cache = _by_modality(reader, "cacheTokensDetails", "cache_tokens_details")
    in_tools = _by_modality(reader, "toolUsePromptTokensDetails", "tool_use_prompt_tokens_details")
    kinds = ("AUDIO", "IMAGE", "VIDEO")
    media = [max(0, in_prompt[kind] - in_cache[kind]) + in_tools[kind] for kind in kinds]
    return beside_cache(_sum(prompt, tool_results), cached, *media)


def _by_modality(reader: Reader, *names: str) -> Counter[str]:
    tokens: Counter[str] = Counter()
    for entry in reader.children(*names):
        tokens[entry.text("modality").upper()] += entry.number("tokenCount", "token_count")
    return tokens
