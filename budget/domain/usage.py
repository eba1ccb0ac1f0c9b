"""Usage split into disjoint parts: each token is counted once and priced once (promise P7)."""

from decimal import Decimal
from typing import Protocol

import msgspec

INPUT_PARTS = ("input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image", "input_video")
"""Parts of all input tokens; `input` is what no other part holds: uncached text."""

OUTPUT_PARTS = ("output", "reasoning", "output_audio")
"""Parts of all output tokens; `output` is the visible text."""

TOKEN_PARTS = (*INPUT_PARTS, *OUTPUT_PARTS, "other")
"""Everything a token limit counts; `other` holds tokens known only from a total."""

OTHER_PARTS = ("images", "milliseconds", "pages", "web_searches", "requests")
"""Parts that are not tokens."""

PARTS = TOKEN_PARTS + OTHER_PARTS
"""Every part, in the order reports and roundings use."""

Parts = dict[str, int]
"""Counts by part name; a part that is absent is zero, and zeros are absent."""

MAX_COUNT = 2**53 - 1
"""The largest count, milliseconds included: JSON numbers are exact up to it, and sums of many fit 64 bits."""

_MOST_DIGITS = len(str(MAX_COUNT))
_INPUT = frozenset(INPUT_PARTS)
_OUTPUT = frozenset(OUTPUT_PARTS)
_TOKENS = frozenset(TOKEN_PARTS)


class UsageError(ValueError):
    """The reported usage contradicts itself or holds a value that is not a count."""

    def __init__(self, field: str, message: str) -> None:
        """Name the `field` (a path such as `usage.prompt_tokens`) and what is wrong with it."""
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message


class UsageCounts(Protocol):
    """What a report of usage says: totals of all input and all output, and disjoint counts within them.

    `cache_write_tokens` does not contain `cache_write_1h_tokens`. Counts are whole and not negative.
    """

    @property
    def input_tokens(self) -> int | None:
        """All input, cached or not; None when only a total is known."""

    @property
    def output_tokens(self) -> int | None:
        """All output, reasoning included; None when only a total is known."""

    @property
    def cache_read_tokens(self) -> int:
        """Input read from a cache."""

    @property
    def cache_write_tokens(self) -> int:
        """Input written to a cache for the usual few minutes."""

    @property
    def cache_write_1h_tokens(self) -> int:
        """Input written to a cache for an hour."""

    @property
    def input_audio_tokens(self) -> int:
        """Uncached audio input."""

    @property
    def input_image_tokens(self) -> int:
        """Uncached image input."""

    @property
    def input_video_tokens(self) -> int:
        """Uncached video input."""

    @property
    def reasoning_tokens(self) -> int:
        """Output the reader does not see."""

    @property
    def output_audio_tokens(self) -> int:
        """Spoken output."""

    @property
    def images(self) -> int:
        """Images priced by the piece."""

    @property
    def seconds(self) -> Decimal | int:
        """Time priced by its length; at most 3 decimal places, at most `MAX_COUNT` milliseconds."""

    @property
    def pages(self) -> int:
        """Pages read."""

    @property
    def web_searches(self) -> int:
        """Searches the provider ran."""

    @property
    def requests(self) -> int:
        """Calls; 1 unless several are reported at once."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one call as a value; the fields mean what `UsageCounts` says."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    input_video_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    images: int = 0
    seconds: Decimal | int = 0
    pages: int = 0
    web_searches: int = 0
    requests: int = 1


def parts_from_counts(counts: UsageCounts) -> Parts:
    """Split `counts` into disjoint parts; seconds become whole milliseconds.

    Raises UsageError when parts exceed their total, a count is negative, or seconds have more than 3 places or are
    beyond what is counted.

    >>> parts_from_counts(Counts(input_tokens=10, output_tokens=5, cache_read_tokens=4))
    {'input': 6, 'cache_read': 4, 'output': 5, 'requests': 1}
    """
    # Nearly every record states the two totals only, and this is on the path of each: one test skips the rest.
    if (
        counts.cache_read_tokens
        or counts.cache_write_tokens
        or counts.cache_write_1h_tokens
        or counts.input_audio_tokens
        or counts.input_image_tokens
        or counts.input_video_tokens
        or counts.reasoning_tokens
        or counts.output_audio_tokens
        or counts.images
        or counts.seconds
        or counts.pages
        or counts.web_searches
    ):
        return _all_parts(counts)
    parts: Parts = {}
    if tokens := counts.input_tokens:
        parts["input"] = tokens
    if tokens := counts.output_tokens:
        parts["output"] = tokens
    if requests := counts.requests:
        parts["requests"] = requests
    for part, count in parts.items():
        if count < 0:
            raise UsageError(_field_of(part), "must not be negative")
    return parts


def input_total(parts: Parts) -> int:
    """All input tokens, cached ones included."""
    return _sum(parts, _INPUT)


def output_total(parts: Parts) -> int:
    """All output tokens, reasoning included once."""
    return _sum(parts, _OUTPUT)


def token_total(parts: Parts) -> int:
    """All tokens: input, output and what only a total told of. Token limits count this."""
    return _sum(parts, _TOKENS)


def _sum(parts: Parts, names: frozenset[str]) -> int:
    total = 0
    for part, count in parts.items():
        if part in names:
            total += count
    return total


def _all_parts(counts: UsageCounts) -> Parts:
    inputs = (
        counts.cache_read_tokens,
        counts.cache_write_tokens,
        counts.cache_write_1h_tokens,
        counts.input_audio_tokens,
        counts.input_image_tokens,
        counts.input_video_tokens,
    )
    outputs = (counts.reasoning_tokens, counts.output_audio_tokens)
    numbers = (
        _rest("input_tokens", counts.input_tokens, inputs),
        *inputs,
        _rest("output_tokens", counts.output_tokens, outputs),
        *outputs,
        0,
        counts.images,
        _milliseconds(counts.seconds),
        counts.pages,
        counts.web_searches,
        counts.requests,
    )
    parts: Parts = {}
    for part, count in zip(PARTS, numbers, strict=True):
        if count < 0:
            raise UsageError(_field_of(part), "must not be negative")
        if count:
            parts[part] = count
    return parts


def _rest(field: str, total: int | None, inside: tuple[int, ...]) -> int:
    rest = (total or 0) - sum(inside)
    if rest < 0:
        message = f"is {total or 0}, less than its parts, which add up to {sum(inside)}"
        raise UsageError(field, message)
    return rest


def _milliseconds(seconds: Decimal | int) -> int:
    exact = Decimal(seconds)
    if not exact.is_finite():
        raise UsageError("seconds", "must be a finite number")
    if exact.adjusted() > _MOST_DIGITS or abs(whole := int(exact * 1000)) > MAX_COUNT:
        raise UsageError("seconds", f"must be from 0 to {MAX_COUNT // 1000}")
    if Decimal(whole) / 1000 != exact:
        raise UsageError("seconds", "may have at most 3 decimal places")
    return whole


def _field_of(part: str) -> str:
    if part == "milliseconds":
        return "seconds"
    return f"{part}_tokens" if part in _TOKENS else part
