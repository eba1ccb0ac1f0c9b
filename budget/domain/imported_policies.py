"""Limits of older ledgers: made, or changed while nobody has touched them here; never overwritten (rule 2.3)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from budget.domain import changes, commands
from budget.domain.errors import BudgetError
from budget.domain.importing import EARLIER, IMPORTED, PRESENT
from budget.domain.policies import Opening, Policy
from budget.domain.state import State

EDITED = "it was edited here since it was imported, and is not overwritten"
OTHER = "other values of it were imported before, and stand"
CONFLICTS = (EDITED, OTHER)
"""Why a limit is left as it is; the report names each."""


class ImportedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of an older ledger; without a limit it only keeps what was said of it."""

    key: str
    policy_id: str | None = None
    """Kept where it is free."""
    type: str
    period: str
    tier: str | None = None
    provider: str | None = None
    component: str | None = None
    task_type: str | None = None
    token_limit: int | None = None
    cost_limit: Decimal | None = None
    warning_threshold: Decimal = Decimal("0.8")
    action_threshold: Decimal = Decimal("0.95")
    enabled: bool = True
    start_date: str = ""
    """As the old ledger has it; of two versions the one with the later date stands."""
    end_date: int | None = None
    metadata: dict[str, Any] = {}


class ImportPolicies(commands.Command, frozen=True, kw_only=True):
    """Take over an older ledger's limits; identities do not matter, keys do."""

    operation: ClassVar[str] = "import_policies"
    alone: ClassVar[bool] = True

    migration_id: str
    budget_id: str
    policies: tuple[ImportedPolicy, ...]


class Known(msgspec.Struct, frozen=True):
    """A policy that was imported before: as it was then, and whether that import was undone."""

    policy: Policy
    undone: bool


_COMPARED = (
    "type",
    "token_limit",
    "cost_limit",
    "warning_threshold",
    "action_threshold",
    "enabled",
    "end_date",
)
_SCOPE = ("period", "tier", "provider", "component", "task_type")


def plan(
    state: State, command: ImportPolicies, known: Mapping[str, Known], zone: str
) -> tuple[changes.Change, list[str], dict[str, str]]:
    """What importing these changes, what becomes of each, and the keys by the ids of those that are new."""
    change, outcomes, keys = changes.Change(), [], {}
    made: dict[str, Known] = dict(known)
    for given in command.policies:
        before = made.get(given.key)
        if before is None:
            policy = _new(state, command, given, zone)
            change.policy_versions.append(policy)
            if policy.enabled:
                change.opens.append(policy)
            keys[policy.policy_id] = given.key
            made[given.key] = Known(policy, undone=False)
            outcomes.append(IMPORTED)
        else:
            outcomes.append(_again(state, command, given, before, change))
    return change, outcomes, keys


def _new(state: State, command: ImportPolicies, given: ImportedPolicy, zone: str) -> Policy:
    taken = given.policy_id is None or given.policy_id in state.configuration.policies
    return Policy(
        policy_id=state.new_id() if taken or given.policy_id is None else given.policy_id,
        budget_id=command.budget_id,
        openings=(Opening(state.now, zone),) if given.enabled else (),
        created_at=state.now,
        updated_at=state.now,
        **{field: getattr(given, field) for field in _SCOPE},
        **_values(command, given),
    )


def _again(state: State, command: ImportPolicies, given: ImportedPolicy, before: Known, change: changes.Change) -> str:
    current = state.configuration.policies.get(before.policy.policy_id, before.policy)
    if before.undone:
        return _changed(state, command, given, current, change)
    imported = before.policy.metadata.get("imported", {})
    if _equals(current, given):
        return EARLIER if imported.get("migration") == command.migration_id else PRESENT
    if not _equals(current, before.policy):
        return EDITED
    if given.start_date <= imported.get("start_date", ""):
        return OTHER
    return _changed(state, command, given, current, change)


def _changed(
    state: State, command: ImportPolicies, given: ImportedPolicy, current: Policy, change: changes.Change
) -> str:
    try:
        made = changes.changed_policy(state.configuration, current, _values(command, given), state.now)
    except BudgetError as error:
        return error.message
    change.policy_versions.extend(made.policy_versions)
    change.opens.extend(made.opens)
    return IMPORTED


def _equals(policy: Policy, given: ImportedPolicy | Policy) -> bool:
    return all(getattr(policy, field) == getattr(given, field) for field in _COMPARED)


def _values(command: ImportPolicies, given: ImportedPolicy) -> dict[str, Any]:
    values = {field: getattr(given, field) for field in _COMPARED}
    return values | {"metadata": {**given.metadata, "imported": _origin(command, given)}}


def _origin(command: ImportPolicies, given: ImportedPolicy) -> dict[str, Any]:
    said = given.metadata.get("imported", {})
    return {**said, "start_date": given.start_date, "migration": command.migration_id}
