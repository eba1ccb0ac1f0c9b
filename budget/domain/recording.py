"""What a call really used: book it, draw it on its hold, settle, correct, void, and price it later (rules 3, 4, 8, 9)."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

import msgspec

from budget.domain import commands, instants, money, pricing, usage, usage_formats, vocabulary
from budget.domain.allocations import held
from budget.domain.errors import Conflict, Invalid, NotAllowed, NotFound
from budget.domain.policies import Scope
from budget.domain.records import (
    COST_REPORTED,
    ESTIMATED,
    LATE,
    PARTLY_PRICED,
    PROVISIONAL,
    TOTAL_DIFFERS,
    UNPRICED,
    Hold,
    Record,
)
from budget.domain.state import MAX_AMOUNT, Caller, Entry, Posting, State, encode, parts_of

AHEAD = 5 * 60 * 1_000_000
"""How far ahead of the clock a usage may say it happened (rule 3.1)."""

CHUNK = 1000
"""The most records that one command prices (rule 8.2)."""


class Identity(NamedTuple):
    """Whose usage it is: its hold, if it draws on one, and its own fields, missing ones inherited."""

    hold: Hold | None
    budget_id: str
    scope: Scope
    context_id: str | None
    task_id: str | None


class Amounts(NamedTuple):
    """What was used and what it cost. `parts` maps part to [count, nanocents]."""

    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int
    cost: int
    parts: dict[str, list[int]]
    price_id: str | None
    flags: int
    unknown: dict[str, Any]


class Settled(msgspec.Struct, kw_only=True):
    """A settled hold and the record that settled it."""

    record: Record
    hold: Hold
    tokens_released: int


def identify(state: State, command: commands.RecordUsage, caller: Caller) -> Identity:
    """Find the hold and the budget of a usage; `NotFound`, or `Invalid` for what is missing or contradicts it."""
    if command.allocation_id is None:
        return _identify_by_context(state, command, caller)
    hold = held(state, command.allocation_id)
    component = command.component or hold.component
    if command.budget_id is not None and command.budget_id != hold.budget_id:
        raise Invalid("budget_id", "is not the allocation's")
    return Identity(hold, hold.budget_id, *_scope(state, command, caller, hold, hold.budget_id, component))


def _identify_by_context(state: State, command: commands.RecordUsage, caller: Caller) -> Identity:
    component, context_id = command.component, command.context_id
    if component is None:
        raise Invalid("component", "is required")
    if context_id is None:
        raise Invalid("context_id", "is required without an allocation_id")
    # The fields that decide the scope of usage that stands alone; most requests of a batch share them.
    named = (
        command.budget_id,
        caller.budget_id,
        caller.key_id,
        component,
        command.provider,
        command.model,
        command.tier,
        command.task_type,
        command.user_id,
    )
    scope = state.scopes.get(named)
    if context_id in state.holds_by_context:
        budget = state.configuration.budget_of(command.budget_id, caller.budget_id, component)
        hold = state.find_context_hold(context_id, budget.budget_id, component)
        if hold is not None:
            return Identity(
                hold, budget.budget_id, *_scope(state, command, caller, hold, budget.budget_id, component)
            )
    if scope is None:
        budget = state.configuration.budget_of(command.budget_id, caller.budget_id, component)
        scope, _, _ = _scope(state, command, caller, None, budget.budget_id, component)
        state.scopes[named] = scope
    return Identity(None, scope.budget_id, scope, context_id, command.task_id or command.operation_id)


def _scope(
    state: State,
    command: commands.RecordUsage,
    caller: Caller,
    hold: Hold | None,
    budget_id: str,
    component: str,
) -> tuple[Scope, str | None, str | None]:
    provider = command.provider.lower() if command.provider is not None else None
    model, task_type, user_id = command.model, command.task_type, command.user_id
    context_id, task_id, key_id = command.context_id, command.task_id or command.operation_id, caller.key_id
    if hold is not None:
        provider = provider or hold.provider
        model = model or hold.model
        task_type = task_type or hold.task_type
        user_id = user_id or hold.user_id
        context_id = context_id or hold.context_id
        task_id = task_id or hold.task_id
        key_id = key_id or hold.key_id
    if provider is None:
        raise Invalid("provider", "is required")
    if model is None:
        raise Invalid("model", "is required")
    if hold is not None and (component, provider, model) == (hold.component, hold.provider, hold.model):
        tier = hold.tier
    else:
        asked = None if command.tier is None else vocabulary.tier(command.tier)
        tier = state.configuration.tier_of(component, provider, model, asked)
    scope = Scope(budget_id, tier, provider, model, component, task_type or "default", user_id, key_id)
    return scope, context_id, task_id


def moment(state: State, command: commands.RecordUsage, budget_id: str) -> int:
    """When a usage happened: what it says, at most five minutes ahead, else now (rule 3.1)."""
    if command.occurred_at is None:
        return state.now
    try:
        at = instants.parse_instant(command.occurred_at, state.configuration.zone_of(budget_id))
    except ValueError as error:
        raise Invalid("occurred_at", str(error)) from None
    if at > state.now + AHEAD:
        raise Invalid("occurred_at", "lies more than 5 minutes ahead")
    return at


def measure(
    state: State, command: commands.RecordUsage, scope: Scope, occurred_at: int, caller: Caller
) -> Amounts:
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
        return _priced(
            state, parts, command.input_tokens, command.output_tokens, price, command.cost, 0, {}, caller
        )
    return _measure_raw(state, command, scope, price, caller)


def _measure_raw(
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
    return _priced(
        state, parts, counts.input_tokens, counts.output_tokens, price, cost, flags, translated.unknown, caller
    )


def _priced(
    state: State,
    parts: Mapping[str, int],
    input_tokens: int | None,
    output_tokens: int | None,
    price: pricing.Price | None,
    reported: Decimal | None,
    flags: int,
    unknown: dict[str, Any],
    caller: Caller,
) -> Amounts:
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
    if abs(total) > MAX_AMOUNT:
        raise Invalid("cost", "a record cannot cost more than 92 million dollars")
    pairs = {part: [count, by_part.get(part, 0)] for part, count in parts.items()}
    for part, amount in by_part.items():
        if part not in pairs:
            pairs[part] = [0, amount]
    return Amounts(
        input_tokens, output_tokens, usage.token_total(parts), total, pairs, price_id, flags, unknown
    )


def reported_nanocents(cost: Decimal, caller: Caller) -> int:
    """A cost that the provider reported, in nanocents; below zero (a credit) only from an admin (rule 9)."""
    if not cost.is_finite() or abs(cost) > 10**9:
        raise Invalid("cost", "must be an amount in dollars below a billion")
    if cost < 0 and not caller.is_admin:
        raise NotAllowed("a credit (cost below 0) needs an admin key", field="cost")
    return money.to_nanocents(cost)


def _spread(total: int, by_part: Mapping[str, int], parts: Mapping[str, int]) -> dict[str, int]:
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


def record_usage(state: State, command: commands.RecordUsage, caller: Caller) -> Record:
    """Book a usage: on its hold, which it draws down, or by itself. Never refused for a limit or a price."""
    identity = identify(state, command, caller)
    hold = identity.hold
    if hold is not None and hold.state == "provisional":
        return _replace_provisional(state, command, hold, identity, caller)
    occurred_at = moment(state, command, identity.budget_id)
    amounts = measure(state, command, identity.scope, occurred_at, caller)
    late = hold is not None and not hold.is_active
    record = _new_record(state, command, identity, amounts, occurred_at, LATE if late else 0)
    return _book(state, record, amounts, hold if hold is not None and hold.is_active else None, caller, close=False)


def settle(state: State, command: commands.Settle, caller: Caller) -> Settled:
    """Book what was used besides what was drawn, and end the hold; exactly once, however late (P9, rule 4.3)."""
    identity = identify(state, command, caller)
    hold = identity.hold
    if hold is None:
        raise Invalid("allocation_id", "is required")
    if hold.state == "provisional":
        record = _replace_provisional(state, command, hold, identity, caller)
        return Settled(record=record, hold=hold, tokens_released=0)
    if hold.state == "settled" and hold.closed_by != "draw":
        raise Conflict(f"allocation {hold.allocation_id} is settled already", state=hold.state)
    occurred_at = moment(state, command, identity.budget_id)
    amounts = measure(state, command, identity.scope, occurred_at, caller)
    late = hold.state in ("expired", "released")
    record = _new_record(state, command, identity, amounts, occurred_at, LATE if late else 0)
    before = hold.held_tokens
    _book(state, record, amounts, hold, caller, close=True)
    return Settled(record=record, hold=hold, tokens_released=max(before - amounts.total_tokens, 0))


def _new_record(
    state: State,
    command: commands.RecordUsage,
    identity: Identity,
    amounts: Amounts,
    occurred_at: int,
    flags: int,
) -> Record:
    hold = identity.hold
    scope = identity.scope
    booked_at = occurred_at if hold is None else hold.created_at
    place = state.place(scope, booked_at)
    tags = encode(command.tags).decode() if command.tags else ("{}" if hold is None else hold.tags)
    return Record(
        seq=state.next_entry,
        record_id=state.new_id(),
        allocation_id=None if hold is None else hold.allocation_id,
        budget_id=scope.budget_id,
        context_id=identity.context_id,
        task_id=identity.task_id,
        component=scope.component,
        provider=scope.provider,
        model=scope.model,
        tier=scope.tier,
        task_type=scope.task_type,
        user_id=scope.user_id,
        key_id=scope.key_id,
        tags=tags,
        input_tokens=amounts.input_tokens,
        output_tokens=amounts.output_tokens,
        total_tokens=amounts.total_tokens,
        cost=amounts.cost,
        parts=encode(amounts.parts).decode(),
        price_id=amounts.price_id,
        flags=amounts.flags | flags,
        status="current",
        occurred_at=occurred_at,
        recorded_at=state.now,
        booked_at=booked_at,
        hour_start=place.hour_start,
        day_start=place.day_start,
        operation_id=command.operation_id,
        request_id=command.request_id,
        corrects=None,
        corrected_by=None,
        reason=None,
        original_cost=None if command.cost is None else str(command.cost),
        unknown_usage=encode(amounts.unknown).decode() if amounts.unknown else None,
        metadata=encode(command.metadata).decode() if command.metadata else "{}",
    )


def _book(
    state: State, record: Record, amounts: Amounts, hold: Hold | None, caller: Caller, *, close: bool
) -> Record:
    tokens, cost = record.total_tokens, record.cost
    place = state.place(record.scope, record.booked_at)
    lines = state.place_lines(place, record.context_id, record.task_id)
    data = None
    if hold is None:
        posted, over = state.post_usage(lines, tokens, cost, state.next_entry)
    else:
        freed_tokens, freed_cost = _freed(hold, tokens, cost, close=close)
        hold_lines = state.hold_lines(hold)
        if hold_lines is lines:
            postings: list[Posting] = [(lines, tokens, -freed_tokens, cost, -freed_cost)]
        else:
            postings = [(hold_lines, 0, -freed_tokens, 0, -freed_cost), (lines, tokens, 0, cost, 0)]
        posted, over = state.post(postings, state.next_entry)
        _draw(state, hold, amounts, freed_tokens, freed_cost, close=close)
        if close:
            data = encode({"hold": hold, "tokens_released": max(freed_tokens - tokens, 0)}).decode()
    record.flags |= over
    rollups = state.add_to_rollup(place, record, amounts.parts)
    state.add_record(record)
    state.write(
        Entry(
            seq=0,
            at=state.now,
            kind="settled" if close else "used",
            caller=caller.name,
            subject=record.record_id,
            context_id=record.context_id,
            task_id=record.task_id,
            postings=posted,
            rollups=f"[{rollups}]",
            flags=record.flags,
            data=data,
        )
    )
    return record


def _freed(hold: Hold, tokens: int, cost: int, *, close: bool) -> tuple[int, int]:
    """What a draw takes off a hold: min(actual, held) per unit; everything when it closes or no token is left."""
    if close or tokens >= hold.held_tokens:
        return hold.held_tokens, hold.held_cost
    return tokens, min(max(cost, 0), hold.held_cost)


def _draw(state: State, hold: Hold, amounts: Amounts, tokens: int, cost: int, *, close: bool) -> None:
    hold.held_tokens -= tokens
    hold.held_cost -= cost
    hold.records += 1
    hold.tokens_used += amounts.total_tokens
    hold.input_tokens_used += amounts.input_tokens or 0
    hold.output_tokens_used += amounts.output_tokens or 0
    hold.actual_cost += amounts.cost
    if close:
        hold.state, hold.closed_by = "settled", "settle"
    elif hold.held_tokens == 0:
        hold.state, hold.closed_by = "settled", "draw"
    state.hold_changed(hold)


def _replace_provisional(
    state: State, command: commands.RecordUsage, hold: Hold, identity: Identity, caller: Caller
) -> Record:
    """The call has spoken after all: its charge gives way to what was really used, under the same record id."""
    record = state.records[hold.provisional_record_id or ""]
    occurred_at = moment(state, command, identity.budget_id)
    amounts = measure(state, command, identity.scope, occurred_at, caller)
    old_lines, old_parts = state.record_lines(record), parts_of(record)
    new = _new_record(state, command, identity, amounts, occurred_at, 0)
    new.record_id, new.seq, new.recorded_at = record.record_id, record.seq, record.recorded_at
    new_set = state.configuration.posting_set(new.scope, new.booked_at, state.now)
    new_lines = state.lines(new_set, new.context_id, new.task_id)
    posted, over = state.post(
        [
            (old_lines, -record.total_tokens, 0, -record.cost, 0),
            (new_lines, new.total_tokens, 0, new.cost, 0),
        ],
        state.next_entry,
    )
    new.flags |= over
    rollups = [state.rollup(record, -1, old_parts), state.rollup(new, 1, amounts.parts)]
    state.records[record.record_id] = new
    state.record_changed(new)
    _draw(state, hold, amounts, 0, 0, close=True)
    state.write(
        Entry(
            seq=0,
            at=state.now,
            kind="corrected",
            caller=caller.name,
            subject=record.record_id,
            context_id=new.context_id,
            task_id=new.task_id,
            postings=posted,
            rollups=f"[{','.join(rollups)}]",
            flags=new.flags,
            data=encode({"settles": hold.allocation_id, "record": new, "hold": hold, "tokens_released": 0}).decode(),
        )
    )
    return new


def newest(state: State, record_id: str) -> Record:
    """The record of this id if it may still be changed: `NotFound`, or `Conflict` naming the newest version."""
    record = state.records.get(record_id)
    if record is None:
        raise NotFound(f"there is no usage record {record_id!r}", field="record_id")
    if record.status == "superseded":
        raise Conflict(
            f"record {record_id} was corrected by {record.corrected_by}; correct that one",
            newest=record.corrected_by,
        )
    if record.status == "void":
        raise Conflict(f"record {record_id} is void", newest=record_id)
    return record


def void(state: State, command: commands.Void, caller: Caller) -> Record:
    """Take a record back: the same windows lose what they counted; what it drew off its hold stays off (rule 9)."""
    record = newest(state, command.record_id)
    posted, _ = state.post([_negated(state, record)], state.next_entry)
    rollup = state.rollup(record, -1, parts_of(record))
    record.status = "void"
    record.reason = command.reason
    state.record_changed(record)
    state.write(
        Entry(
            seq=0,
            at=state.now,
            kind="corrected",
            caller=caller.name,
            subject=record.record_id,
            context_id=record.context_id,
            task_id=record.task_id,
            postings=posted,
            rollups=f"[{rollup}]",
            flags=record.flags,
            data=encode({"void": True, "reason": command.reason, "record": record}).decode(),
        )
    )
    return record


def correct(state: State, command: commands.Correct, caller: Caller) -> Record:
    """Void a record and book it anew under a new id; fields not given keep their value (rule 9)."""
    old = newest(state, command.record_id)
    identity = corrected_identity(state, command, old)
    occurred_at = old.occurred_at if command.occurred_at is None else moment(state, command, old.budget_id)
    amounts = _corrected_amounts(state, command, old, identity.scope, occurred_at, caller)
    new = _new_record(state, command, identity, amounts, occurred_at, old.flags & LATE)
    _inherit(state, new, old, command)
    posted, over = state.post(
        [_negated(state, old), (state.record_lines(new), new.total_tokens, 0, new.cost, 0)], state.next_entry
    )
    new.flags |= over
    rollups = [state.rollup(old, -1, parts_of(old)), state.rollup(new, 1, amounts.parts)]
    old.status, old.corrected_by = "superseded", new.record_id
    state.record_changed(old)
    state.add_record(new)
    state.write(
        Entry(
            seq=0,
            at=state.now,
            kind="corrected",
            caller=caller.name,
            subject=new.record_id,
            context_id=new.context_id,
            task_id=new.task_id,
            postings=posted,
            rollups=f"[{','.join(rollups)}]",
            flags=new.flags,
            data=encode({"corrects": old.record_id, "reason": command.reason, "record": new}).decode(),
        )
    )
    return new


def _negated(state: State, record: Record) -> Posting:
    return (state.record_lines(record), -record.total_tokens, 0, -record.cost, 0)


def corrected_identity(state: State, command: commands.Correct, old: Record) -> Identity:
    """Whose usage a corrected record is: fields that are not given stay, and so does its place."""
    if command.budget_id is not None and command.budget_id != old.budget_id:
        raise Invalid("budget_id", "a correction stays in its budget; void it and record it anew")
    if command.allocation_id is not None and command.allocation_id != old.allocation_id:
        raise Invalid("allocation_id", "a correction stays with its allocation")
    provider = old.provider if command.provider is None else command.provider.lower()
    model = command.model or old.model
    component = command.component or old.component
    tier = old.tier
    if (provider, model, component) != (old.provider, old.model, old.component):
        tier = state.configuration.tier_of(component, provider, model, None)
    scope = Scope(
        old.budget_id,
        tier,
        provider,
        model,
        component,
        command.task_type or old.task_type,
        command.user_id or old.user_id,
        old.key_id,
    )
    context_id = command.context_id or old.context_id
    return Identity(None, old.budget_id, scope, context_id, command.task_id or command.operation_id or old.task_id)


def _corrected_amounts(
    state: State, command: commands.Correct, old: Record, scope: Scope, occurred_at: int, caller: Caller
) -> Amounts:
    same_price = (scope.provider, scope.model, occurred_at) == (old.provider, old.model, old.occurred_at)
    counted = command.usage is not None or command.input_tokens is not None or command.output_tokens is not None
    if not counted:
        given = {name: getattr(command, name) for name in _PART_FIELDS if _is_given(command, name)}
        command = msgspec.structs.replace(command, **{**_counts_of(old), **given})
    elif command.usage is None:
        command = msgspec.structs.replace(
            command,
            input_tokens=old.input_tokens if command.input_tokens is None else command.input_tokens,
            output_tokens=old.output_tokens if command.output_tokens is None else command.output_tokens,
        )
    price = state.configuration.price(scope.provider, scope.model, occurred_at)
    if same_price and old.price_id is not None:
        price = state.facts.get("price:" + old.price_id, price)
    cost = command.cost
    if cost is None and old.flags & COST_REPORTED and not counted:
        cost = money.to_dollars(old.cost)
    if command.usage is not None:
        return _measure_raw(state, command, scope, price, caller)
    try:
        parts = usage.parts_from_counts(command)
    except usage.UsageError as error:
        raise Invalid(error.field, str(error)) from None
    if not counted and (other := parts_of(old).get("other", [0, 0])[0]):
        parts["other"] = other
    return _priced(state, parts, command.input_tokens, command.output_tokens, price, cost, 0, {}, caller)


_PART_FIELDS = (
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "input_video_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "images",
    "seconds",
    "pages",
    "web_searches",
    "requests",
)


def _is_given(command: commands.Correct, name: str) -> bool:
    return bool(getattr(command, name) != (1 if name == "requests" else 0))


def _counts_of(record: Record) -> dict[str, Any]:
    """A record's counts as the fields of a usage request."""
    parts = {part: count for part, (count, _) in parts_of(record).items()}
    counts: dict[str, Any] = {"input_tokens": record.input_tokens, "output_tokens": record.output_tokens}
    for name in _PART_FIELDS:
        part = name.removesuffix("_tokens")
        counts[name] = parts.get(part, 0)
    counts["seconds"] = Decimal(parts.get("milliseconds", 0)) / 1000
    return counts


