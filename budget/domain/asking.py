"""What an allocation request means, what hard limits say to it, and what would fit instead (rules 4.5, 5, 10)."""

from typing import Any, NamedTuple

import msgspec

from budget.domain import commands, instants, policies, pricing, refusals, vocabulary
from budget.domain.balances import MAX_AMOUNT, Lines
from budget.domain.budgets import Budget
from budget.domain.configuration import Configuration, PostingSet
from budget.domain.entries import Caller
from budget.domain.errors import Conflict, Invalid
from budget.domain.policies import Scope
from budget.domain.records import ESTIMATED, UNPRICED
from budget.domain.state import State

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
    applied = {line.policy.policy_id for line, _ in lines.balances}
    refusal.not_applied = [
        policies.not_applied(line.policy) for line in planned.posting_set.keyed if line.policy.policy_id not in applied
    ]
    refusal.offers = [
        *_fewer_tokens(state, command, caller, planned),
        *_other_models(state, command, caller, planned),
    ]
    return refusal


def _verdict(command: commands.Allocate, planned: Plan, lines: Lines) -> refusals.Refusal | None:
    if planned.unpriced and planned.price is None and has_hard_cost_limit(lines):
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


def has_hard_cost_limit(lines: Lines) -> bool:
    """Whether unpriced usage would be refused here (rule 8.2)."""
    return any(line.policy.type == "hard_limit" and line.policy.cost_limit is not None for line, _ in lines.balances)


def _fits(state: State, command: commands.Allocate, caller: Caller) -> Plan | None:
    """The plan of a request if it would be granted now."""
    planned = plan(state.configuration, command, caller, state.now)
    lines = state.lines(planned.posting_set, command.context_id, command.task_id)
    return planned if _verdict(command, planned, lines) is None else None


def _fewer_tokens(state: State, command: commands.Allocate, caller: Caller, planned: Plan) -> list[dict[str, Any]]:
    def fits(tokens: int) -> bool:
        return _fits(state, refusals.with_fewer_tokens(command, tokens), caller) is not None

    most = refusals.most_tokens(fits, refusals.least_tokens(command), command.tokens_allocated)
    if most is None:
        return []
    fewer = refusals.with_fewer_tokens(command, most)
    cost = plan(state.configuration, fewer, caller, state.now).cost
    return [_offer("fewer_tokens", fewer, planned.cost - cost)]


def _other_models(state: State, command: commands.Allocate, caller: Caller, planned: Plan) -> list[dict[str, Any]]:
    return [
        _offer("other_model", other, planned.cost - fitting.cost)
        for other, fitting in alternatives(state.configuration, command, caller, state.now)
        if _verdict(other, fitting, state.lines(fitting.posting_set, other.context_id, other.task_id)) is None
    ]


def alternatives(
    configuration: Configuration, command: commands.Allocate, caller: Caller, now: int
) -> list[tuple[commands.Allocate, Plan]]:
    """The equivalents of a request with what each means; those worth more than a hold can be are left out."""
    found = []
    for other in equivalents(configuration, command):
        try:
            found.append((other, plan(configuration, other, caller, now)))
        except Invalid:
            continue
    return found


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
                f"soft limit of {refusals.dollars(limit)} ({policy.period}): "
                f"{refusals.dollars(cost)} used, held and asked"
            )
    if planned.unpriced:
        held = "not known and not held" if planned.price is None else "held at the price assumed for such models"
        warnings.append(f"the model has no price: the cost of this call is {held}")
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
