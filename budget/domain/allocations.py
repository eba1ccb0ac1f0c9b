"""The life of a hold: granted, started, extended, increased, released, expired (rule 4)."""

from typing import Any

import msgspec

from budget.domain import asking, commands, pricing, refusals
from budget.domain.balances import Lines
from budget.domain.entries import Caller, encode
from budget.domain.errors import BudgetExceeded, Conflict, Invalid, NotFound
from budget.domain.records import ESTIMATED, PROVISIONAL, UNPRICED, Hold, Record
from budget.domain.state import State


class Grant(msgspec.Struct, kw_only=True):
    """An allocation as it was granted."""

    hold: Hold
    decision_id: str
    warnings: list[str]
    offers: list[dict[str, Any]]


def allocate(state: State, command: commands.Allocate, caller: Caller) -> Grant:
    """Hold what is asked on every balance it touches, or raise `BudgetExceeded` with offers."""
    planned = state.plans.get((id(command), caller.name)) or asking.plan(
        state.configuration, command, caller, state.now
    )
    if not planned.budget.is_active:
        raise Conflict(f"budget {planned.budget.name!r} is not active", field="budget_id")
    expires_at = asking.expiry(state, command.expiration_time, planned.budget.time_zone)
    lines = state.lines(planned.posting_set, command.context_id, command.task_id)
    refusal = asking.refused(state, command, caller, planned, lines)
    if refusal is not None:
        raise BudgetExceeded(refusal)
    warnings, offers = asking.soft_warnings(state, command, caller, planned, lines)
    before = [balance.amounts for _, balance in lines.balances]
    hold = _new_hold(state, command, planned, expires_at)
    postings, _ = state.post([(lines, 0, hold.held_tokens, 0, hold.held_cost)])
    state.add_hold(hold)
    said: dict[str, Any] = {"warnings": warnings, "offers": offers} if warnings or offers else {}
    state.note(
        "held",
        hold.allocation_id,
        caller,
        of=hold,
        postings=postings,
        flags=hold.flags,
        expires_at=expires_at,
        before=before,
        price=hold.price_id,
        **said,
    )
    return Grant(hold=hold, decision_id=hold.allocation_id, warnings=warnings, offers=offers)


def _new_hold(state: State, command: commands.Allocate, planned: asking.Plan, expires_at: int) -> Hold:
    scope = planned.scope
    return Hold(
        allocation_id=state.new_id(),
        budget_id=scope.budget_id,
        context_id=command.context_id,
        task_id=command.task_id,
        component=scope.component,
        provider=scope.provider,
        model=scope.model,
        tier=scope.tier,
        task_type=scope.task_type,
        user_id=scope.user_id,
        key_id=scope.key_id,
        tags=encode(command.tags).decode() if command.tags else "{}",
        priority=command.priority,
        tokens_allocated=command.tokens_allocated,
        input_tokens=command.input_tokens,
        max_output_tokens=command.max_output_tokens,
        tokens_used=0,
        input_tokens_used=0,
        output_tokens_used=0,
        held_tokens=command.tokens_allocated,
        held_cost=planned.cost,
        estimated_cost=planned.cost,
        actual_cost=0,
        price_id=None if planned.price is None else planned.price.price_id,
        flags=planned.flags,
        state="open",
        closed_by=None,
        records=0,
        created_at=state.now,
        expires_at=expires_at,
        started_at=None,
        updated_at=state.now,
        provisional_record_id=None,
        metadata=encode(command.metadata).decode() if command.metadata else "{}",
    )


def held(state: State, allocation_id: str) -> Hold:
    """The hold of this id; `NotFound` otherwise."""
    hold = state.holds.get(allocation_id)
    if hold is None:
        raise NotFound(f"there is no allocation {allocation_id!r}", field="allocation_id")
    return hold


def _active(state: State, allocation_id: str) -> Hold:
    hold = held(state, allocation_id)
    if not hold.is_active:
        raise Conflict(f"allocation {allocation_id} is {hold.state}", state=hold.state)
    return hold