def _inherit(state: State, new: Record, old: Record, command: commands.Correct) -> None:
    new.corrects = old.record_id
    new.reason = command.reason
    new.allocation_id = old.allocation_id
    if command.occurred_at is None:
        new.booked_at = old.booked_at
        new.hour_start, new.day_start = old.hour_start, old.day_start
    new.operation_id = command.operation_id or old.operation_id
    new.request_id = command.request_id or old.request_id
    if not command.tags:
        new.tags = old.tags
    if not command.metadata:
        new.metadata = old.metadata
    new.user_id = new.user_id or old.user_id


def price_usage(state: State, command: commands.PriceUsage, caller: Caller) -> int:
    """Price what was booked without a price, by correcting entries; gives how many (P6, rule 8.2)."""
    priced = 0
    for record in list(state.facts.get("unpriced", ())):
        price = state.configuration.price(record.provider, record.model, record.occurred_at)
        if price is None or record.status != "current" or not record.flags & UNPRICED:
            continue
        _price(state, record, price, caller)
        priced += 1
    return priced


def _price(state: State, record: Record, price: pricing.Price, caller: Caller) -> None:
    old_parts = parts_of(record)
    cost = pricing.cost_of(price, {part: count for part, (count, _) in old_parts.items() if count})
    if cost.total > MAX_AMOUNT:
        return
    parts = {part: [count, cost.by_part.get(part, 0)] for part, (count, _) in old_parts.items()}
    posted, over = state.post(
        [(state.record_lines(record), 0, 0, cost.total - record.cost, 0)], state.next_entry
    )
    taken = state.rollup(record, -1, old_parts)
    record.cost = cost.total
    record.parts = encode(parts).decode()
    record.price_id = price.price_id
    record.flags &= ~(UNPRICED | (0 if record.flags & PROVISIONAL else ESTIMATED))
    record.flags |= over | (PARTLY_PRICED if cost.unpriced_parts else 0)
    given = state.rollup(record, 1, parts)
    state.record_changed(record)
    state.write(
        Entry(
            seq=0,
            at=state.now,
            kind="priced",
            caller=caller.name,
            subject=record.record_id,
            idempotency_key=f"system\x1fprice\x1f{record.record_id}:{price.price_id}",
            context_id=record.context_id,
            task_id=record.task_id,
            postings=posted,
            rollups=f"[{taken},{given}]",
            flags=record.flags,
            data=encode({"price": price.price_id, "cost": record.cost}).decode(),
        )
    )
