"""Rhetor's models: tiers by price, the cheaper one for a task, and the way round a limit, by Budget's prices."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from budget.adapters.rhetor import words
from budget.client.account import Account
from budget.client.errors import NotFound
from budget.client.exchange import Reply

Pair = tuple[str, str]

FREE: Final[tuple[Pair, ...]] = (("ollama", "llama3"), ("simulated", "simulated-standard"))
"""Rhetor's own free models, in its order."""

MOST_ALTERNATIVES: Final = 3

_PREFERRED: Final[Mapping[str, tuple[str, ...]]] = {"chat": ("openai", "anthropic", "ollama")}
_OTHERWISE: Final = ("anthropic", "openai", "ollama")
_THOUSAND: Final = 1000


def tiers(account: Account) -> dict[str, list[dict[str, Any]]]:
    """Every model whose price says what text in and out costs, by the price of a thousand tokens of both."""
    found: dict[str, list[dict[str, Any]]] = {"free": [], "low": [], "medium": [], "high": []}
    for price in account.ask("list_prices"):
        if {"input", "output"} <= price["rates"].keys() and price["model"] != "*":
            cost = words.number((price["input_cost_per_token"] + price["output_cost_per_token"]) * _THOUSAND)
            row = {"provider": price["provider"], "model": price["model"], "cost_per_1k_tokens": cost}
            found[_tier(cost)].append(row)
    for provider, model in FREE:
        if _is_free(account, (provider, model)) and not _has(found["free"], (provider, model)):
            found["free"].append({"provider": provider, "model": model, "cost_per_1k_tokens": 0.0})
    return found


def _tier(cost: float) -> str:
    if cost == 0:
        return "free"
    if cost < 0.01:  # noqa: PLR2004 -- Rhetor's levels, in dollars
        return "low"
    return "medium" if cost < 0.05 else "high"  # noqa: PLR2004


def cheaper(account: Account, provider: str, model: str, task_type: str) -> Pair | None:
    """The cheapest model with a lower price, of the provider that the task prefers."""
    order = _PREFERRED.get(task_type, _OTHERWISE)
    found: list[Reply] = []
    for preferred in order:
        found = recommended(account, provider, model, prefer_provider=preferred)
        if found and found[0]["provider"] == preferred:
            return found[0]["provider"], found[0]["model"]
        if preferred == "ollama" and found and _is_free(account, FREE[0]):
            return FREE[0]
    return (found[0]["provider"], found[0]["model"]) if found else None


def recommended(account: Account, provider: str, model: str, **more: Any) -> list[Reply]:
    """Cheaper models, none for a model without a price."""
    try:
        answer = account.ask(
            "recommend_models", provider=provider, model=model, **{"context_size": 1000, "output_size": 1000, **more}
        )
    except NotFound:
        return []
    items: list[Reply] = answer["items"]
    return items


def alternatives(account: Account, provider: str, model: str, estimate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Up to three cheaper models for just this call."""
    sizes = {"context_size": estimate["input_tokens"], "output_size": estimate["output_tokens"]}
    return [
        {
            "provider": item["provider"],
            "model": item["model"],
            "savings": words.number(item["savings"]),
            "savings_percent": words.number(item["savings_percent"]),
        }
        for item in recommended(account, provider, model, **sizes)[:MOST_ALTERNATIVES]
    ]


def detour(account: Account, asked: Mapping[str, Any], tokens: Mapping[str, Any]) -> tuple[str, str, list[str]]:
    """The model to take where the one asked for is refused; it never refuses."""
    routed = account.call("route_request", **asked, **tokens)
    if routed["allowed"] and routed["provider"] in _OTHERWISE:
        return routed["provider"], routed["model"], routed["warnings"]
    for provider, model in FREE:
        if _is_free(account, (provider, model)) and _allowed(
            account, {**asked, "provider": provider, "model": model}, tokens
        ):
            return provider, model, [f"Budget limit exceeded. Using the free model {model}"]
    return routed["provider"], routed["model"], routed["warnings"]


def _allowed(account: Account, asked: Mapping[str, Any], tokens: Mapping[str, Any]) -> bool:
    sizes: dict[str, Any] = {"input_tokens": tokens["input_tokens"], "max_output_tokens": tokens["output_tokens"]}
    verdict = account.call("check_allocation", **asked, **sizes, tokens_allocated=sum(tokens.values()))
    allowed: bool = verdict["allowed"]
    return allowed


def _is_free(account: Account, pair: Pair) -> bool:
    try:
        price = account.ask("get_price", provider=pair[0], model=pair[1])
    except NotFound:
        return False
    return not any(price["rates"].values())


def _has(rows: Iterable[Mapping[str, Any]], pair: Pair) -> bool:
    return any((row["provider"], row["model"]) == pair for row in rows)
