"""Amazon Bedrock's Converse: `inputTokens` leaves out what the cache read and wrote, `totalTokens` includes it.

Source: Amazon Bedrock API reference, TokenUsage; Nova's InvokeModel spells the cache fields with `Count`.
"""

from budget.domain.usage import Counts, UsageError
from budget.domain.usage_formats.reading import Reader
from budget.domain.usage_formats.translated import Translated, assemble


def translate(reader: Reader) -> Translated:
    """Translate a TokenUsage object."""
    uncached = reader.count("inputTokens")
    read = reader.count("cacheReadInputTokens", "cacheReadInputTokenCount")
    written = reader.count("cacheWriteInputTokens", "cacheWriteInputTokenCount")
    written_1h = _kept_an_hour(reader, written or 0)
    inputs = [count for count in (uncached, read, written) if count is not None]
    counts = Counts(
        input_tokens=sum(inputs) if inputs else None,
        output_tokens=reader.count("outputTokens"),
        cache_read_tokens=read or 0,
        cache_write_tokens=(written or 0) - written_1h,
        cache_write_1h_tokens=written_1h,
    )
    return assemble(reader, counts, total=reader.count("totalTokens"))


def _kept_an_hour(reader: Reader, written: int) -> int:
    tokens = 0
    for entry in reader.children("cacheDetails"):
        count = entry.number("inputTokens")
        if entry.text("ttl") == "1h":
            tokens += count
    if tokens > written:
        raise UsageError(f"{reader.path}.cacheDetails", "exceeds cacheWriteInputTokens")
    return tokens
