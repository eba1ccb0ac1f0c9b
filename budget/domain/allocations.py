"""The life of a hold: ask, check, start, extend, increase, release, expire (rules 4 and 5)."""

from typing import Any, NamedTuple

import msgspec

from budget.domain import commands, instants, pricing, refusals, vocabulary
from budget.domain.budgets import Budget
from budget.domain.configuration import Configuration, PostingSet
from budget.domain.errors import BudgetExceeded, Conflict, Invalid, NotFound
from budget.domain.policies import Scope
from budget.domain.records import ESTIMATED, PROVISIONAL, UNPRICED, Hold, Record
from budget.domain.state import MAX_AMOUNT, Caller, Entry, Lines, State, encode

LIFETIME = 24 * 3600 * 1_000_000
"""The default and the longest life of a hold, from now (rule 4.4)."""


class Plan(NamedTuple):
    """What an allocation request means: its budget, scope, price and place, before any balance is looked at."""

    budget: Budget
    scope: Scope
    posting_set: PostingSet
    price: pricing.Price | None
    cost: int
    flags: int
    unpriced: bool


class Grant(msgspec.Struct, kw_only=True):
    """An allocation as it was granted."""

    hold: Hold
    decision_id: str
    warnings: list[str]
    offers: list[dict[str, Any]]


class Verdict(msgspec.Struct, kw_only=True):
    """What a check says: the same decision, with nothing held (rule 10.4)."""

    allowed: bool
    plan: Any
    lines: Lines
    refusal: refusals.Refusal | None
    warnings: list[str]
    offers: list[dict[str, Any]]


def plan(configuration: Configuration, command: commands.Allocate, caller: Caller, now: int) -> Plan:
    """Resolve a request; `NotFound` for an unknown budget, `Invalid` for counts that contradict each other."""
    budget = configuration.budget_of(command.budget_id, caller.budget_id, command.component)
    asked = command.tokens_allocated
    planned = (command.input_tokens or 0) + (command.max_output_tokens or 0)
    if planned > asked:
        field = "max_output_tokens" if command.max_output_tokens else "input_tokens"
        raise Invalid(field, "input_tokens and max_output_tokens may not exceed tokens_allocated together")
    if command.min_tokens is not None and command.min_tokens > asked:
        raise Invalid("min_tokens", "may not exceed tokens_allocated")
    provider = None if command.provider is None else command.provider.lower()
    tier = None if command.tier is None else vocabulary.tier(command.tier)
    scope = Scope(
        budget.budget_id,
        configuration.tier_of(command.component, provider, command.model, tier),
        provider,
        command.model,
        command.component,
        command.task_type,
        command.user_id,
        caller.key_id,
    )
    price = configuration.price(provider, command.model, now)
    flags, unpriced = 0, False
    if price is None:
        flags, unpriced, price = UNPRICED, True, configuration.worst_price
        if price is not None:
            flags |= ESTIMATED
    cost = 0
    if price is not None:
        cost = pricing.hold_cost(price, asked, command.input_tokens, command.max_output_tokens)
        if cost > MAX_AMOUNT:
            raise Invalid("tokens_allocated", "a hold cannot be worth more than 92 million dollars")
    return Plan(budget, scope, configuration.posting_set(scope, now, now), price, cost, flags, unpriced)


def allocate(state: State, command: commands.Allocate, caller: Caller) -> Grant:
    """Hold what is asked on every balance it touches, or raise `BudgetExceeded` with offers."""
    planned = plan(state.configuration, command, caller, state.now)
    if not planned.budget.is_active:
        raise Conflict(f"budget {planned.budget.name!r} is not active", field="budget_id")
    expires_at = expiry(state, command.expiration_time, planned.budget.time_zone)
    lines = state.lines(planned.posting_set, command.context_id, command.task_id)
    refusal = refused(state, command, caller, planned, lines)
    if refusal is not None:
        raise BudgetExceeded(refusal)
    warnings, offers = soft_warnings(state, command, caller, planned, lines)
    before = [balance.amounts for _, balance in lines.balances]
    hold = _new_hold(state, command, planned, expires_at)
    postings, _ = state.post(
        [(lines, 0, hold.held_tokens, 0, hold.held_cost)], state.next_entry
    )
    state.add_hold(hold)
    state.write(
        Entry(
            seq=0,
            at=state.now,
            kind="held",
            caller=caller.name,
            subject=hold.allocation_id,
            context_id=hold.context_id,
            task_id=hold.task_id,
            postings=postings,
            flags=hold.flags,
            data=encode(
                {
                    "expires_at": expires_at,
                    "before": before,
                    "price": hold.price_id,
                    **({"warnings": warnings, "offers": offers} if warnings or offers else {}),
                }
            ).decode(),
        )
    )
    return Grant(hold=hold, decision_id=hold.allocation_id, warnings=warnings, offers=offers)


