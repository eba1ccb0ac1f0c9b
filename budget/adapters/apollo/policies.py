"""Apollo's policies as token policies of its budget; an id that a caller chose stands in the policy's metadata."""

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from budget.adapters.apollo import words
from budget.client import exchange
from budget.client.account import Account
from budget.client.exchange import Reply

OURS: Final = "apollo"
"""Where a policy's metadata has what Budget has no field for."""

IMPORTED: Final = "imported"
"""Where the migration says what a policy was, which later migrations look at."""

DEFAULTS: Final[Mapping[str, Mapping[str, int]]] = {
    "local_lightweight": {"hourly": 1_000_000, "daily": 10_000_000, "per_session": 8_000},
    "local_midweight": {"hourly": 500_000, "daily": 5_000_000, "per_session": 16_000},
    "remote_heavyweight": {"hourly": 100_000, "daily": 1_000_000, "per_session": 32_000},
}

_OTHER_SCOPE: Final = ("provider", "model", "user_id", "key_id")
_PLACE: Final = ("period", "tier", "component", "task_type")


class BudgetPolicy(msgspec.Struct, kw_only=True):
    """A limit in tokens, with Apollo's fields."""

    policy_id: str = msgspec.field(default_factory=exchange.new_key)
    type: str
    period: str
    tier: str
    component: str | None = None
    task_type: str | None = None
    limit: int
    warning_threshold: float = 0.8
    action_threshold: float = 0.95
    start_date: dt.datetime | str | None = None
    end_date: dt.datetime | str | None = None
    enabled: bool = True
    metadata: dict[str, Any] = {}


_FIELDS: Final = BudgetPolicy.__struct_fields__


def read(given: Any) -> BudgetPolicy:
    """A policy from ours, from a caller's own class with the same fields, or from a dict in either case of names."""
    if isinstance(given, BudgetPolicy):
        return given
    found: dict[str, Any]
    if isinstance(given, Mapping):
        names = {_camel(name): name for name in _FIELDS}
        found = {names.get(str(name), str(name)): value for name, value in given.items()}
    else:
        found = {name: getattr(given, name) for name in _FIELDS if hasattr(given, name)}
    try:
        return BudgetPolicy(**found)
    except TypeError as error:
        raise ValueError(f"this is no policy: {error}") from None


def find(account: Account, policy_id: str) -> Reply | None:
    """The policy with an id, Budget's own or the caller's."""
    return next((policy for policy in every(account) if policy_id in _ids(policy)), None)


def every(account: Account) -> Iterable[Reply]:
    """All that were not deleted."""
    for policy in account.each("list_policies"):
        is_ours = policy["token_limit"] is not None and all(policy[field] is None for field in _OTHER_SCOPE)
        if is_ours and not _own(policy).get("deleted"):
            yield policy


def shown(account: Account, policy: Reply) -> BudgetPolicy:
    """A policy with Apollo's fields."""
    own, imported = _own(policy), policy["metadata"].get(IMPORTED) or {}
    return BudgetPolicy(
        policy_id=own.get("policy_id") or policy["policy_id"],
        type=policy["type"],
        period=policy["period"],
        tier=policy["tier"],
        component=policy["component"],
        task_type=policy["task_type"],
        limit=policy["token_limit"],
        warning_threshold=float(policy["warning_threshold"]),
        action_threshold=float(policy["action_threshold"]),
        start_date=own.get("start_date") or imported.get("start_date") or account.local(policy["start_date"]),
        end_date=own.get("end_date") or (policy["end_date"] and account.local(policy["end_date"])),
        enabled=policy["enabled"],
        metadata={name: value for name, value in policy["metadata"].items() if name not in (OURS, IMPORTED)},
    )


def add(account: Account, policy: BudgetPolicy) -> BudgetPolicy:
    """Make it; one of the same tier, period, component, task type and type is replaced by it."""
    place = {
        "period": words.period(policy.period),
        "tier": words.tier(policy.tier),
        "component": policy.component or None,
        "task_type": policy.task_type or None,
    }
    return shown(account, account.call("create_policy", **place, **_rest(account, policy)))


def update(account: Account, policy_id: str, fields: Mapping[str, Any]) -> BudgetPolicy | None:
    """Change what is given. A policy never moves in Budget, so where its place changes another takes its id."""
    known = find(account, policy_id)
    if known is None:
        return None
    for name in fields:
        if name not in _FIELDS or name == "policy_id":
            raise ValueError(f"{name!r} is not a field of a policy that can be changed")
    before = shown(account, known)
    after = msgspec.structs.replace(before, **fields)
    if any(getattr(before, name) != getattr(after, name) for name in _PLACE):
        made = add(account, after)
        _delete(account, known)
        return made
    changes = _rest(account, after)
    if IMPORTED in known["metadata"]:
        changes["metadata"][IMPORTED] = known["metadata"][IMPORTED]
    return shown(account, account.ask("update_policy", policy_id=known["policy_id"], **changes))


def delete(account: Account, policy_id: str) -> BudgetPolicy | None:
    """Take it away, and give it back as it was; None where there is none."""
    known = find(account, policy_id)
    if known is None:
        return None
    _delete(account, known)
    return shown(account, known)


def make_defaults(account: Account) -> None:
    """Apollo's nine, where its budget is new; the keys see to it that this happens once."""
    for tier, limits in DEFAULTS.items():
        for period, limit in limits.items():
            place = {"type": "warn", "period": period, "tier": tier}
            key, mark = f"apollo-default-{tier}-{period}", {OURS: {"default": True}}
            account.call("create_policy", key=key, token_limit=limit, metadata=mark, **place)


def drop_defaults(account: Account) -> None:
    """Take Apollo's nine away where the migration has brought its real ones; what somebody changed is no default."""
    found = list(every(account))
    if any(IMPORTED in policy["metadata"] for policy in found):
        for policy in found:
            is_unchanged = policy["token_limit"] == DEFAULTS.get(policy["tier"], {}).get(policy["period"])
            if _own(policy).get("default") and is_unchanged:
                _delete(account, policy)


def _delete(account: Account, policy: Reply) -> None:
    metadata = {**policy["metadata"], OURS: {**_own(policy), "deleted": True}}
    account.ask("update_policy", policy_id=policy["policy_id"], enabled=False, metadata=metadata)


def _rest(account: Account, policy: BudgetPolicy) -> dict[str, Any]:
    """What of a policy may change. Apollo refused everything below 0, as Budget does at 0."""
    own = {
        "policy_id": policy.policy_id,
        "start_date": words.instant(policy.start_date),
        "end_date": words.instant(policy.end_date),
    }
    return {
        "type": words.policy_type(policy.type),
        "token_limit": max(policy.limit, 0),
        "warning_threshold": Decimal(str(policy.warning_threshold)),
        "action_threshold": Decimal(str(policy.action_threshold)),
        "enabled": policy.enabled and not account.is_past(own["end_date"]),
        "metadata": {**policy.metadata, OURS: {name: value for name, value in own.items() if value}},
    }


def _own(policy: Reply) -> dict[str, Any]:
    found: dict[str, Any] = policy["metadata"].get(OURS) or {}
    return found


def _ids(policy: Reply) -> tuple[str, str | None]:
    return policy["policy_id"], _own(policy).get("policy_id")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
