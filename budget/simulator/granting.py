"""Grants and refusals, judged: a limit holds, nothing that fits is refused, a refusal helps (rules 4, 5, 10)."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from budget.domain import commands, instants
from budget.domain.entries import Caller
from budget.domain.errors import BudgetError, BudgetExceeded, Conflict, Invalid
from budget.domain.refusals import Refusal
from budget.simulator.calendar import bounds, clock_window
from budget.simulator.clock import DAY
from budget.simulator.model import Model
from budget.simulator.promises import Broken, agree, hold_to
from budget.simulator.things import Hold, Place, used_and_held


class Refusing(NamedTuple):
    """A hard limit that refuses, with its arithmetic."""

    policy_id: str
    window: str
    unit: str
    limit: int
    used: int
    held: int
    asked: int


def planned(model: Model, command: commands.Allocate, caller: Caller) -> Hold:
    """The hold that is asked for; it holds nothing yet."""
    provider, name = command.provider or "", command.model or ""
    price = model.price(provider, name, model.now)
    hold = Hold(
        label="",
        budget_id=command.budget_id or "",
        tier=model.tier(provider, name),
        provider=provider,
        model=name,
        component=command.component,
        task_type=command.task_type,
        user_id=command.user_id,
        key_id=caller.key_id,
        context_id=command.context_id,
        task_id=command.task_id,
        booked_at=model.now,
        price=price,
        asked=command.tokens_allocated,
        input_tokens=command.input_tokens or 0,
        max_output_tokens=command.max_output_tokens or 0,
        unpriced=price is None,
    )
    hold.places = model.places_for(hold)
    return hold


def fits(model: Model, command: commands.Allocate, caller: Caller) -> bool:
    """Whether a request must be granted."""
    hold = planned(model, command, caller)
    if _wants_a_price(model, hold, hold.price):
        return False
    return not any(refusing(model, hold.places, hold.asked, hold.cost_of(hold.asked, hold.price or model.worst)))


def refusing(model: Model, places: frozenset[Place], tokens: int, cost: int) -> Iterator[Refusing]:
    """The hard limits that a grant of so much would take used + held past (rule 5)."""
    for place in places:
        policy = model.policies[place.policy_id]
        if policy.enabled and policy.hard:
            for unit, limit, _ in policy.limits():
                used, held = used_and_held(unit, model.balance(place))
                asked = tokens if unit == "tokens" else cost
                if asked > 0 and used + held + asked > limit:
                    yield Refusing(*place, unit, limit, used, held, asked)


def _wants_a_price(model: Model, hold: Hold, price: object) -> bool:
    """Whether a hard cost limit applies to what has no price, and none is assumed (rule 8.2)."""
    if price is not None or model.worst is not None:
        return False
    met = [model.policies[place.policy_id] for place in hold.places]
    return any(policy.enabled and policy.hard and policy.stored.cost_limit is not None for policy in met)


def allocate(model: Model, command: commands.Allocate, answer: Any, error: BudgetError | None, caller: Caller) -> None:
    """Judge an allocation, and hold what was granted."""
    hold = planned(model, command, caller)
    cost = hold.cost_of(hold.asked, hold.price or model.worst)
    expires_at = instant(command.expiration_time)
    if not is_lifetime(model, expires_at):
        hold_to("P9", "a hold ends within the next 24 hours", isinstance(error, Invalid), error)
        return
    if not fits(model, command, caller):
        _agree_on_refusal(model, command, hold, refusal_in(error), caller)
        return
    agree("P2", "the answer to a request that fits", None, error)
    granted = answer.hold
    agree("P5", "the money that a hold takes", cost, granted.held_cost)
    agree("P2", "the tokens that a hold takes", hold.asked, granted.held_tokens)
    agree("P8", "the tier of a hold", hold.tier, granted.tier)
    hold_to("P11", "a hold is booked now", model.is_now(granted.created_at), granted.created_at)
    agree("P9", "when a hold ends", expires_at or granted.created_at + DAY, granted.expires_at)
    hold.id, hold.booked_at, hold.expires_at = granted.allocation_id, granted.created_at, granted.expires_at
    hold.label, hold.places = model.label(), frozenset()
    model.enter(hold)
    model.holds[hold.id] = hold
    with model.posting(hold):
        hold.tokens, hold.cost = hold.asked, cost


def increase(model: Model, command: commands.Increase, _: Any, error: BudgetError | None, __: Caller) -> None:
    """Judge a request for more on a hold, in the hold's windows."""
    hold = model.holds[command.allocation_id]
    if not hold.active or _has_ended_window(model, hold):
        hold_to("P9", "a hold that has ended, or a window of it, takes no more", isinstance(error, Conflict), error)
        return
    priced = model.price(hold.provider, hold.model, hold.booked_at)
    price = priced or model.worst
    asked = hold.asked + command.tokens
    cost = hold.cost_of(asked, price) - hold.cost_of(hold.asked, price)
    limits = set(refusing(model, hold.places, command.tokens, cost))
    if limits or _wants_a_price(model, hold, priced):
        _agree_on_limits(model, refusal_in(error), limits)
        return
    agree("P2", "the answer to an increase that fits", None, error)
    with model.posting(hold):
        hold.asked, hold.tokens, hold.cost = asked, hold.tokens + command.tokens, hold.cost + cost