def check(state: State, command: commands.Allocate, caller: Caller) -> Verdict:
    """Decide as `allocate` would, and change nothing."""
    planned = plan(state.configuration, command, caller, state.now)
    if not planned.budget.is_active:
        raise Conflict(f"budget {planned.budget.name!r} is not active", field="budget_id")
    expiry(state, command.expiration_time, planned.budget.time_zone)
    lines = state.lines(planned.posting_set, command.context_id, command.task_id)
    refusal = refused(state, command, caller, planned, lines)
    warnings, offers = soft_warnings(state, command, caller, planned, lines)
    return Verdict(
        allowed=refusal is None, plan=planned, lines=lines, refusal=refusal, warnings=warnings, offers=offers
    )


def refused(
    state: State, command: commands.Allocate, caller: Caller, planned: Plan, lines: Lines
) -> refusals.Refusal | None:
    """The refusal of a request, with the offers that would be granted now; None when it fits."""
    refusal = _verdict(command, planned, lines)
    if refusal is None:
        return None
    refusal.as_of_seq = state.as_of_seq
    refusal.decided_at = state.now
    refusal.offers = [
        *_fewer_tokens(state, command, caller, planned),
        *_other_models(state, command, caller, planned),
    ]
    return refusal


def _verdict(
    command: commands.Allocate, planned: Plan, lines: Lines
) -> refusals.Refusal | None:
    if planned.unpriced and planned.price is None and _has_hard_cost_limit(lines):
        limits: list[refusals.Limit] = []
        code = "price_unknown"
        what = f"model {command.provider}/{command.model} has no price" if command.model else "no model is named"
        message = f"{what}, and a hard cost limit applies: unpriced is not free"
    else:
        limits = refusals.refusing_limits(lines.balances, command.tokens_allocated, planned.cost)
        if not limits:
            return None
        code, message = "insufficient_budget", refusals.sentence(limits)
    return refusals.Refusal(
        code=code,
        message=message,
        limits=limits,
        operation=command.operation,
        request=refusals.request_of(command),
        budget_id=planned.scope.budget_id,
        component=command.component,
        tier=planned.scope.tier,
        estimated_cost=planned.cost,
        estimated_tokens=command.tokens_allocated,
    )


def _has_hard_cost_limit(lines: Lines) -> bool:
    return any(line.policy.type == "hard_limit" and line.policy.cost_limit is not None for line, _ in lines.balances)


def _fits(state: State, command: commands.Allocate, caller: Caller) -> Plan | None:
    """The plan of a request if it would be granted now."""
    planned = plan(state.configuration, command, caller, state.now)
    lines = state.lines(planned.posting_set, command.context_id, command.task_id)
    return planned if _verdict(command, planned, lines) is None else None


def _fewer_tokens(
    state: State, command: commands.Allocate, caller: Caller, planned: Plan
) -> list[dict[str, Any]]:
    def fits(tokens: int) -> bool:
        return _fits(state, refusals.with_fewer_tokens(command, tokens), caller) is not None

    most = refusals.most_tokens(fits, refusals.least_tokens(command), command.tokens_allocated)
    if most is None:
        return []
    fewer = refusals.with_fewer_tokens(command, most)
    cost = plan(state.configuration, fewer, caller, state.now).cost
    return [_offer("fewer_tokens", fewer, planned.cost - cost)]


def _other_models(
    state: State, command: commands.Allocate, caller: Caller, planned: Plan
) -> list[dict[str, Any]]:
    offers = []
    for other in equivalents(state.configuration, command):
        fitting = _fits(state, other, caller)
        if fitting is not None:
            offers.append(_offer("other_model", other, planned.cost - fitting.cost))
    return offers


def equivalents(configuration: Configuration, command: commands.Allocate) -> list[commands.Allocate]:
    """The same request for each model that the table says can stand in for the one asked."""
    if command.provider is None or command.model is None:
        return []
    row = configuration.table.get((command.provider.lower(), command.model.lower()))
    if row is None:
        return []
    return [
        msgspec.structs.replace(command, provider=provider, model=model, request_id=None)
        for provider, model in row.equivalents
    ]


def _offer(kind: str, command: commands.Allocate, saving: int) -> dict[str, Any]:
    return {"kind": kind, "request": refusals.request_of(command), "saving_nanocents": saving}


