"""What a call really used: book it, draw it on its hold, settle it (rules 3 and 4)."""

import copy

import msgspec

from budget.domain import commands, instants, vocabulary
from budget.domain.allocations import held
from budget.domain.balances import Posting
from budget.domain.entries import Caller, Entry, encode
from budget.domain.errors import Conflict, Invalid
from budget.domain.measuring import Amounts, measure
from budget.domain.policies import Scope
from budget.domain.records import LATE, Hold, Record, parts_of
from budget.domain.state import Place, State

AHEAD = 5 * 60 * 1_000_000
"""How far ahead of the clock a usage may say it happened (rule 3.1)."""


class Identity(msgspec.Struct, frozen=True):
    """Whose usage it is: its hold, if it draws on one, and its own fields, missing ones inherited."""

    hold: Hold | None
    budget_id: str
    scope: Scope
    context_id: str | None
    task_id: str | None


class Settled(msgspec.Struct, kw_only=True):
    """A settled hold and the record that settled it."""

    record: Record
    hold: Hold
    tokens_released: int


def identify(state: State, command: commands.RecordUsage, caller: Caller) -> Identity:
    """Find the hold and the budget of a usage; `NotFound`, or `Invalid` for what is missing or contradicts it."""
    key = (id(command), caller.name)
    known: Identity | None = state.identities.get(key)
    if known is not None and not state.new_holds and (known.hold is None or known.hold.is_active):
        return known  # nothing in this batch can have changed whose it is
    found = _identify(state, command, caller)
    state.identities[key] = found
    return found


def _identify(state: State, command: commands.RecordUsage, caller: Caller) -> Identity:
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
            return Identity(hold, budget.budget_id, *_scope(state, command, caller, hold, budget.budget_id, component))
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


def record_usage(state: State, command: commands.RecordUsage, caller: Caller) -> Record:
    """Book a usage: on its hold, which it draws down, or by itself. Never refused for a limit or a price."""
    identity = identify(state, command, caller)
    hold = identity.hold
    if hold is not None and hold.state == "provisional":  # on such a one it acts as settle (rule 4.3)
        return _settle(state, command, hold, identity, caller)
    occurred_at = moment(state, command, identity.budget_id)
    amounts = measure(state, command, identity.scope, occurred_at, caller)
    late = hold is not None and not hold.is_active
    record = new_record(state, command, identity, amounts, occurred_at, LATE if late else 0)
    drawn = hold if hold is not None and hold.is_active else None
    return _book(state, record, identity.scope, amounts, drawn, caller, close=False)


def settle(state: State, command: commands.Settle, caller: Caller) -> Settled:
    """Book what was used besides what was drawn, and end the hold; exactly once, however late (P9, rule 4.3)."""
    identity = identify(state, command, caller)
    hold = identity.hold
    if hold is None:
        raise Invalid("allocation_id", "is required")
    if hold.state == "settled" and hold.closed_by != "draw":
        raise Conflict(f"allocation {hold.allocation_id} is settled already", state=hold.state)
    held_before = hold.held_tokens
    record = _settle(state, command, hold, identity, caller)
    return Settled(record=record, hold=hold, tokens_released=max(held_before - record.total_tokens, 0))


def _settle(state: State, command: commands.RecordUsage, hold: Hold, identity: Identity, caller: Caller) -> Record:
    if hold.state == "provisional":
        charge = state.records[hold.provisional_record_id or ""]
        if charge.status == "current":
            return _replace_provisional(state, command, hold, charge, identity, caller)
    occurred_at = moment(state, command, identity.budget_id)
    amounts = measure(state, command, identity.scope, occurred_at, caller)
    late = hold.state in ("expired", "released", "provisional")
    record = new_record(state, command, identity, amounts, occurred_at, LATE if late else 0)
    return _book(state, record, identity.scope, amounts, hold, caller, close=True)


