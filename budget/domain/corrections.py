"""Taking a record back, replacing it, pricing it when a price comes: always by entries that correct (rules 8.2, 9)."""

from decimal import Decimal
from typing import Any

import msgspec

from budget.domain import commands, measuring, money, pricing, recording, usage
from budget.domain.balances import MAX_AMOUNT, Posting
from budget.domain.entries import SYSTEM, Caller, Entry, encode
from budget.domain.errors import Conflict, Invalid, NotFound
from budget.domain.policies import Scope
from budget.domain.records import (
    COST_REPORTED,
    ESTIMATED,
    LATE,
    PARTLY_PRICED,
    PROVISIONAL,
    TOTAL_DIFFERS,
    UNPRICED,
    Record,
    parts_of,
)
from budget.domain.state import State

CHUNK = 1000
"""The most records that one command prices (rule 8.2)."""


def newest(state: State, record_id: str) -> Record:
    """The record of this id if it may be changed: `NotFound`, or `Conflict` naming the newest version.

    A provisional charge is replaced by settling its allocation, which alone knows what the call really used (rule 4.3).
    """
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
    if record.flags & PROVISIONAL:
        raise Conflict(
            f"record {record_id} is a provisional charge; settle its allocation {record.allocation_id} instead",
            allocation_id=record.allocation_id,
        )
    return record


def void(state: State, command: commands.Void, caller: Caller) -> Record:
    """Take a record back: the same windows lose what they counted; what it drew off its hold stays off (rule 9)."""
    record = newest(state, command.record_id)
    posted, _ = state.post([_negated(state, record)])
    rollup = state.rollups.add(record, -1, parts_of(record))
    record.status = "void"
    record.reason = command.reason
    state.record_changed(record)
    state.note(
        "corrected",
        record.record_id,
        caller,
        of=record,
        postings=posted,
        rollups=f"[{rollup}]",
        flags=record.flags,
        void=True,
        reason=command.reason,
        record=record,
    )
    return record


def correct(state: State, command: commands.Correct, caller: Caller) -> Record:
    """Void a record and book it anew under a new id; fields not given keep their value (rule 9)."""
    old = newest(state, command.record_id)
    identity = corrected_identity(state, command, old)
    occurred_at = old.occurred_at if command.occurred_at is None else recording.moment(state, command, old.budget_id)
    amounts = _corrected_amounts(state, command, old, identity.scope, occurred_at, caller)
    new = recording.new_record(state, command, identity, amounts, occurred_at, old.flags & LATE)
    _inherit(new, old, command)
    posted, over = state.post(
        [_negated(state, old), (state.record_lines(new), new.total_tokens, 0, new.cost, 0)], new.context_id, new.task_id
    )
    new.flags |= over
    rollups = [state.rollups.add(old, -1, parts_of(old)), state.rollups.add(new, 1, amounts.parts)]
    old.status, old.corrected_by = "superseded", new.record_id
    state.record_changed(old)
    state.add_record(new)
    state.note(
        "corrected",
        new.record_id,
        caller,
        of=new,
        postings=posted,
        rollups=f"[{','.join(rollups)}]",
        flags=new.flags,
        corrects=old.record_id,
        reason=command.reason,
        record=new,
    )
    return new


def _negated(state: State, record: Record) -> Posting:
    return (state.record_lines(record), -record.total_tokens, 0, -record.cost, 0)


def corrected_identity(state: State, command: commands.Correct, old: Record) -> recording.Identity:
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
    return recording.Identity(
        None, old.budget_id, scope, context_id, command.task_id or command.operation_id or old.task_id
    )


