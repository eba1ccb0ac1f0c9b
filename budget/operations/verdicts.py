"""What a check answers: the verdict with its whole arithmetic, in our fields and in Tekton's (wire contract 11, 16)."""

from decimal import Decimal
from typing import Any

from budget.domain import commands, instants, money, policies, pricing
from budget.domain.asking import Plan, Verdict
from budget.domain.balances import Balance
from budget.domain.configuration import FOREVER, Line
from budget.engine import decisions
from budget.operations import problems, views

MOST_ALTERNATIVES = 3


def verdict_view(verdict: Verdict, command: commands.Allocate) -> dict[str, Any]:
    """The reply of POST /check."""
    plan: Plan = verdict.plan
    refusal = verdict.refusal
    refused = {} if refusal is None else problems.refusal_view(refusal)
    offers = refused.pop("offers", None) or [decisions.offer_view(offer) for offer in verdict.offers]
    free = plan.price is not None and plan.cost == 0
    return {
        "reason": "the model is free" if free else None,
        "tier": plan.scope.tier,
        "estimated_cost": money.to_dollars(plan.cost),
        "estimated_tokens": command.tokens_allocated,
        **refused,
        "allowed": verdict.allowed,
        "context_id": command.context_id,
        "budget_id": plan.scope.budget_id,
        "unpriced": plan.unpriced,
        "cost_estimate": _cost_estimate(plan, command),
        "explanation": _explanation(verdict, command),
        "remaining": [_remaining(line, balance) for line, balance in verdict.lines.balances if _is_limited(line)],
        "warnings": verdict.warnings,
        "offers": offers,
        "alternatives": [_alternative(offer) for offer in offers if offer["kind"] == "other_model"][:MOST_ALTERNATIVES],
    }


def _cost_estimate(plan: Plan, command: commands.Allocate) -> dict[str, Any]:
    """Input and output by themselves where the request says how many of each."""
    estimate: dict[str, Any] = {
        "input_tokens": command.input_tokens,
        "output_tokens": command.max_output_tokens,
        "input_cost": None,
        "output_cost": None,
        "total_cost": money.to_dollars(plan.cost),
    }
    if plan.price is not None and command.input_tokens is not None and command.max_output_tokens is not None:
        parts = {"input": command.input_tokens, "output": command.max_output_tokens}
        by_part = pricing.cost_of(plan.price, parts).by_part
        estimate["input_cost"] = money.to_dollars(by_part.get("input", 0))
        estimate["output_cost"] = money.to_dollars(by_part.get("output", 0))
    return estimate


def _explanation(verdict: Verdict, command: commands.Allocate) -> dict[str, Any]:
    plan: Plan = verdict.plan
    price = plan.price
    applied = {line.policy.policy_id for line, _ in verdict.lines.balances}
    return {
        "limits": [
            limit
            for line, balance in verdict.lines.balances
            for limit in _limits(line, balance, command.tokens_allocated, plan.cost)
        ],
        "price": None if price is None else views.price_view(price),
        "not_applied": [
            policies.not_applied(line.policy) for line in plan.posting_set.keyed if line.policy.policy_id not in applied
        ],
    }


def _limits(line: Line, balance: Balance, tokens: int, cost: int) -> list[dict[str, Any]]:
    policy = line.policy
    limits = []
    if policy.token_limit is not None:
        amounts = (policy.token_limit, balance.used_tokens, balance.held_tokens, tokens)
        limits.append(_limit(line, balance, "tokens", amounts))
    if policy.cost_limit_nanocents is not None:
        amounts = (policy.cost_limit_nanocents, balance.used_cost, balance.held_cost, cost)
        limits.append(_limit(line, balance, "cost", amounts))
    return limits


def _limit(line: Line, balance: Balance, unit: str, amounts: tuple[int, int, int, int]) -> dict[str, Any]:
    limit, used, held, asked = amounts
    shown: tuple[int | Decimal, ...] = amounts
    if unit == "cost":
        shown = tuple(money.to_dollars(amount) for amount in amounts)
    return {
        "policy_id": line.policy.policy_id,
        "version": line.policy.version,
        "type": line.policy.type,
        "period": line.policy.period,
        "window": balance.window_key,
        "window_start": instants.iso(line.start) if line.end < FOREVER else None,
        "window_end": instants.iso(line.end) if line.end < FOREVER else None,
        "unit": unit,
        **dict(zip(("limit", "used", "held", "asked"), shown, strict=True)),
        "fits": asked == 0 or used + held + asked <= limit,
    }


def _is_limited(line: Line) -> bool:
    return line.policy.token_limit is not None or line.policy.cost_limit is not None


def _remaining(line: Line, balance: Balance) -> dict[str, Any]:
    """What is left before this request: limit less used less held, below zero too (rule 9)."""
    policy = line.policy
    tokens = cost = None
    if policy.token_limit is not None:
        tokens = policy.token_limit - balance.used_tokens - balance.held_tokens
    if policy.cost_limit_nanocents is not None:
        cost = money.to_dollars(policy.cost_limit_nanocents - balance.used_cost - balance.held_cost)
    return {
        "policy_id": policy.policy_id,
        "type": policy.type,
        "window": balance.window_key,
        "tokens": tokens,
        "cost": cost,
    }


def _alternative(offer: dict[str, Any]) -> dict[str, Any]:
    request = offer["request"]
    return {"provider": request.get("provider"), "model": request.get("model"), "savings": offer.get("saving")}
