"""Rhetor's limits as cost policies of its budget: one for each period and provider, off where there is no limit."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from budget.adapters.rhetor import words
from budget.client.account import Account
from budget.client.exchange import Reply

ENFORCEMENT: Final = "rhetor_enforcement"
"""The policy that was asked for, in the metadata of a limit on all providers that shall only warn."""

_OTHER_SCOPE: Final = ("tier", "model", "component", "task_type", "user_id", "key_id")


def current(account: Account, period: str, provider: str | None) -> Reply | None:
    """The limit of a period for a provider, or for all of them."""
    return _first(_of(account, period, provider))


def amount(policy: Mapping[str, Any] | None) -> float:
    """What a policy allows, 0 where it limits nothing."""
    return words.number(policy["cost_limit"]) if policy is not None and policy["enabled"] else 0.0


def enforcement(policy: Mapping[str, Any]) -> str:
    """What Rhetor calls it."""
    asked = policy["metadata"].get(ENFORCEMENT) if policy["type"] == "warn" else None
    return asked or words.enforcement(policy["type"])


def put(
    account: Account, period: str, provider: str | None, asked: str, limit: Decimal, *, only_warn: bool = False
) -> Reply:
    """Set the limit of a period and provider; 0 or less is none, and keeps what shall be done at a later one."""
    kind = words.policy_type(asked)
    metadata: dict[str, Any] = {}
    if only_warn and provider is None and kind == "hard_limit":
        kind, metadata = "warn", {ENFORCEMENT: asked}
    same = _of(account, period, provider)
    keeper = _first([policy for policy in same if policy["type"] == kind]) or _first(same)
    if keeper is None:
        fields: dict[str, Any] = {"period": period, "provider": provider, "type": kind, "metadata": metadata}
        made: Reply = account.call("create_policy", cost_limit=max(limit, Decimal(0)), enabled=limit > 0, **fields)
        return made
    kept = {name: value for name, value in keeper["metadata"].items() if name != ENFORCEMENT}
    changed: Reply = account.ask(
        "update_policy",
        policy_id=keeper["policy_id"],
        type=kind,
        cost_limit=limit if limit > 0 else None,
        enabled=limit > 0,
        metadata={**kept, **metadata},
    )
    for other in same:
        if other["enabled"] and other["policy_id"] != keeper["policy_id"]:
            account.ask("delete_policy", policy_id=other["policy_id"])
    return changed


def settings(account: Account) -> dict[str, list[dict[str, Any]]]:
    """The limit of each provider, by period."""
    found: dict[str, dict[str | None, list[Reply]]] = {period.value: {} for period in words.BudgetPeriod}
    for each in account.each("list_policies"):
        if each["period"] in found and _is_ours(each):
            found[each["period"]].setdefault(each["provider"], []).append(each)
    return {
        period: [_row(account, policy) for same in by_provider.values() if (policy := _first(same)) is not None]
        for period, by_provider in found.items()
    }


def _row(account: Account, policy: Reply) -> dict[str, Any]:
    return {
        "id": policy["policy_id"],
        "provider": policy["provider"] or words.ALL,
        "limit_amount": amount(policy),
        "enforcement": enforcement(policy),
        "start_date": account.local_text(policy["start_date"]),
    }


def _of(account: Account, period: str, provider: str | None) -> list[Reply]:
    """A limit that the migration brought may have a provider in capitals, and then stands behind ours."""
    names = (None,) if provider is None else (provider.lower(), provider)
    found = account.each("list_policies", period=period)
    same = [policy for policy in found if policy["provider"] in names and _is_ours(policy)]
    return sorted(same, key=lambda policy: names.index(policy["provider"]))


def _is_ours(policy: Mapping[str, Any]) -> bool:
    return policy["token_limit"] is None and all(policy[field] is None for field in _OTHER_SCOPE)


def _first(same: Iterable[Reply]) -> Reply | None:
    """The first one that is on, else the first; they come as they were made."""
    return min(same, key=lambda policy: not policy["enabled"], default=None)
