"""The commands of a migration: begun, booked part by part, finished, taken back; each alone in its batch."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from budget.domain import allocations, changes, commands, corrections, imported_policies, importing
from budget.domain.entries import Caller
from budget.domain.errors import Conflict, NotFound
from budget.domain.imported_policies import ImportPolicies, Known
from budget.domain.importing import Claims, ImportHolds, ImportUsage
from budget.domain.migrations import (
    BUDGETS,
    BeginMigration,
    BeginUndo,
    FinishMigration,
    Migration,
    UndoImports,
)
from budget.domain.policies import Policy
from budget.domain.records import Record
from budget.domain.state import State
from budget.engine import administration
from budget.engine.loading import Touched, load_balances, touch_scope
from budget.storage import holdings, migrations
from budget.storage.database import Connection

UNDONE_AT_ONCE = 1000


def _begin(connection: Connection, state: State, command: BeginMigration, caller: Caller) -> Migration:
    for other in migrations.in_state(connection, ("running", "undoing")):
        if other.kind == command.kind and other.state == "undoing":
            raise Conflict(f"migration {other.migration_id} is being taken back; finish that first")
        if other.kind == command.kind and other.request == command.request:
            _note(state, other.migration_id, caller, "resumed")
            return other
    migration_id = state.new_id()
    _note(state, migration_id, caller, "running")  # first, because a key stands on a command's first entry
    budget_id = _budget_id(connection, state, command, caller)
    now, seq = state.now, state.head_seq
    migration = Migration(migration_id, command.kind, "running", command.request, budget_id, seq, now)
    migrations.save(connection, migration)
    return migration


def _budget_id(connection: Connection, state: State, command: BeginMigration, caller: Caller) -> str:
    budget = budget_for(state.configuration.budgets.values(), command.kind)
    if budget is None:
        wanted = commands.CreateBudget(
            name=BUDGETS[command.kind],
            time_zone=command.time_zone,
            default_policies=False,
            metadata={"imported": {"origin": command.kind}},
        )
        budget = administration.carry_out(connection, state, changes.create_budget(state, wanted), caller)
    elif "imported" not in budget.metadata:  # the adapters made it
        marked = commands.UpdateBudget(
            budget_id=budget.budget_id, metadata={**budget.metadata, "imported": {"origin": command.kind}}
        )
        administration.carry_out(connection, state, changes.update_budget(state, marked), caller)
    budget_id: str = budget.budget_id
    return budget_id


def budget_for(budgets: Iterable[Any], kind: str) -> Any:
    """The budget that holds what came from one kind of ledger: by its name, or by what it was made for."""
    fitting = [
        budget
        for budget in budgets
        if budget.name == BUDGETS[kind] or budget.metadata.get("imported") == {"origin": kind}
    ]
    return min(fitting, key=lambda budget: (not budget.is_active, budget.created_at), default=None)


def _note(state: State, migration_id: str, caller: Caller, stands: str) -> None:
    state.note("imported", migration_id, caller, migration=migration_id, source="", state=stands)


def _found(connection: Connection, migration_id: str) -> Migration:
    migration = migrations.find(connection, migration_id)
    if migration is None:
        raise NotFound(f"there is no migration {migration_id!r}", field="migration_id")
    return migration


def _running(connection: Connection, migration_id: str) -> Migration:
    migration = _found(connection, migration_id)
    if migration.state != "running":
        raise Conflict(f"migration {migration_id} is {migration.state}", state=migration.state)
    return migration


def _import_usage(connection: Connection, state: State, command: ImportUsage, caller: Caller) -> list[str]:
    _running(connection, command.migration_id)
    claims = _claims(connection, [given.key for given in command.usage])
    touched: Touched = {}
    for given, scope in importing.touching(state, command):
        touch_scope(state, scope, given.occurred_at, state.now, given.context_id, given.operation_id, touched)
    load_balances(connection, state, touched)
    return importing.import_usage(state, command, claims, caller)


def _import_holds(connection: Connection, state: State, command: ImportHolds, caller: Caller) -> list[str]:
    _running(connection, command.migration_id)
    claims = _claims(connection, [given.key for given in command.holds])
    ids = [given.allocation_id for given in command.holds]
    state.holds.update({hold.allocation_id: hold for hold in holdings.holds(connection, ids)})
    ours = {given.allocation_id for given in command.holds if given.key in claims.taken or given.key in claims.anew}
    touched: Touched = {}
    for given in command.holds:
        scope = importing.hold_scope(command.budget_id, given)
        touch_scope(state, scope, given.created_at, given.created_at, given.context_id, None, touched)
    load_balances(connection, state, touched)
    return importing.import_holds(state, command, claims, caller, [found for found in state.holds if found not in ours])


def _claims(connection: Connection, keys: list[str]) -> Claims:
    found = migrations.taken(connection, keys, migrations.undone(connection))
    return Claims(found.claims, found.anew)


def _import_policies(connection: Connection, state: State, command: ImportPolicies, caller: Caller) -> list[str]:
    _running(connection, command.migration_id)
    known = known_policies(connection, [given.key for given in command.policies], migrations.undone(connection))
    change, outcomes, keys = imported_policies.plan(
        state, command, known, state.configuration.zone_of(command.budget_id)
    )
    first = state.next_entry
    administration.carry_out(connection, state, change, caller)
    for entry in state.entries[first:]:
        if entry.subject in keys and entry.idempotency_key is None:
            entry.idempotency_key = importing.claim_text(keys.pop(entry.subject))
    return outcomes


def known_policies(connection: Connection, keys: list[str], undone: frozenset[str]) -> dict[str, Known]:
    """The policies that these keys stand for, as they were imported last."""
    found = migrations.taken(connection, keys, frozenset())
    return {key: _known(connection, claim.subject, undone) for key, claim in found.claims.items()}


def _known(connection: Connection, policy_id: str, undone: frozenset[str]) -> Known:
    """As the last migration that touched it made it: the first version that names that migration."""
    versions = [policy for policy in migrations.policy_versions(connection, policy_id) if _migration_of(policy)]
    last = _migration_of(versions[-1])
    made = next(policy for policy in versions if _migration_of(policy) == last)
    return Known(made, last in undone)


def _migration_of(policy: Policy) -> str | None:
    imported = policy.metadata.get("imported")
    return imported.get("migration") if isinstance(imported, dict) else None


def _finish(connection: Connection, state: State, command: FinishMigration, caller: Caller) -> Migration:
    migration = _running(connection, command.migration_id)
    finished = msgspec.structs.replace(migration, state=command.state, finished_at=state.now, report=command.report)
    migrations.save(connection, finished)
    _note(state, migration.migration_id, caller, command.state)
    return finished


# Taking back


def _begin_undo(connection: Connection, state: State, command: BeginUndo, caller: Caller) -> list[dict[str, str]]:
    """Gives the limits that stay, because somebody has changed them since."""
    migration = _found(connection, command.migration_id)
    if migration.state == "undone":
        return []
    if migration.state != "undoing":
        migrations.save(connection, msgspec.structs.replace(migration, state="undoing"))
        _note(state, migration.migration_id, caller, "undoing")
    change, kept = changes.Change(), []
    for policy in state.configuration.policies.values():
        if not policy.enabled or _migration_of(policy) != migration.migration_id:
            continue
        imported = _known(connection, policy.policy_id, frozenset()).policy
        if msgspec.structs.replace(policy, version=0, openings=(), updated_at=0) != msgspec.structs.replace(
            imported, version=0, openings=(), updated_at=0
        ):
            kept.append({"policy_id": policy.policy_id, "reason": "it was edited since"})
            continue
        off = changes.changed_policy(state.configuration, policy, {"enabled": False}, state.now)
        change.policy_versions.extend(off.policy_versions)
    administration.carry_out(connection, state, change, caller)
    return kept


def _undo_imports(
    connection: Connection, state: State, command: UndoImports, caller: Caller
) -> tuple[int | None, dict[str, int]]:
    """Gives where to go on, None at the end, and how much of what was taken back."""
    migration = _found(connection, command.migration_id)
    if migration.state != "undoing":
        return None, {}
    found = migrations.imported(connection, command.after, UNDONE_AT_ONCE)
    if not found:
        migrations.save(connection, msgspec.structs.replace(migration, state="undone"))
        _note(state, migration.migration_id, caller, "undone")
        return None, {}
    ids = [subject for _, subject, data in found if data["migration"] == migration.migration_id]
    records = _newest_versions(connection, holdings.records(connection, ids))
    holds = [hold for hold in holdings.holds(connection, ids) if hold.is_active]
    touched: Touched = {}
    for record in records:
        state.records[record.record_id] = record
        touch_scope(
            state, record.scope, record.booked_at, record.recorded_at, record.context_id, record.task_id, touched
        )
    for hold in holds:
        state.holds[hold.allocation_id] = hold
        touch_scope(state, hold.scope, hold.created_at, hold.created_at, hold.context_id, hold.task_id, touched)
    load_balances(connection, state, touched)
    reason = f"migration {migration.migration_id} was taken back"
    for record in records:
        corrections.void(state, commands.Void(record_id=record.record_id, reason=reason), caller)
    for hold in holds:
        release = commands.Release(allocation_id=hold.allocation_id, confirm_unused=True, reason=reason)
        allocations.release(state, release, caller)
    return found[-1][0], {"usage": len(records), "allocations": len(holds)}


def _newest_versions(connection: Connection, records: list[Record]) -> list[Record]:
    """What these records have become by corrections, without those that were voided."""
    current = {record.record_id: record for record in records if record.status == "current"}
    while replaced := [record.corrected_by for record in records if record.corrected_by is not None]:
        records = holdings.records(connection, replaced)
        current |= {record.record_id: record for record in records if record.status == "current"}
    return list(current.values())


COMMANDS: dict[type[commands.Command], Callable[..., Any]] = {
    BeginMigration: _begin,
    ImportUsage: _import_usage,
    ImportHolds: _import_holds,
    ImportPolicies: _import_policies,
    FinishMigration: _finish,
    BeginUndo: _begin_undo,
    UndoImports: _undo_imports,
}
