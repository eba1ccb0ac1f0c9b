"""Dated prices and what usage costs at them, in whole nanocents.

Rates are exact decimals. Each price is compiled once, when first used, into integers over one common power of
ten, so that costing a call needs no Decimal. A context tier is a cliff: past it, its rates apply to all tokens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal

import msgspec

from budget.domain.usage import PARTS, TOKEN_PARTS, Parts, input_total

SOURCE_RANKS = {"manual": 100, "genai-prices": 50, "builtin": 40}
"""How sources outrank each other: manual and negotiated prices before lists, lists before built-in zeros."""

Rates = dict[str, Decimal]
"""Dollars per unit of a part: per token, per image, per millisecond, per page, per search, per request."""

_FALLBACKS = (
    # In an order in which each fallback is itself settled before another part leans on it.
    ("cache_read", "input"),
    ("cache_write", "input"),
    ("cache_write_1h", "cache_write"),
    ("input_audio", "input"),
    ("input_image", "input"),
    ("input_video", "input"),
    ("reasoning", "output"),
    ("output_audio", "output"),
)
_KNOWN_PARTS = frozenset(PARTS)
_NANOCENT_PLACES = 11
_MAX_PLACES = 40
_MAX_RATE = 10**9
# Holds the widest admissible rate without rounding: 9 digits before the point, 40 behind it.
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one model costs from one instant on; never changed, only succeeded.

    `context_tiers` is (start, rates) by ascending start: when the input tokens of a call exceed `start`, these rates
    replace the plain ones of the same parts for all its tokens. Instants are microseconds since the epoch, UTC.
    Raises ValueError for an unknown part, for a rate that is negative, not finite, at or above a thousand million
    dollars or with more than 40 decimal places, and for tiers out of order.
    """

    price_id: str
    provider: str
    model: str
    price_type: str = "token_based"
    rates: Rates = field(hash=False)
    context_tiers: tuple[tuple[int, Rates], ...] = field(default=(), hash=False)
    effective_at: int = 0
    end_at: int | None = None
    rank: int = SOURCE_RANKS["manual"]
    source: str = "manual"
    source_url: str | None = None
    version: str = ""
    created_at: int = 0
    metadata: dict[str, object] = field(default_factory=dict, hash=False)
    compiled: "_Compiled | None" = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse rates that make no sense, so that costing cannot fail later."""
        _check_rates(self.rates)
        previous = -1
        for start, rates in self.context_tiers:
            if start <= previous:
                message = "context tiers must have ascending starts of 0 or more"
                raise ValueError(message)
            previous = start
            _check_rates(rates)


class Cost(msgspec.Struct, frozen=True):
    """What a call costs, in nanocents: `by_part` holds what is not zero and adds up to `total`.

    `unpriced_parts` were used but have no rate; they cost 0 here and the record is only partly priced.
    """

    total: int
    by_part: dict[str, int]
    unpriced_parts: tuple[str, ...] = ()


def price_at(prices: Sequence[Price], at: int) -> Price | None:
    """Choose the price in force at `at` (microseconds since the epoch): highest rank, then newest.

    Newest is the latest `effective_at`, then the latest `created_at`, then the last `price_id`.
    """
    best: Price | None = None
    for price in prices:
        in_force = price.effective_at <= at and (price.end_at is None or at < price.end_at)
        if in_force and (best is None or _precedence(price) > _precedence(best)):
            best = price
    return best


def cost_of(price: Price, parts: Parts) -> Cost:
    """Cost `parts` at `price`: summed exactly, rounded once, half to even, to a nanocent."""
    compiled = price.compiled or _compile(price)
    rates = compiled.plain_rates
    if rates is None:
        return _rounded_cost(compiled, parts)
    total = 0
    by_part: dict[str, int] = {}
    for part, count in parts.items():
        rate = rates.get(part)
        if rate is None:
            return _rounded_cost(compiled, parts)
        if rate:
            cost = rate * count
            total += cost
            by_part[part] = cost
    return Cost(total, by_part)


def plain_rates(price: Price) -> tuple[int, int, int] | None:
    """Whole nanocents per input token, output token and request, when that is all these cost; else None."""
    compiled = price.compiled or _compile(price)
    rates = compiled.plain_rates
    if rates is None or "input" not in rates or "output" not in rates:
        return None
    return rates["input"], rates["output"], rates.get("requests", 0)


def hold_cost(price: Price, tokens: int, input_tokens: int | None = None, max_output_tokens: int | None = None) -> int:
    """Give the nanocents to hold for `tokens`, the per-request price included once (`rules.md` 4.5).

    Stated input is priced as plain input, stated output at the dearer of visible and reasoning; all other tokens
    at the model's dearest token rate. A call may stay below a context tier, so of the tiers that `tokens` could reach
    the dearest counts; with that, more tokens never hold less.
    """
    compiled = price.compiled or _compile(price)
    hold = compiled.holds[0]
    for reached in compiled.holds[1:]:
        if tokens <= reached.start:
            break
        hold = reached
    if input_tokens is None and max_output_tokens is None:
        scaled = tokens * hold.dearest_rate + hold.request_rate
    else:
        inputs = input_tokens or 0
        outputs = max_output_tokens or 0
        rest = max(0, tokens - inputs - outputs)
        scaled = inputs * hold.input_rate + outputs * hold.output_rate + rest * hold.dearest_rate + hold.request_rate
    return scaled if compiled.scale == 1 else _half_even(scaled, compiled.scale)


class _Hold(msgspec.Struct, frozen=True):
    """Scaled rates for a hold of more than `start` tokens."""

    start: int
    input_rate: int
    output_rate: int
    dearest_rate: int
    request_rate: int


class _Compiled(msgspec.Struct, frozen=True):
    """A price in integers: `scale` units are one nanocent, and every part with a rate has one here."""

    scale: int
    tiers: tuple[tuple[int, dict[str, int]], ...]
    holds: tuple[_Hold, ...]
    plain_rates: dict[str, int] | None
    """Whole nanocents per unit, when that is all the price needs."""


def _check_rates(rates: Rates) -> None:
    for part, rate in rates.items():
        if part not in _KNOWN_PARTS:
            message = f"no part of usage is called {part!r}"
            raise ValueError(message)
        if not _is_sane(rate):
            message = f"the rate of {part} must be at least 0, below 1e9 and have at most {_MAX_PLACES} decimal places"
            raise ValueError(message)


def _is_sane(rate: Decimal) -> bool:
    if not rate.is_finite() or not 0 <= rate < _MAX_RATE:
        return False
    _, digits, exponent = rate.as_tuple()
    return len(digits) <= _EXACT.prec and (-int(exponent) <= _MAX_PLACES or _places(rate) <= _MAX_PLACES)


def _precedence(price: Price) -> tuple[int, int, int, str]:
    return price.rank, price.effective_at, price.created_at, price.price_id


def _rounded_cost(compiled: _Compiled, parts: Parts) -> Cost:
    """Cost with tiers, fractions of a nanocent or missing rates; parts round so that they add up to the total."""
    rates = _rates_for(compiled, input_total(parts))
    exact = 0
    total = 0
    by_part: dict[str, int] = {}
    unpriced: list[str] = []
    for part in PARTS:
        count = parts.get(part)
        if not count:
            continue
        rate = rates.get(part)
        if rate is None:
            unpriced.append(part)
            continue
        exact += rate * count
        up_to_here = _half_even(exact, compiled.scale)
        if up_to_here != total:
            by_part[part] = up_to_here - total
            total = up_to_here
    return Cost(total, by_part, tuple(unpriced))


def _rates_for(compiled: _Compiled, tokens: int) -> dict[str, int]:
    rates = compiled.tiers[0][1]
    for start, tier_rates in compiled.tiers[1:]:
        if tokens <= start:
            break
        rates = tier_rates
    return rates


def _half_even(scaled: int, scale: int) -> int:
    whole, rest = divmod(scaled, scale)
    twice = 2 * rest
    return whole + 1 if twice > scale or (twice == scale and whole & 1) else whole


def _compile(price: Price) -> _Compiled:
    tables = [(-1, price.rates)]
    tables += [(start, {**price.rates, **rates}) for start, rates in price.context_tiers]
    places = max((_places(rate) for _, rates in tables for rate in rates.values()), default=0)
    shift = max(places, _NANOCENT_PLACES)
    tiers = tuple((start, _resolve(_scaled(rates, shift))) for start, rates in tables)
    scale = 10 ** (shift - _NANOCENT_PLACES)
    plain = tiers[0][1] if scale == 1 and len(tiers) == 1 else None
    compiled = _Compiled(scale, tiers, tuple(_holds(tiers)), plain)
    object.__setattr__(price, "compiled", compiled)  # computed once for a value that is otherwise frozen
    return compiled


def _places(rate: Decimal) -> int:
    """Decimal places of `rate`, trailing zeros not counted."""
    return max(0, -int(_EXACT.normalize(rate).as_tuple().exponent))


def _scaled(rates: Rates, shift: int) -> dict[str, int]:
    return {part: int(_EXACT.scaleb(rate, shift)) for part, rate in rates.items()}


def _resolve(rates: dict[str, int]) -> dict[str, int]:
    """Fill in the parts that have no rate of their own but cost what another part costs."""
    resolved = {"requests": 0, **rates}
    for part, stand_in in _FALLBACKS:
        if part not in resolved and stand_in in resolved:
            resolved[part] = resolved[stand_in]
    ends = [resolved[part] for part in ("input", "output") if part in resolved]
    if "other" not in resolved and ends:
        resolved["other"] = max(ends)
    return resolved


def _holds(tiers: Iterable[tuple[int, dict[str, int]]]) -> Iterable[_Hold]:
    inputs = outputs = dearest = request = 0
    for start, rates in tiers:
        tier_dearest = max((rates[part] for part in TOKEN_PARTS if part in rates), default=0)
        dearest = max(dearest, tier_dearest)
        inputs = max(inputs, rates.get("input", tier_dearest))
        outputs = max(outputs, rates.get("output", tier_dearest), rates.get("reasoning", 0))
        request = max(request, rates["requests"])
        yield _Hold(start, inputs, outputs, dearest, request)
