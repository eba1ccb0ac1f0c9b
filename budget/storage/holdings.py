"""Holds, records and balances: what a batch loads before it decides."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from budget.domain.commands import RepriceUsage
from budget.domain.configuration import Line
from budget.domain.policies import SCOPE_FIELDS, Policy, Scope
from budget.domain.records import UNPRICED, Hold, Record
from budget.domain.refusals import Expiry
from budget.storage import statements, tables
from budget.storage.journal import hold_of, record_of

_HOLD = statements.columns_of(tables.holds)
_RECORD = statements.columns_of(tables.usage_records)
_ACTIVE = "state IN ('open', 'started')"
_ACTIVE_OF_THESE = "state || '' IN ('open', 'started')"
"""The same where sessions or tasks are given. PostgreSQL must not take the index of all active holds for it, as it does
for ever with a plan that was made while the table was empty: an expression does not match that index."""

Amounts = tuple[int, int, int, int]
Key = tuple[str, str]


def holds(connection: Connection, ids: Iterable[str]) -> list[Hold]:
    """Holds by id."""
    return [hold_of(row) for row in statements.select_in(connection, _HOLD, "holds", "allocation_id", ids)]


def active_of(connection: Connection, context_ids: Iterable[str]) -> list[str]:
    """The active holds of these contexts."""
    columns, ending = "allocation_id", f"AND {_ACTIVE_OF_THESE}"
    return [row[0] for row in statements.select_in(connection, columns, "holds", "context_id", context_ids, ending)]


def due(connection: Connection, now: int, limit: int) -> list[str]:
    """Active holds whose time has come, earliest first."""
    order = "ORDER BY expires_at, allocation_id LIMIT ?"
    sql = f"SELECT allocation_id FROM holds WHERE {_ACTIVE} AND expires_at <= ? {order}"
    return [row[0] for row in statements.run(connection, sql, (now, limit))]


def next_expiry(connection: Connection) -> int | None:
    """When the next active hold ends."""
    found: int | None = statements.value(connection, f"SELECT min(expires_at) FROM holds WHERE {_ACTIVE}")
    return found


def records(connection: Connection, ids: Iterable[str]) -> list[Record]:
    """Usage records by id."""
    return [record_of(row) for row in statements.select_in(connection, _RECORD, "usage_records", "record_id", ids)]


def balances(connection: Connection, keys: Iterable[Key]) -> dict[Key, Amounts]:
    """The balances that exist under these (policy, window) keys: used and held tokens, used and held nanocents."""
    table, parameters = statements.pairs(connection, keys)
    sql = (
        "SELECT b.policy_id, b.window_key, b.used_tokens, b.held_tokens, b.used_cost, b.held_cost "
        f"FROM {table} JOIN balances AS b ON b.policy_id = wanted.a AND b.window_key = wanted.b"
    )
    return _by_key(statements.run(connection, sql, parameters))


def _by_key(rows: Iterable[statements.Row]) -> dict[Key, Amounts]:
    return {(row[0], row[1]): (row[2], row[3], row[4], row[5]) for row in rows}


def balances_of(connection: Connection, policy_id: str) -> dict[tuple[str, str], Amounts]:
    """Every balance of a policy."""
    sql = (
        "SELECT policy_id, window_key, used_tokens, held_tokens, used_cost, held_cost FROM balances WHERE policy_id = ?"
    )
    return _by_key(statements.run(connection, sql, (policy_id,)))


def idle_keyed_balances(connection: Connection, before: int, limit: int) -> dict[tuple[str, str], Amounts]:
    """Balances of sessions and tasks that nothing touched since `before` and that hold nothing."""
    sql = (
        "SELECT policy_id, window_key, used_tokens, held_tokens, used_cost, held_cost FROM balances "
        "WHERE touched_at < ? AND held_tokens = 0 AND held_cost = 0 "
        "AND (window_key LIKE 'c:%' OR window_key LIKE 't:%') LIMIT ?"
    )
    return _by_key(statements.run(connection, sql, (before, limit)))


def drop_balances(connection: Connection, keys: Iterable[tuple[str, str]]) -> None:
    """Delete balances that were closed."""
    pairs = list(keys)
    if pairs:
        statements.run_many(connection, "DELETE FROM balances WHERE policy_id = ? AND window_key = ?", pairs)


def window_sums(connection: Connection, policy: Policy, start: int, end: int) -> Amounts:
    """What a policy's window really contains, from the records and the open holds (rule 2.5)."""
    scope, values = _scope_condition(policy)
    sql = (
        "SELECT COALESCE(SUM(total_tokens), 0), COALESCE(SUM(cost), 0) FROM usage_records "
        f"WHERE status = 'current' AND booked_at >= ? AND booked_at < ?{scope}"
    )
    (used,) = statements.run(connection, sql, (start, end, *values))
    sql = (
        "SELECT COALESCE(SUM(held_tokens), 0), COALESCE(SUM(held_cost), 0) FROM holds "
        f"WHERE {_ACTIVE} AND created_at >= ? AND created_at < ?{scope}"
    )
    (held,) = statements.run(connection, sql, (start, end, *values))
    return used[0], held[0], used[1], held[1]