def _has_ended_window(model: Model, hold: Hold) -> bool:
    met = [policy for policy in model.policies.values() if policy.enabled and not policy.keyed]
    ends = [clock_window(p.stored.period, p.zone, hold.booked_at)[1] for p in met if p.meets(hold)]
    ends += [bounds(place.window)[1] for place in hold.places for policy in met if policy.id == place.policy_id]
    return any(end <= model.now for end in ends)


def refusal_in(error: BudgetError | None) -> Refusal:
    """The refusal that a request must have got."""
    if not isinstance(error, BudgetExceeded):
        raise Broken("P2", "granted, though it does not fit", "a refusal", error)
    refusal: Refusal = error.refusal
    return refusal


# What a refusal says (P10, rule 10)


def _agree_on_refusal(model: Model, command: commands.Allocate, hold: Hold, refusal: Refusal, caller: Caller) -> None:
    unknown = _wants_a_price(model, hold, hold.price)
    cost = hold.cost_of(hold.asked, hold.price or model.worst)
    _agree_on_limits(model, refusal, set() if unknown else set(refusing(model, hold.places, hold.asked, cost)))
    agree("P6", "why it was refused", "price_unknown" if unknown else "insufficient_budget", refusal.code)
    met = [policy for policy in model.policies.values() if policy.enabled and policy.meets(hold)]
    keyless = {policy.id for policy in met if policy.window(hold) is None}
    agree("P10", "limits that do not apply", keyless, {skipped["policy_id"] for skipped in refusal.not_applied})
    _agree_on_fewer_tokens(model, command, refusal, caller)
    offered = {(offer["request"]["provider"], offer["request"]["model"]) for offer in offers(refusal, "other_model")}
    others = model.stand_ins.get((hold.provider, hold.model), ())
    fitting = {other for other in others if fits(model, _with(command, provider=other[0], model=other[1]), caller)}
    agree("P10", "other models that are offered", fitting, offered)


def _agree_on_limits(model: Model, refusal: Refusal, limits: set[Refusing]) -> None:
    named = {
        Refusing(limit.policy_id, limit.window, limit.unit, limit.limit, limit.used, limit.held, limit.asked)
        for limit in refusal.limits
    }
    windows = {limit.policy_id: limit.window for limit in limits}
    shown = {limit.policy_id: limit.window for limit in named if limit.policy_id in windows}
    agree("P11", "the windows of the limits that refuse", {key: windows[key] for key in shown}, shown)
    agree("P10", "the limits that refuse, with their arithmetic", limits, named)
    alone = all(limit.used + limit.asked <= limit.limit for limit in limits)
    agree("P10", "whether it waits for others", bool(limits) and alone, refusal.waits_for_others)
    if any(limit.asked > limit.limit for limit in limits):
        agree("P10", "whether what asks more than a limit can be tried again", expected=False, found=refusal.retryable)
    later = refusal.retryable and _keeps_its_price(model, refusal)
    agree("P10", "whether a later time is offered", later, bool(offers(refusal, "later")))


def _keeps_its_price(model: Model, refusal: Refusal) -> bool:
    """An increase is priced as its hold was; anything else as its model is priced by then."""
    named = refusal.request.get("provider", ""), refusal.request.get("model", "")
    return model.price(*named, refusal.retry_at or 0) == model.price(*named, refusal.decided_at)


def _agree_on_fewer_tokens(model: Model, command: commands.Allocate, refusal: Refusal, caller: Caller) -> None:
    """The most tokens that fit are offered: the output is cut when nothing else is left, the input never."""

    def fitting(tokens: int) -> bool:
        made = command.max_output_tokens
        made = None if made is None else min(made, tokens - (command.input_tokens or 0))
        return fits(model, _with(command, tokens_allocated=tokens, max_output_tokens=made), caller)

    asked = command.tokens_allocated
    least = max(command.min_tokens or max(-(-asked // 10), 1), command.input_tokens or 0)
    offered = [offer["request"]["tokens_allocated"] for offer in offers(refusal, "fewer_tokens")]
    if least >= asked or not fitting(least):
        agree("P10", "fewer tokens that are offered", [], offered)
        return
    agree("P10", "how often fewer tokens are offered", 1, len(offered))
    (tokens,) = offered
    hold_to("P10", "the tokens offered lie between the least and what was asked", least <= tokens < asked, tokens)
    hold_to("P10", "the tokens offered fit", fitting(tokens), tokens)
    most = tokens + 1 == asked or not fitting(tokens + 1)
    hold_to("P10", "no more tokens fit than those offered", most, tokens)


def offers(refusal: Refusal, kind: str) -> list[dict[str, Any]]:
    """The offers of one kind."""
    return [offer for offer in refusal.offers if offer["kind"] == kind]


def instant(text: str | None) -> int | None:
    """An instant in µs, as a command states it."""
    return None if text is None else instants.parse_instant(text, "UTC")


def is_lifetime(model: Model, expires_at: int | None) -> bool:
    """Whether a hold may end then (rule 4.4)."""
    return expires_at is None or model.now < expires_at <= model.now + DAY


def _with(command: commands.Allocate, **fields: Any) -> commands.Allocate:
    return msgspec.structs.replace(command, **fields)