def start(state: State, command: commands.Start, caller: Caller) -> Hold:
    """The call has begun. Saying it again changes nothing."""
    hold = _active(state, command.allocation_id)
    if hold.state == "open":
        hold.state = "started"
        hold.started_at = state.now
        state.hold_changed(hold)
        _note(state, "started", hold, caller)
    return hold


def extend(state: State, command: commands.Extend, caller: Caller) -> Hold:
    """Renew a hold; its windows do not move."""
    hold = _active(state, command.allocation_id)
    zone = state.configuration.zone_of(hold.budget_id)
    hold.expires_at = asking.expiry(state, command.expiration_time, zone)
    state.hold_changed(hold)
    _note(state, "extended", hold, caller, expires_at=hold.expires_at)
    return hold


def increase(state: State, command: commands.Increase, caller: Caller) -> Hold:
    """Hold more tokens, in the hold's own windows; `Conflict` when one of them has ended."""
    hold = _active(state, command.allocation_id)
    lines = state.hold_lines(hold)
    _, ended_at = state.configuration.span(hold.scope, hold.created_at)
    if min([ended_at, *(line.end for line, _ in lines.balances)]) <= state.now:
        raise Conflict("a window of this allocation has ended; ask for a new one", state=hold.state)
    tokens = hold.tokens_allocated + command.tokens
    if tokens > commands.MAX_COUNT:
        raise Invalid("tokens", "an allocation cannot hold more than 2**53 - 1 tokens")
    cost = 0
    price = state.configuration.price(hold.provider, hold.model, hold.created_at) or state.configuration.worst_price
    if price is not None:
        before = pricing.hold_cost(price, hold.tokens_allocated, hold.input_tokens, hold.max_output_tokens)
        cost = pricing.hold_cost(price, tokens, hold.input_tokens, hold.max_output_tokens) - before
    limits = refusals.refusing_limits(lines.balances, command.tokens, cost)
    if limits or (price is None and asking.has_hard_cost_limit(lines)):
        raise BudgetExceeded(
            refusals.Refusal(
                code="insufficient_budget" if limits else "price_unknown",
                message=refusals.sentence(limits) if limits else "the model has no price: unpriced is not free",
                limits=limits,
                operation=command.operation,
                request={"tokens": command.tokens},
                as_of_seq=state.as_of_seq,
                decided_at=state.now,
                budget_id=hold.budget_id,
                component=hold.component,
                tier=hold.tier,
                estimated_cost=cost,
                estimated_tokens=command.tokens,
                offers=_smaller_increase(command, lines, hold, price, cost),
                allocation_id=hold.allocation_id,
                until=min(hold.expires_at, ended_at),
            )
        )
    before_amounts = [balance.amounts for _, balance in lines.balances]
    postings, _ = state.post([(lines, 0, command.tokens, 0, cost)])
    hold.tokens_allocated = tokens
    hold.held_tokens += command.tokens
    hold.held_cost += cost
    hold.estimated_cost += cost
    state.hold_changed(hold)
    _note(state, "increased", hold, caller, postings=postings, tokens=command.tokens, before=before_amounts)
    return hold


