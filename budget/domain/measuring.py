"""What a usage amounts to: disjoint parts, each priced once, or the cost that the provider reported (P7, rule 8)."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec

from budget.domain import commands, money, pricing, usage, usage_formats
from budget.domain.balances import MAX_AMOUNT
from budget.domain.entries import Caller
from budget.domain.errors import Invalid, NotAllowed
from budget.domain.policies import Scope
from budget.domain.records import COST_REPORTED, ESTIMATED, PARTLY_PRICED, TOTAL_DIFFERS, UNPRICED
from budget.domain.state import State


class Amounts(msgspec.Struct, frozen=True):
    """What was used and what it cost. `parts` maps part to [count, nanocents]."""

    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int
    cost: int
    parts: dict[str, list[int]]
    price_id: str | None
    flags: int
    unknown: dict[str, Any]


def measure(state: State, command: commands.RecordUsage, scope: Scope, occurred_at: int, caller: Caller) -> Amounts:
    """Split a usage into disjoint parts and price each once (P7, rule 8)."""
    price = state.configuration.price(scope.provider, scope.model, occurred_at)
    if command.usage is None:
        if command.input_tokens is None:
            raise Invalid("input_tokens", "is required unless usage is given")
        if command.output_tokens is None:
            raise Invalid("output_tokens", "is required unless usage is given")
        try:
            parts = usage.parts_from_counts(command)
        except usage.UsageError as error:
            raise Invalid(error.field, str(error)) from None
        return priced(state, parts, (command.input_tokens, command.output_tokens), price, command.cost, caller)
    return measure_raw(state, command, scope, price, caller)


def measure_raw(
    state: State, command: commands.RecordUsage, scope: Scope, price: pricing.Price | None, caller: Caller
) -> Amounts:
    raw = command.usage or {}
    name = command.usage_format or usage_formats.format_for(scope.provider or "", raw)
    if name is None or name not in usage_formats.FORMATS:
        raise Invalid("usage_format", f"say one of {', '.join(usage_formats.FORMATS)}")
    try:
        translated = usage_formats.translate(raw, name)
        parts = usage_formats.translated_parts(translated)
    except usage.UsageError as error:
        raise Invalid(error.field, str(error)) from None
    counts = translated.counts
    for field, given, said in (
        ("input_tokens", command.input_tokens, counts.input_tokens),
        ("output_tokens", command.output_tokens, counts.output_tokens),
    ):
        if given is not None and given != said:
            raise Invalid(field, f"differs from the usage object, which says {said}")
    flags = 0
    if translated.total_differs:
        flags |= TOTAL_DIFFERS
    if translated.unknown:
        flags |= PARTLY_PRICED
    if translated.estimated:
        flags |= ESTIMATED
    cost = translated.reported_cost if command.cost is None else command.cost
    return priced(
        state,
        parts,
        (counts.input_tokens, counts.output_tokens),
        price,
        cost,
        caller,
        flags,
        translated.unknown,
    )


def priced(
    state: State,
    parts: usage.Parts,
    totals: tuple[int | None, int | None],
    price: pricing.Price | None,
    reported: Decimal | None,
    caller: Caller,
    flags: int = 0,
    unknown: dict[str, Any] | None = None,
) -> Amounts:
    """Price parts at a price, or take the cost that the provider reported; unpriced without either (P6)."""
    if price is None and reported is None:
        flags |= UNPRICED
        price = state.configuration.worst_price
        if price is not None:
            flags |= ESTIMATED
    total, by_part = 0, {}
    price_id = None
    if price is not None:
        cost = pricing.cost_of(price, parts)
        total, by_part, price_id = cost.total, cost.by_part, price.price_id
        if cost.unpriced_parts:
            flags |= PARTLY_PRICED
    if reported is not None:
        flags |= COST_REPORTED
        total = reported_nanocents(reported, caller)
        by_part = _spread(total, by_part, parts)
    if not -MAX_AMOUNT <= total <= MAX_AMOUNT:
        raise Invalid("cost", "a record cannot cost more than 92 million dollars")
    pairs = {part: [count, by_part.get(part, 0)] for part, count in parts.items()}
    if reported is not None:  # may cost something where nothing was counted
        pairs |= {part: [0, amount] for part, amount in by_part.items() if part not in pairs}
    return Amounts(*totals, usage.token_total(parts), total, pairs, price_id, flags, unknown or {})


def reported_nanocents(cost: Decimal, caller: Caller) -> int:
    """A cost that the provider reported, in nanocents; below zero (a credit) only from an admin (rule 9)."""
    if not cost.is_finite() or abs(cost) > 10**9:
        raise Invalid("cost", "must be an amount in dollars below a billion")
    if cost < 0 and not caller.is_admin:
        raise NotAllowed("a credit (cost below 0) needs an admin key", field="cost")
    return money.to_nanocents(cost)


def _spread(total: int, by_part: dict[str, int], parts: usage.Parts) -> dict[str, int]:
    """Give a reported total to the parts as the price list would, so that parts still add up to it."""
    weights = {part: amount for part, amount in by_part.items() if amount > 0}
    if not weights:
        weights = {part: count for part, count in parts.items() if part in usage.TOKEN_PARTS}
    if not weights:
        return {"requests": total} if total else {}
    whole = sum(weights.values())
    spread, seen, given = {}, 0, 0
    for part, weight in weights.items():
        seen += weight
        upto = int((Decimal(total) * seen / whole).to_integral_value(ROUND_HALF_EVEN)) if seen < whole else total
        spread[part] = upto - given
        given = upto
    return {part: amount for part, amount in spread.items() if amount}