def soft_warnings(
    state: State, command: commands.Allocate, caller: Caller, planned: Plan, lines: Lines
) -> tuple[list[str], list[dict[str, Any]]]:
    """A soft limit never refuses: past its action threshold it warns and offers cheaper models (rule 2.9)."""
    warnings = []
    for line, balance in lines.balances:
        policy = line.policy
        if policy.type != "soft_limit":
            continue
        tokens = balance.used_tokens + balance.held_tokens + command.tokens_allocated
        cost = balance.used_cost + balance.held_cost + planned.cost
        if policy.token_limit is not None and tokens >= policy.action_threshold * policy.token_limit:
            warnings.append(
                f"soft limit of {policy.token_limit:,} tokens ({policy.period}): {tokens:,} used, held and asked"
            )
        limit = policy.cost_limit_nanocents
        if limit is not None and planned.cost > 0 and cost >= policy.action_threshold * limit:
            warnings.append(
                f"soft limit of {refusals.dollars(limit)} ({policy.period}): {refusals.dollars(cost)} used, held and asked"
            )
    if planned.unpriced:
        warnings.append("the model has no price: the cost of this call is not known and not held")
    offers = _other_models(state, command, caller, planned) if warnings else []
    return warnings, offers


def expiry(state: State, text: str | None, zone: str) -> int:
    """When a hold ends: what was asked, within 24 hours from now; `Invalid` otherwise."""
    if text is None:
        return state.now + LIFETIME
    try:
        at = instants.parse_instant(text, zone)
    except ValueError as error:
        raise Invalid("expiration_time", str(error)) from None
    if not state.now < at <= state.now + LIFETIME:
        raise Invalid("expiration_time", "must lie within the next 24 hours")
    return at


def _new_hold(state: State, command: commands.Allocate, planned: Plan, expires_at: int) -> Hold:
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
    hold.expires_at = expiry(state, command.expiration_time, zone)
    state.hold_changed(hold)
    _note(state, "extended", hold, caller, expires_at=hold.expires_at)
    return hold


def increase(state: State, command: commands.Increase, caller: Caller) -> Hold:
    """Hold more tokens, in the hold's own windows; `Conflict` when one of them has ended."""
    hold = _active(state, command.allocation_id)
    lines = state.hold_lines(hold)
    if any(line.end <= state.now for line, _ in lines.balances):
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
    if limits or (price is None and _has_hard_cost_limit(lines)):
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
            )
        )
    before_amounts = [balance.amounts for _, balance in lines.balances]
    postings, _ = state.post(
        [(lines, 0, command.tokens, 0, cost)], state.next_entry
    )
    hold.tokens_allocated = tokens
    hold.held_tokens += command.tokens
    hold.held_cost += cost
    hold.estimated_cost += cost
    state.hold_changed(hold)
    _note(state, "increased", hold, caller, postings, tokens=command.tokens, before=before_amounts)
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
    _note(state, "released", hold, caller, postings, tokens_released=freed, reason=command.reason)
    return hold, freed


def free(state: State, hold: Hold, final_state: str, closed_by: str) -> str:
    """Take what a hold still holds off every balance that contains it."""
    postings, _ = state.post(
        [(state.hold_lines(hold), 0, -hold.held_tokens, 0, -hold.held_cost)], state.next_entry
    )
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
    _note(state, "expired", hold, caller, postings)


def _charge_provisionally(state: State, hold: Hold, caller: Caller) -> None:
    tokens, cost = hold.held_tokens, hold.held_cost
    hour_start, day_start = state.buckets(hold.budget_id, hold.created_at)
    parts = {"other": [tokens, cost], "requests": [1, 0]}
    record = Record(
        seq=state.next_entry,
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
        status="current",
        occurred_at=hold.created_at,
        recorded_at=state.now,
        booked_at=hold.created_at,
        hour_start=hour_start,
        day_start=day_start,
        operation_id=None,
        request_id=None,
        corrects=None,
        corrected_by=None,
        reason=None,
        original_cost=None,
        unknown_usage=None,
        metadata="{}",
    )
    held_lines, used_lines = state.hold_lines(hold), state.record_lines(record)
    if held_lines is used_lines:
        moved = [(used_lines, tokens, -tokens, cost, -cost)]
    else:
        moved = [(held_lines, 0, -tokens, 0, -cost), (used_lines, tokens, 0, cost, 0)]
    postings, over = state.post(moved, state.next_entry)
    record.flags |= over
    rollups = state.rollup(record, 1, parts)
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
        postings,
        rollups=f"[{rollups}]",
        flags=record.flags,
        record_id=record.record_id,
    )


def _note(
    state: State,
    kind: str,
    hold: Hold,
    caller: Caller,
    postings: str = "[]",
    *,
    rollups: str = "[]",
    flags: int = 0,
    **data: Any,
) -> None:
    state.write(
        Entry(
            seq=0,
            at=state.now,
            kind=kind,
            caller=caller.name,
            subject=hold.allocation_id,
            context_id=hold.context_id,
            task_id=hold.task_id,
            postings=postings,
            rollups=rollups,
            flags=flags,
            data=encode({**data, "hold": hold}).decode(),
        )
    )
