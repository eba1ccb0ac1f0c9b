"""Apollo's policies as token limits (contract 4.1), loosely typed ones read as they were meant, each with a note."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from budget.adapters.migration import apollo_values as read
from budget.adapters.migration.local_times import LocalTimes
from budget.adapters.migration.old_texts import with_origin
from budget.domain import vocabulary
from budget.domain.errors import Invalid
from budget.domain.imported_policies import ImportedPolicy
from budget.domain.migrations import FoundPolicy, Rejected
from budget.domain.policies import PERIODS, TIERS, TYPES

LARGEST = 2**63 - 1
DEFAULTS = {"warning_threshold": Decimal("0.8"), "action_threshold": Decimal("0.95")}
_TYPED: Mapping[str, type | tuple[type, ...]] = {
    "limit": int,
    "enabled": bool,
    "warning_threshold": (int, float),
    "action_threshold": (int, float),
}


def limit(fields: Mapping[str, Any], times: LocalTimes, now: int) -> FoundPolicy:
    """One policy; `ValueError` for one that Apollo would not have loaded either."""
    policy_id = read.required(fields, "policy_id")
    kind = _word(fields, "type", vocabulary.policy_type, TYPES)
    period = _word(fields, "period", vocabulary.period, PERIODS)
    tier = _word(fields, "tier", vocabulary.tier, TIERS)
    component, task_type = read.optional(fields, "component"), read.optional(fields, "task_type")
    notes = [
        f"{name} was stored as {fields[name]!r:.40}"
        for name, wanted in _TYPED.items()
        if name in fields and not isinstance(fields[name], wanted)
    ]
    notes += [
        f"{name} was stored as {fields[name]!r:.40}"
        for name, found in (("type", kind), ("period", period), ("tier", tier))
        if fields[name] != found
    ]
    tokens = _limit(fields, notes)
    thresholds = {name: _threshold(fields, name, policy_id, notes) for name in DEFAULTS}
    end_date = _end(fields, times)
    enabled = read.truth(fields, "enabled", default=True)
    if end_date is not None and end_date <= now and enabled:
        enabled = False
        notes.append(f"it ended at {fields['end_date']}: imported, and switched off")
    elif end_date is not None and enabled:
        notes.append(f"it ends at {fields['end_date']}: it is switched off within the hour after")
    never = _never_enforced(period, component, task_type)
    if kind == "hard_limit" and enabled:
        notes.append(never or "whether Apollo enforced it depends on its version and Python's; Budget does")
    shown = {name: fields.get(name) for name in ("policy_id", "type", "period", "tier", "component", "task_type")}
    shown |= {name: fields.get(name) for name in ("limit", "enabled", "start_date", "end_date", *DEFAULTS)}
    kept, _ = with_origin(json.dumps(fields.get("metadata") or {}), {"origin": "apollo", "id": policy_id})
    policy = ImportedPolicy(
        key=read.key("policy", policy_id),
        policy_id=policy_id if len(policy_id) <= 200 and "\x00" not in policy_id else None,  # noqa: PLR2004 -- as all ids
        type=kind,
        period=period,
        tier=tier,
        component=component,
        task_type=task_type,
        token_limit=tokens,
        enabled=enabled,
        start_date=str(fields.get("start_date") or ""),
        end_date=end_date,
        metadata=json.loads(kept),
        warning_threshold=thresholds["warning_threshold"],
        action_threshold=thresholds["action_threshold"],
    )
    return FoundPolicy(policy=policy, shown=shown, enforced=kind == "hard_limit" and never is None, notes=tuple(notes))


def notes_on(found: Sequence[FoundPolicy | Rejected]) -> Iterator[str]:
    """What the file as a whole says."""
    if len(found) == 9 and all(isinstance(each, FoundPolicy) and _is_default(each.policy) for each in found):  # noqa: PLR2004 -- Apollo's own
        yield "just Apollo's nine default policies: it also wrote those over a file that it could not read"


def _word(fields: Mapping[str, Any], name: str, canonical: Any, words: Sequence[str]) -> str:
    value = read.required(fields, name)
    try:
        found: str = canonical(value)
    except Invalid:
        raise ValueError(f"{name} is {value!r:.40}, none of {', '.join(words)}") from None
    return found


def _limit(fields: Mapping[str, Any], notes: list[str]) -> int:
    tokens = read.whole(fields, "limit")
    if tokens < 0:
        notes.append(f"its limit was {tokens}, below 0: it becomes 0, which allows nothing")
    if tokens > LARGEST:
        notes.append(f"its limit was {tokens:.3e}: more than anyone can use")
    return min(max(tokens, 0), LARGEST)


def _threshold(fields: Mapping[str, Any], name: str, policy_id: str, notes: list[str]) -> Decimal:
    if fields.get(name) is None:
        return DEFAULTS[name]
    found = read.number(fields, name)
    if found is not None and 0 <= found <= 1:
        return Decimal(repr(found))
    if found is not None and 1 < found <= 100:  # noqa: PLR2004 -- a percentage
        notes.append(f"{name} of {policy_id} was {fields[name]}: read as a percentage")
        return vocabulary.threshold(Decimal(repr(found)), name)
    notes.append(f"{name} of {policy_id} was {fields[name]!r:.40}: the default {DEFAULTS[name]} stands")
    return DEFAULTS[name]


def _end(fields: Mapping[str, Any], times: LocalTimes) -> int | None:
    if fields.get("end_date") is None:
        return None
    try:
        at, _ = times.read(fields["end_date"])
    except ValueError as error:
        raise ValueError(f"end_date: {error}") from None
    return at


def _never_enforced(period: str, component: str | None, task_type: str | None) -> str | None:
    """Why Apollo cannot have enforced such a limit (contract 2.5)."""
    if period in ("per_session", "per_task"):
        return "Apollo never enforced a limit per session or task; Budget does"
    if component is None or task_type is None:
        return "Apollo never enforced a limit that leaves component or task type open; Budget does"
    return None


def _is_default(policy: ImportedPolicy) -> bool:
    sizes = _DEFAULT_SIZES.get((policy.tier or "", policy.period))
    return policy.type == "warn" and policy.token_limit == sizes and policy.component is None


_DEFAULT_SIZES = {
    ("local_lightweight", "hourly"): 1_000_000,
    ("local_lightweight", "daily"): 10_000_000,
    ("local_lightweight", "per_session"): 8_000,
    ("local_midweight", "hourly"): 500_000,
    ("local_midweight", "daily"): 5_000_000,
    ("local_midweight", "per_session"): 16_000,
    ("remote_heavyweight", "hourly"): 100_000,
    ("remote_heavyweight", "daily"): 1_000_000,
    ("remote_heavyweight", "per_session"): 32_000,
}
