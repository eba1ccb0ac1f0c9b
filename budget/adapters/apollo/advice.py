"""Which models suit a task and what they gave for their money: every figure is a price or a sum of records."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from budget.adapters.apollo import words
from budget.client.account import Account
from budget.client.errors import NotFound
from budget.client.exchange import Reply

MOST_MODELS: Final = 3
NEAR: Final = Decimal("0.8")
"""From which share of a limit it is near."""

_CONTEXT: Final = 4000
"""Tokens of the call by which models are compared."""

_PROVIDERS: Final = ("anthropic", "openai", "ollama")
_LOCAL: Final = ("ollama", "llama3")
_DEMANDING: Final = ("coding", "code", "analysis", "planning", "reasoning")


def guidance(
    account: Account, task_type: str, providers: list[str] | None, max_cost: float | None, tier: str | None
) -> dict[str, Any]:
    """The models to take, and why."""
    near = is_near(account)
    wanted = tier or _tier_for(task_type, near=near)
    most = None if max_cost is None else Decimal(str(max_cost))
    found: list[Reply] = []
    for item in _candidates(account, providers or _PROVIDERS, most):
        own = account.ask("get_model", provider=item["provider"], model=item["model"])["tier"]
        if own == wanted:
            found.append(_shown(item, own))
        if len(found) == MOST_MODELS:
            break
    return {
        "approaching_budget_limit": near,
        "preferred_tier": words.SHORT[wanted],
        "recommended_models": found,
        "reasoning": _reasoning(task_type, words.SHORT[wanted], found, near=near, was_asked=tier is not None),
    }


def is_near(account: Account) -> bool:
    """Whether a limit of the current windows is nearly used up."""
    limits = account.each("list_limits")
    return any(limit["ratio"] is not None and limit["ratio"] >= NEAR for limit in limits)


def efficiency(account: Account, provider: str, model: str, context_id: str | None, period: str) -> dict[str, Any]:
    """Output for each token in and each dollar, of a model in a period, or in one context of it."""
    said = {"provider": provider, "model": model, "period": period, "context_id": context_id}
    whole = account.call("break_down_usage", period=period, provider=provider, model=model, include_overlap=True)
    sums = whole if context_id is None else _of_context(account, provider, model, context_id, whole["start_date"])
    count = sums["record_count"]
    if not count:
        return {**said, "data_available": False, "message": f"{provider}/{model} was not used in this {period} window"}
    tokens_in, tokens_out = sums["total_input_tokens"], sums["total_output_tokens"]
    cost = float(sums["total_cost"])
    cheaper = _cheaper(account, provider, model, tokens_in // count, tokens_out // count)
    return {
        **said,
        "data_available": True,
        "completion_count": count,
        "total_input_tokens": tokens_in,
        "total_output_tokens": tokens_out,
        "total_tokens": sums["total_tokens"],
        "total_cost": cost,
        "effectiveness_ratio": tokens_out / tokens_in if tokens_in else None,
        "cost_efficiency": tokens_out / cost if cost else None,
        "avg_cost_per_completion": cost / count,
        "avg_tokens_per_completion": sums["total_tokens"] / count,
        "task_types": as_floats(sums["task_types"]),
        "alternatives": cheaper,
        "recommendations": [
            f"{each['provider']}/{each['model']} would cost {each['savings_percent']:.1f} % less for such calls"
            for each in cheaper
        ],
    }


def as_floats(value: Any) -> Any:
    """The same with money as floats, as these callers expect it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: as_floats(item) for name, item in value.items()}
    return [as_floats(item) for item in value] if isinstance(value, list) else value


def _candidates(account: Account, providers: Any, most: Decimal | None) -> Iterator[Reply]:
    for provider in providers:
        sizes = {"context_size": _CONTEXT, "prefer_provider": provider, "max_cost": most}
        found = account.ask("recommend_models", **sizes)
        yield from (item for item in found["items"] if item["provider"] == provider)
        if provider == _LOCAL[0]:  # its price is one for all of its models, so none is on the list
            yield {
                **account.ask("get_price", provider=provider, model=_LOCAL[1]),
                "model": _LOCAL[1],
                "estimated_cost": 0,
            }


def _shown(item: Reply, tier: str) -> dict[str, Any]:
    return {
        "provider": item["provider"],
        "model": item["model"],
        "tier": words.SHORT[tier],
        **{name: float(item[name]) for name in ("estimated_cost", "input_cost_per_token", "output_cost_per_token")},
    }


def _tier_for(task_type: str, *, near: bool) -> str:
    if task_type in _DEMANDING and not near:
        return words.Tier.REMOTE_HEAVYWEIGHT.value
    return words.Tier.LOCAL_MIDWEIGHT.value


def _reasoning(task_type: str, tier: str, found: list[Reply], *, near: bool, was_asked: bool) -> str:
    why = "as asked" if was_asked else "because a limit is nearly used up" if near else f"for {task_type!r}"
    listed = ", ".join(f"{each['provider']}/{each['model']}" for each in found) or "no priced model"
    return f"{tier} {why}: {listed}, by price"


def _of_context(account: Account, provider: str, model: str, context_id: str, start: str) -> dict[str, Any]:
    sums: dict[str, Any] = dict.fromkeys(
        ("record_count", "total_input_tokens", "total_output_tokens", "total_tokens"), 0
    )
    sums["total_cost"], sums["task_types"] = Decimal(0), {}
    for record in account.each("list_usage", provider=provider, model=model, context_id=context_id, start_date=start):
        _add(sums, record, "record_count", "total_")
        of_task = sums["task_types"].setdefault(record["task_type"], _nothing())
        _add(of_task, record, "count", "")
    return sums


def _nothing() -> dict[str, Any]:
    return {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "cost": Decimal(0), "count": 0}


def _add(sums: dict[str, Any], record: Mapping[str, Any], count: str, prefix: str) -> None:
    sums[count] += 1
    sums[f"{prefix}input_tokens"] += record["input_tokens"] or 0
    sums[f"{prefix}output_tokens"] += record["output_tokens"] or 0
    sums["total_tokens"] += record["total_tokens"]
    sums[f"{prefix}cost"] += record["total_cost"]


def _cheaper(account: Account, provider: str, model: str, tokens_in: int, tokens_out: int) -> list[dict[str, Any]]:
    try:
        found = account.ask(
            "recommend_models", provider=provider, model=model, context_size=tokens_in, output_size=tokens_out
        )
    except NotFound:
        return []
    names = ("provider", "model", "estimated_cost", "savings", "savings_percent")
    return [as_floats({name: item[name] for name in names}) for item in found["items"][:MOST_MODELS]]
