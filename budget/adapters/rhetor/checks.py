"""Rhetor's check of a coming call, from Budget's verdict: the first period that refuses, or what each has left."""

from collections.abc import Iterable
from typing import Any, Final

from budget.adapters.rhetor import usage, words
from budget.client.account import Account
from budget.client.exchange import Reply


def check(account: Account, asked: dict[str, Any], input_text: str) -> tuple[bool, dict[str, Any]]:
    """Whether a call may be made, and why; nothing is held."""
    tokens, output = words.count_tokens(input_text), words.EXPECTED_OUTPUT
    verdict = account.call(
        "check_allocation", **asked, tokens_allocated=tokens + output, input_tokens=tokens, max_output_tokens=output
    )
    estimate = words.costs(verdict["cost_estimate"], tokens, output)
    limits = sorted(verdict["explanation"]["limits"], key=_order)
    if not verdict["allowed"]:
        return False, _refused(verdict, limits, estimate)
    if verdict["reason"] is not None:
        return True, {"allowed": True, "reason": "Free model", "cost_estimate": estimate}
    costs = [limit for limit in limits if limit["unit"] == "cost" and limit["limit"] > 0]
    standing = {
        period.value: _standing(account, period.value, asked["provider"], costs) for period in words.BudgetPeriod
    }
    return True, {
        "allowed": True,
        "warnings": [*_warnings(costs), *verdict["warnings"]],
        **{f"{period}_usage": used for period, (used, _) in standing.items()},
        **{f"{period}_limit": limit for period, (_, limit) in standing.items()},
        "estimated_cost": estimate["total_cost"],
        "cost_estimate": estimate,
    }


def _refused(verdict: Reply, limits: list[Reply], estimate: dict[str, Any]) -> dict[str, Any]:
    hard = [limit for limit in limits if limit["type"] == "hard_limit"]
    refusing = next((limit for limit in hard if not limit["fits"]), None)
    unpriced = refusing is None
    first = refusing or next((limit for limit in hard if limit["unit"] == "cost"), None)
    return {
        "allowed": False,
        "reason": _sentence(verdict["reason"]) if unpriced or first is None else f"{_name(first)} limit exceeded",
        "limit": 0.0 if first is None else words.number(first["limit"]),
        "usage": 0.0 if first is None else taken(first),
        "estimated_cost": estimate["total_cost"],
        "policy": words.enforcement("hard_limit"),
        "cost_estimate": estimate,
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _name(limit: Reply) -> str:
    what = "budget" if limit["unit"] == "cost" else "token budget"
    return f"{limit['period'].capitalize()} {what}"


def _warnings(costs: Iterable[Reply]) -> list[str]:
    """One for each period whose warning limit would be passed."""
    passed = {limit["period"]: limit for limit in reversed([*costs]) if limit["type"] == "warn" and not limit["fits"]}
    return [
        f"{_name(limit)} limit exceeded: ${limit['used'] + limit['held']:f} used + ${limit['asked']:f} asked, "
        f"of ${limit['limit']:f}"
        for limit in sorted(passed.values(), key=_order)
    ]


def _standing(account: Account, period: str, provider: str | None, costs: Iterable[Reply]) -> tuple[float, float]:
    """What is taken of the limit with the least left, and that limit; the provider's own usage where there is none."""
    own = [limit for limit in costs if limit["period"] == period]
    if not own:
        return words.number(usage.window(account, period, provider)["total_cost"]), 0.0
    tightest = min(own, key=lambda limit: limit["limit"] - limit["used"] - limit["held"])
    return taken(tightest), words.number(tightest["limit"])


def taken(limit: Reply) -> float:
    """What counts against a limit: what was used, and what is held for calls that run."""
    return words.number(limit["used"] + limit["held"])


_PERIODS: Final = ("hourly", "daily", "weekly", "monthly", "per_session", "per_task")


def _order(limit: Reply) -> int:
    return _PERIODS.index(limit["period"])
