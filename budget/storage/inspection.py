"""Everything that a simulated run compares, read as it is stored."""

from typing import Any, NamedTuple

from sqlalchemy import Connection

from budget.storage import statements
from budget.storage.journal import Head, head

Row = tuple[Any, ...]


class Snapshot(NamedTuple):
    """The ledger's rows as of one transaction."""

    head: Head
    holds: list[Row]
    records: list[Row]
    balances: list[Row]
    alerts: list[Row]


def snapshot(connection: Connection) -> Snapshot:
    """Holds, records, balances and alerts, in an order that does not depend on the database."""
    return Snapshot(
        head(connection),
        _rows(
            connection,
            "SELECT allocation_id, state, held_tokens, held_cost, expires_at, records, provisional_record_id "
            "FROM holds ORDER BY allocation_id",
        ),
        _rows(
            connection,
            "SELECT record_id, status, total_tokens, cost, occurred_at, booked_at, flags, tier, provider, model, "
            "component, task_type, user_id, key_id, context_id, task_id, allocation_id, parts FROM usage_records "
            "ORDER BY seq",
        ),
        _rows(
            connection,
            "SELECT policy_id, window_key, used_tokens, held_tokens, used_cost, held_cost FROM balances "
            "ORDER BY policy_id, window_key",
        ),
        _rows(
            connection,
            "SELECT policy_id, unit, limit_value, window_key, threshold FROM alerts ORDER BY seq",
        ),
    )


def rollup_sums(connection: Connection) -> list[int]:
    """What the day rollups add up to: records, those without a price, tokens, nanocents."""
    (row,) = statements.run(
        connection,
        "SELECT SUM(count), SUM(unpriced_count), "
        "SUM(input_count + cache_read_count + cache_write_count + output_count + reasoning_count + other_count), "
        "SUM(input_cost + cache_read_cost + cache_write_cost + output_cost + reasoning_cost + other_cost "
        "+ requests_cost) FROM rollups WHERE grain = 'day'",
    )
    return [int(amount or 0) for amount in row]


def _rows(connection: Connection, sql: str) -> list[Row]:
    return [tuple(row) for row in statements.run(connection, sql)]