def new_record(
    state: State,
    command: commands.RecordUsage,
    identity: Identity,
    amounts: Amounts,
    occurred_at: int,
    flags: int,
) -> Record:
    """The record of a usage, booked at its hold's time when it draws on one, else when it happened."""
    hold = identity.hold
    booked_at = occurred_at if hold is None else hold.created_at
    place = state.place(identity.scope, booked_at)
    record = copy.copy(place.blank or _blank(state, identity.scope, place))
    record.seq = state.next_seq
    record.record_id = state.new_id()
    record.context_id = identity.context_id
    record.task_id = identity.task_id
    record.input_tokens = amounts.input_tokens
    record.output_tokens = amounts.output_tokens
    record.total_tokens = amounts.total_tokens
    record.cost = amounts.cost
    record.parts = encode(amounts.parts).decode()
    record.price_id = amounts.price_id
    record.flags = amounts.flags | flags
    record.occurred_at = occurred_at
    record.booked_at = booked_at
    record.request_id = command.request_id
    record.operation_id = command.operation_id
    if hold is not None:
        record.allocation_id = hold.allocation_id
        record.tags = hold.tags
    if command.tags:
        record.tags = encode(command.tags).decode()
    if command.metadata:
        record.metadata = encode(command.metadata).decode()
    if command.cost is not None:
        record.original_cost = str(command.cost)
    if amounts.unknown:
        record.unknown_usage = encode(amounts.unknown).decode()
    return record


def _blank(state: State, scope: Scope, place: Place) -> Record:
    place.blank = Record(
        seq=0,
        record_id="",
        allocation_id=None,
        context_id=None,
        task_id=None,
        input_tokens=None,
        output_tokens=None,
        total_tokens=0,
        cost=0,
        parts="{}",
        price_id=None,
        flags=0,
        occurred_at=0,
        recorded_at=state.now,
        booked_at=0,
        hour_start=place.hour_start,
        day_start=place.day_start,
        **scope._asdict(),
    )
    return place.blank


def _book(
    state: State, record: Record, scope: Scope, amounts: Amounts, hold: Hold | None, caller: Caller, *, close: bool
) -> Record:
    tokens, cost = record.total_tokens, record.cost
    place = state.place(scope, record.booked_at)
    lines = state.place_lines(place, record.context_id, record.task_id)
    data = None
    if hold is None:
        posted, over = state.post_usage(lines, tokens, cost)
    else:
        freed_tokens, freed_cost = _freed(hold, tokens, cost, close=close)
        hold_lines = state.hold_lines(hold)
        if hold_lines is lines:
            postings: list[Posting] = [(lines, tokens, -freed_tokens, cost, -freed_cost)]
        else:
            postings = [(hold_lines, 0, -freed_tokens, 0, -freed_cost), (lines, tokens, 0, cost, 0)]
        posted, over = state.post(postings, record.context_id, record.task_id)
        _draw(state, hold, amounts, freed_tokens, freed_cost, close=close)
        if close:
            data = encode({"hold": hold, "tokens_released": max(freed_tokens - tokens, 0)}).decode()
    record.flags |= over
    rollups = state.rollups.add_plain(place, record, amounts.parts)
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
    state: State, command: commands.RecordUsage, hold: Hold, record: Record, identity: Identity, caller: Caller
) -> Record:
    """The call has spoken after all: its charge gives way to what was really used, under the same record id."""
    occurred_at = moment(state, command, identity.budget_id)
    amounts = measure(state, command, identity.scope, occurred_at, caller)
    old_lines, old_parts = state.record_lines(record), parts_of(record)
    new = new_record(state, command, identity, amounts, occurred_at, 0)
    new.record_id, new.seq = record.record_id, record.seq
    new_set = state.configuration.posting_set(new.scope, new.booked_at, state.now)
    new_lines = state.lines(new_set, new.context_id, new.task_id)
    posted, over = state.post(
        [
            (old_lines, -record.total_tokens, 0, -record.cost, 0),
            (new_lines, new.total_tokens, 0, new.cost, 0),
        ],
        new.context_id,
        new.task_id,
    )
    new.flags |= over
    rollups = [state.rollups.add(record, -1, old_parts), state.rollups.add(new, 1, amounts.parts)]
    state.records[record.record_id] = new
    state.record_changed(new)
    _draw(state, hold, amounts, 0, 0, close=True)
    state.note(
        "corrected",
        record.record_id,
        caller,
        of=new,
        postings=posted,
        rollups=f"[{','.join(rollups)}]",
        flags=new.flags,
        settles=hold.allocation_id,
        record=new,
        hold=hold,
        tokens_released=0,
    )
    return new
