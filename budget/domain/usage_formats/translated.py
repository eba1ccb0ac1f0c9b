"""What a translation yields, and the checks every format shares."""

from decimal import Decimal

import msgspec

from budget.domain.usage import Counts, Parts, UsageError, parts_from_counts
from budget.domain.usage_formats.reading import Reader


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's usage in our terms; `counts` is ready for `parts_from_counts`.

    `reported_cost`: dollars, by the provider's own account; outranks an estimate.
    `unknown`: counters that may be priced and that we do not know, raw, by path; the record is partly priced.
    `other_tokens`: what the provider's total holds beyond its parts; becomes the part `other`.
    `total_differs`: the stated total is not the sum of the stated parts.
    `estimated`: the numbers are approximations, not the provider's meter.
    """

    counts: Counts
    reported_cost: Decimal | None = None
    unknown: dict[str, object] = {}
    other_tokens: int = 0
    total_differs: bool = False
    estimated: bool = False


def translated_parts(translated: Translated) -> Parts:
    """Split into disjoint parts, with the part `other` when the total held more than its parts."""
    parts = parts_from_counts(translated.counts)
    if translated.other_tokens:
        parts["other"] = translated.other_tokens
    return parts


def assemble(
    reader: Reader,
    counts: Counts,
    *,
    total: int | None = None,
    reported_cost: Decimal | None = None,
    estimated: bool = False,
    unknown: dict[str, object] | None = None,
) -> Translated:
    """Check `counts` against themselves and against the stated `total`, and collect what is left unread.

    Raises UsageError naming the object when parts exceed their total or when it counts nothing at all.
    """
    if counts == Counts() and total is None and reported_cost is None:
        raise UsageError(reader.path, "holds no counter that this format knows")
    try:
        parts_from_counts(counts)
    except UsageError as error:
        raise UsageError(reader.path, f"contradicts itself: {error}") from None
    known = (counts.input_tokens or 0) + (counts.output_tokens or 0)
    has_split = counts.input_tokens is not None or counts.output_tokens is not None
    return Translated(
        counts=counts,
        reported_cost=reported_cost,
        unknown={**dict(reader.unread()), **(unknown or {})},
        other_tokens=max(0, total - known) if total is not None else 0,
        total_differs=total is not None and total != known and has_split,
        estimated=estimated,
    )


def beside_cache(total: int | None, cached: int, *media: int) -> list[int]:
    """Take out of `media` (audio, image, video counts of an input) what the cached tokens of that input hold too.

    Some providers count cached audio under both headings without saying how much. What does not fit beside the
    cached tokens was cached. Media beyond the whole total are left for the caller's check to refuse.
    """
    surplus = sum(media) + cached - (total or 0)
    if surplus <= 0 or sum(media) > (total or 0):
        return list(media)
    fitting = []
    for count in media:
        overlap = min(count, surplus)
        surplus -= overlap
        fitting.append(count - overlap)
    return fitting
