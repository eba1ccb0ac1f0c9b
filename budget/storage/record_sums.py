"""Sums of usage records themselves, for what rollups do not serve: other zones, other tags, two labels (rule 11.1)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from budget.domain.records import ESTIMATED, PROVISIONAL, UNPRICED
from budget.storage import statements
from budget.storage.reports import Filters, Groups, Sums, conditions


class Tag(str):
    """The name of a tag, where a column could stand."""

    __slots__ = ()


def record_sums(
    connection: Connection,
    start: int,
    end: int,
    budget_ids: Sequence[str] | None,
    by: Sequence[str | Tag],
    filters: Filters,
) -> Groups:
    """What current records booked in [start, end) add up to, grouped by columns and tags; costs of sides are left 0."""
    columns = [statements.text_of(connection, "tags") if isinstance(field, Tag) else field for field in by]
    names = [str(field) for field in by if isinstance(field, Tag)]
    where, given = conditions(filters, alias="", budget_ids=budget_ids)
    group = f" GROUP BY {', '.join(str(at) for at in range(1, len(by) + 1))}" if by else " HAVING COUNT(*) > 0"
    sql = (
        f"SELECT {''.join(f'{column}, ' for column in columns)}{_MEASURES} FROM usage_records "
        f"WHERE booked_at >= ? AND booked_at < ? AND status = 'current'{where}{group}"
    )
    rows = statements.run(connection, sql, (*names, start, end, *given))
    return {tuple(row[: len(by)]): _sums(row[len(by) :]) for row in rows}


def _flagged(flag: int, amount: str) -> str:
    return f"SUM(CASE WHEN (flags & {flag}) <> 0 THEN {amount} ELSE 0 END)"


_MEASURES = ", ".join(
    (
        "COUNT(*)",
        "SUM(COALESCE(input_tokens, 0))",
        "SUM(COALESCE(output_tokens, 0))",
        "SUM(total_tokens)",
        "SUM(cost)",
        _flagged(UNPRICED, "1"),
        _flagged(UNPRICED, "total_tokens"),
        _flagged(ESTIMATED, "1"),
        _flagged(ESTIMATED, "total_tokens"),
        _flagged(PROVISIONAL, "1"),
        _flagged(PROVISIONAL, "cost"),
    )
)


def _sums(row: Sequence[Any]) -> Sums:
    count, input_tokens, output_tokens, total_tokens, cost, *counters = row
    other = total_tokens - input_tokens - output_tokens
    return Sums(count, input_tokens, output_tokens, other, 0, 0, cost, *counters)