def _smaller_increase(
    command: commands.Increase,
    lines: Lines,
    hold: Hold,
    price: pricing.Price | None,
    cost: int,
) -> list[dict[str, Any]]:
    if price is None:
        return []
    base = pricing.hold_cost(price, hold.tokens_allocated, hold.input_tokens, hold.max_output_tokens)

    def extra(tokens: int) -> int:
        total = hold.tokens_allocated + tokens
        return pricing.hold_cost(price, total, hold.input_tokens, hold.max_output_tokens) - base

    def fits(tokens: int) -> bool:
        return not refusals.refusing_limits(lines.balances, tokens, extra(tokens))

    most = refusals.most_tokens(fits, max(-(-command.tokens // 10), 1), command.tokens)
    if most is None:
        return []
    return [{"kind": "fewer_tokens", "request": {"tokens": most}, "saving_nanocents": cost - extra(most)}]


def release(state: State, command: commands.Release, caller: Caller) -> tuple[Hold, int]:
    """Free what a hold still holds; gives the tokens freed. A started one needs `confirm_unused` (rule 4.3)."""
    hold = _active(state, command.allocation_id)
    if hold.state == "started" and not command.confirm_unused:
        raise Conflict(
            "its call has started: settle it with what was used, or send confirm_unused: true", state=hold.state
        )
    freed = hold.held_tokens
    postings = free(state, hold, "released", "release")
    _note(state, "released", hold, caller, postings=postings, tokens_released=freed, reason=command.reason)
    return hold, freed


def free(state: State, hold: Hold, final_state: str, closed_by: str) -> str:
    """Take what a hold still holds off every balance that contains it."""
    postings, _ = state.post([(state.hold_lines(hold), 0, -hold.held_tokens, 0, -hold.held_cost)])
    hold.held_tokens = hold.held_cost = 0
    hold.state = final_state
    hold.closed_by = closed_by
    state.hold_changed(hold)
    return postings


def expire(state: State, hold: Hold, caller: Caller) -> None:
    """End a hold that is due: free it, or, when its call started and nothing was drawn, charge it provisionally."""
    if hold.state == "started" and hold.records == 0:
        _charge_provisionally(state, hold, caller)
        return
    postings = free(state, hold, "expired", "expiry")
    _note(state, "expired", hold, caller, postings=postings)


def _charge_provisionally(state: State, hold: Hold, caller: Caller) -> None:
    tokens, cost = hold.held_tokens, hold.held_cost
    hour_start, day_start = state.buckets(hold.budget_id, hold.created_at)
    parts = {"other": [tokens, cost], "requests": [1, 0]}
    record = Record(
        seq=state.next_seq,
        record_id=state.new_id(),
        allocation_id=hold.allocation_id,
        budget_id=hold.budget_id,
        context_id=hold.context_id,
        task_id=hold.task_id,
        component=hold.component,
        provider=hold.provider,
        model=hold.model,
        tier=hold.tier,
        task_type=hold.task_type,
        user_id=hold.user_id,
        key_id=hold.key_id,
        tags=hold.tags,
        input_tokens=None,
        output_tokens=None,
        total_tokens=tokens,
        cost=cost,
        parts=encode(parts).decode(),
        price_id=hold.price_id,
        flags=PROVISIONAL | ESTIMATED | (hold.flags & UNPRICED),
        occurred_at=hold.created_at,
        recorded_at=state.now,
        booked_at=hold.created_at,
        hour_start=hour_start,
        day_start=day_start,
    )
    held_lines, used_lines = state.hold_lines(hold), state.record_lines(record)
    if held_lines is used_lines:
        moved = [(used_lines, tokens, -tokens, cost, -cost)]
    else:
        moved = [(held_lines, 0, -tokens, 0, -cost), (used_lines, tokens, 0, cost, 0)]
    postings, over = state.post(moved)
    record.flags |= over
    rollups = state.rollups.add(record, 1, parts)
    hold.held_tokens = hold.held_cost = 0
    hold.state = "provisional"
    hold.closed_by = "expiry"
    hold.provisional_record_id = record.record_id
    state.hold_changed(hold)
    state.add_record(record)
    _note(
        state,
        "provisional",
        hold,
        caller,
        postings=postings,
        rollups=f"[{rollups}]",
        flags=record.flags,
        record_id=record.record_id,
    )


def _note(state: State, kind: str, hold: Hold, caller: Caller, **more: Any) -> None:
    """The entry of something that happened to a hold: it carries the hold as it is now, which is the answer."""
    state.note(kind, hold.allocation_id, caller, of=hold, **more, hold=hold)
