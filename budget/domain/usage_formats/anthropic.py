"""Anthropic Messages: `input_tokens` leaves out what the cache read and wrote; output includes thinking.

Source: Anthropic API reference, the usage object of a message.
"""

from budget.domain.usage import Counts, UsageError
from budget.domain.usage_formats.reading import Reader
from budget.domain.usage_formats.translated import Translated, assemble


def translate(reader: Reader) -> Translated:
    """Translate the usage object of a Claude message."""
    uncached = reader.count("input_tokens")
    read = reader.count("cache_read_input_tokens")
    written, written_1h = _cache_writes(reader)
    inputs = [count for count in (uncached, read, written) if count is not None]
    tools = reader.child("server_tool_use")
    tools.ignore("web_fetch_requests")  # free of charge beyond the tokens
    details = reader.child("output_tokens_details")
    _ignore_own_turns(reader)
    counts = Counts(
        input_tokens=sum(inputs) if inputs else None,
        output_tokens=reader.count("output_tokens"),
        cache_read_tokens=read or 0,
        cache_write_tokens=(written or 0) - written_1h,
        cache_write_1h_tokens=written_1h,
        reasoning_tokens=details.number("thinking_tokens", "reasoning_tokens"),
        web_searches=tools.number("web_search_requests"),
    )
    return assemble(reader, counts)


def _cache_writes(reader: Reader) -> tuple[int | None, int]:
    """All tokens written to the cache, and those of them kept for an hour."""
    stated = reader.count("cache_creation_input_tokens")
    by_lifetime = reader.child("cache_creation")
    hour = by_lifetime.count("ephemeral_1h_input_tokens")
    minutes = by_lifetime.count("ephemeral_5m_input_tokens")
    if stated is None and (hour is not None or minutes is not None):
        stated = (hour or 0) + (minutes or 0)
    if (hour or 0) > (stated or 0):
        raise UsageError(f"{by_lifetime.path}.ephemeral_1h_input_tokens", "exceeds cache_creation_input_tokens")
    return stated, hour or 0


def _ignore_own_turns(reader: Reader) -> None:
    """Pass over `iterations` when they only repeat the message's own turns; others (compaction) come on top."""
    if all(kind == "message" for kind in reader.texts_within("iterations", "type")):
        reader.ignore("iterations")