def last_booked(connection: Connection) -> int:
    """The latest instant in which anything is booked."""
    used: int = statements.value(connection, "SELECT COALESCE(MAX(booked_at), 0) FROM usage_records")
    held: int = statements.value(connection, "SELECT COALESCE(MAX(created_at), 0) FROM holds")
    return max(used, held)


def _scope_condition(policy: Policy) -> tuple[str, list[Any]]:
    fields = {field: getattr(policy, field) for field in (*SCOPE_FIELDS, "budget_id")}
    given = {field: value for field, value in fields.items() if value is not None}
    return "".join(f" AND {field} = ?" for field in given), list(given.values())


def keyed_contents(connection: Connection, column: str, ids: Iterable[str]) -> list[tuple[str, Scope, Amounts]]:
    """What sessions (`context_id`) or tasks (`task_id`) contain: id, scope, and amounts, one row a scope."""
    scope = f"{column}, budget_id, tier, provider, model, component, task_type, user_id, key_id"
    contents: list[tuple[str, Scope, Amounts]] = []
    wanted = list(ids)
    for table, sums, counts in (
        ("usage_records", "SUM(total_tokens), 0, SUM(cost), 0", "status = 'current'"),
        ("holds", "0, SUM(held_tokens), 0, SUM(held_cost)", _ACTIVE_OF_THESE),
    ):
        where = f"AND {counts} GROUP BY {scope}"
        rows = statements.select_in(connection, f"{scope}, {sums}", table, column, wanted, where)
        contents += ((row[0], Scope(*row[1:9]), (row[9], row[10], row[11], row[12])) for row in rows)
    return contents


def expiries(connection: Connection, line: Line, keyed: str | None) -> list[tuple[str, Expiry]]:
    """The holds in a policy's window that end by themselves, and what they free; started, undrawn ones free nothing.

    `keyed` is the window key where the window is a session or a task.
    """
    scope, values = _scope_condition(line.policy)
    bounds: tuple[Any, ...]
    if keyed is None:
        place, bounds = "created_at >= ? AND created_at < ?", (line.start, line.end)
    else:
        place, bounds = f"{'context_id' if keyed.startswith('c:') else 'task_id'} = ?", (keyed[2:],)
    sql = (
        "SELECT allocation_id, expires_at, held_tokens, held_cost FROM holds "
        f"WHERE {_ACTIVE} AND (state = 'open' OR records > 0) AND {place}{scope} ORDER BY expires_at"
    )
    return [(row[0], Expiry(*row[1:])) for row in statements.run(connection, sql, (*bounds, *values))]


def unpriced(connection: Connection, limit: int, after: int, models: Iterable[tuple[str, str]]) -> list[Record]:
    """Current records without a price for these (provider, model) pairs, in order from `after`."""
    table, parameters = statements.pairs(connection, models)
    sql = (
        f"SELECT {_RECORD} FROM usage_records WHERE flags & {UNPRICED} != 0 AND status = 'current' AND seq > ? "
        f"AND (provider, model) IN (SELECT a, b FROM {table}) ORDER BY seq LIMIT ?"
    )
    return [record_of(row) for row in statements.run(connection, sql, (after, *parameters, limit))]


def priced(connection: Connection, limit: int, wanted: RepriceUsage, after: int) -> list[Record]:
    """Current records that a repricing is about, in order from `after`."""
    given = [(field, getattr(wanted, field)) for field in ("provider", "model", "budget_id")]
    narrowed = [(field, value) for field, value in given if value is not None]
    sql = (
        f"SELECT {_RECORD} FROM usage_records WHERE status = 'current' AND seq > ? AND occurred_at >= ? "
        f"AND occurred_at < ?{''.join(f' AND {field} = ?' for field, _ in narrowed)} ORDER BY seq LIMIT ?"
    )
    values = (value for _, value in narrowed)
    rows = statements.run(connection, sql, (after, wanted.start, wanted.end, *values, limit))
    return [record_of(row) for row in rows]


def unpriced_models(connection: Connection) -> list[tuple[str, str, int]]:
    """The models with usage that has no price, and when each was first used."""
    sql = (
        "SELECT provider, model, MIN(occurred_at) FROM usage_records "
        f"WHERE flags & {UNPRICED} != 0 AND status = 'current' AND provider IS NOT NULL AND model IS NOT NULL "
        "GROUP BY provider, model"
    )
    return [(row[0], row[1], row[2]) for row in statements.run(connection, sql)]