def _corrected_amounts(
    state: State, command: commands.Correct, old: Record, scope: Scope, occurred_at: int, caller: Caller
) -> measuring.Amounts:
    """What a corrected record amounts to: `usage` says everything anew, other fields only what they name."""
    price = state.configuration.price(scope.provider, scope.model, occurred_at)
    same_price = (scope.provider, scope.model, occurred_at) == (old.provider, old.model, old.occurred_at)
    if same_price and old.price_id is not None:
        price = state.facts.get("price:" + old.price_id, price)
    if command.usage is not None:
        return measuring.measure_raw(state, command, scope, price, caller)
    given = {name: getattr(command, name) for name in _COUNT_FIELDS if _is_given(command, name)}
    command = msgspec.structs.replace(command, **{**_counts_of(old), **given})
    try:
        parts = usage.parts_from_counts(command)
    except usage.UsageError as error:
        raise Invalid(error.field, str(error)) from None
    totals = command.input_tokens, command.output_tokens
    if other := _other_tokens(old, totals):
        parts["other"] = other
    flags = old.flags & TOTAL_DIFFERS
    if old.unknown_usage is not None:
        flags |= PARTLY_PRICED
    if not old.flags & UNPRICED and not {"input_tokens", "output_tokens"} <= given.keys():
        flags |= old.flags & ESTIMATED
    cost = command.cost
    if cost is None and old.flags & COST_REPORTED:  # a reported cost outranks what we would compute (P8)
        cost, caller = money.to_dollars(old.cost), SYSTEM  # a credit that is kept needs no admin again
    return measuring.priced(state, parts, totals, price, cost, caller, flags)


def _other_tokens(old: Record, totals: tuple[int | None, int | None]) -> int:
    """The tokens that no part holds: as they were, less what is now known to be input or output."""
    other: int = parts_of(old).get("other", [0, 0])[0]
    before = (old.input_tokens, old.output_tokens)
    if None not in before:
        return other
    if None not in totals:
        return 0
    return max(other - sum(now or 0 for was, now in zip(before, totals, strict=True) if was is None), 0)


_COUNT_FIELDS = (
    "input_tokens",
    "output_tokens",
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


_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(commands.Correct)}


def _is_given(command: commands.Correct, name: str) -> bool:
    return bool(getattr(command, name) != _DEFAULTS[name])


def _counts_of(record: Record) -> dict[str, Any]:
    """A record's counts as the fields of a usage request."""
    parts = {part: count for part, (count, _) in parts_of(record).items()}
    counts: dict[str, Any] = {name: parts.get(name.removesuffix("_tokens"), 0) for name in _COUNT_FIELDS}
    counts["input_tokens"], counts["output_tokens"] = record.input_tokens, record.output_tokens
    counts["seconds"] = Decimal(parts.get("milliseconds", 0)) / 1000
    return counts


def _inherit(new: Record, old: Record, command: commands.Correct) -> None:
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
    if command.usage is None:
        new.unknown_usage = old.unknown_usage
        if command.cost is None:
            new.original_cost = old.original_cost


def price_usage(state: State, caller: Caller) -> int:
    """Price what was booked without a price, by correcting entries; gives how many (P6, rule 8.2)."""
    priced = 0
    for record in list(state.facts.get("unpriced", ())):
        price = state.configuration.price(record.provider, record.model, record.occurred_at)
        if price is None or record.status != "current" or not record.flags & UNPRICED:
            continue
        price_record(state, record, price, caller)
        priced += 1
    return priced


def cost_of(price: pricing.Price, record: Record) -> pricing.Cost:
    """What a record costs at a price."""
    return pricing.cost_of(price, {part: count for part, (count, _) in parts_of(record).items() if count})


def price_record(state: State, record: Record, price: pricing.Price, caller: Caller) -> None:
    """Give a record the cost at a price, by an entry that corrects it; one that a sum cannot hold stays as it is."""
    old_parts = parts_of(record)
    cost = cost_of(price, record)
    if cost.total > MAX_AMOUNT:
        return
    parts = {part: [count, cost.by_part.get(part, 0)] for part, (count, _) in old_parts.items()}
    before = {} if record.price_id is None else {"before": {"price": record.price_id, "cost": record.cost}}
    posted, over = state.post([(state.record_lines(record), 0, 0, cost.total - record.cost, 0)])
    taken = state.rollups.add(record, -1, old_parts)
    record.cost = cost.total
    record.parts = encode(parts).decode()
    record.price_id = price.price_id
    record.flags &= ~(UNPRICED | (0 if record.flags & PROVISIONAL else ESTIMATED))
    record.flags |= over | (PARTLY_PRICED if cost.unpriced_parts else 0)
    given = state.rollups.add(record, 1, parts)
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
            data=encode({"price": price.price_id, "cost": record.cost, **before}).decode(),
        )
    )
