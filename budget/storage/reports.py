"""Sums from the rollups: what summaries, series and coverage are made of. Their cost does not grow with the ledger."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from budget.domain import usage
from budget.storage import statements

DIMENSIONS = frozenset(("budget_id", "provider", "model", "component", "task_type", "tier"))
"""What a rollup can be filtered and grouped by (rule 11.1)."""

START = "start"
"""Grouping by this gives a series: one row for each bucket."""

Filters = Mapping[str, str | None]


class Stretch(NamedTuple):
    """A run of buckets, `day` or `hour`, that start in [start, end), of some budgets only or (None) of all."""

    grain: str
    start: int
    end: int
    budget_ids: tuple[str, ...] | None = None


class Sums(msgspec.Struct):
    """What was used: tokens counted once, cost in nanocents, and how much of it is unpriced, estimated, provisional."""

    count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    other_tokens: int = 0
    input_cost: int = 0
    output_cost: int = 0
    cost: int = 0
    unpriced_count: int = 0
    unpriced_tokens: int = 0
    estimated_count: int = 0
    estimated_tokens: int = 0
    provisional_count: int = 0
    provisional_cost: int = 0

    @property
    def total_tokens(self) -> int:
        """All tokens, those known only from a total included."""
        return self.input_tokens + self.output_tokens + self.other_tokens

    def add(self, other: "Sums") -> None:
        """Count another's usage in."""
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))


class Held(NamedTuple):
    """What active holds hold, and what they were granted."""

    holds: int
    tokens: int
    cost: int
    tokens_allocated: int


Groups = dict[tuple[Any, ...], Sums]


def sums(connection: Connection, stretches: Iterable[Stretch], by: Sequence[str], filters: Filters) -> Groups:
    """What the rollups in these stretches add up to, grouped by dimensions (and by `START`)."""
    groups: Groups = {}
    for stretch in stretches:
        for row in statements.run(connection, *_statement(stretch, by, filters)):
            key = tuple(row[: len(by)])
            found = Sums(*row[len(by) :])
            known = groups.get(key)
            if known is None:
                groups[key] = found
            else:
                known.add(found)
    return groups


def record_count(connection: Connection, filters: Filters) -> int:
    """How many current usage records there are: exact, from the day rollups."""
    where, parameters = _conditions(filters)
    sql = (
        "SELECT COALESCE(SUM(r.count), 0) FROM rollups AS r CROSS JOIN rollup_keys AS k "
        f"WHERE r.grain = 'day' AND k.key_id = r.key_id{where}"
    )
    count: int = statements.value(connection, sql, parameters)
    return count


def held(connection: Connection, now: int, filters: Filters, start: int, end: int) -> Held:
    """What the holds made in [start, end) that are active and not yet due hold."""
    where, parameters = _conditions(filters, alias="")
    sql = (
        "SELECT COUNT(*), COALESCE(SUM(held_tokens), 0), COALESCE(SUM(held_cost), 0), "
        "COALESCE(SUM(tokens_allocated), 0) FROM holds WHERE state IN ('open', 'started') "
        f"AND expires_at > ? AND created_at >= ? AND created_at < ?{where}"
    )
    return Held(*statements.run(connection, sql, (now, start, end, *parameters))[0])


def _total(kind: str, parts: Iterable[str]) -> str:
    return f"SUM({' + '.join(f'r.{part}_{kind}' for part in parts)})"


# In the order of the fields of `Sums`.
_MEASURES = ", ".join(
    (
        "SUM(r.count)",
        _total("count", usage.INPUT_PARTS),
        _total("count", usage.OUTPUT_PARTS),
        "SUM(r.other_count)",
        _total("cost", usage.INPUT_PARTS),
        _total("cost", usage.OUTPUT_PARTS),
        _total("cost", usage.PARTS),
        "SUM(r.unpriced_count)",
        "SUM(r.unpriced_tokens)",
        "SUM(r.estimated_count)",
        "SUM(r.estimated_tokens)",
        "SUM(r.provisional_count)",
        "SUM(r.provisional_cost)",
    )
)


def _statement(stretch: Stretch, by: Sequence[str], filters: Filters) -> tuple[str, tuple[Any, ...]]:
    where, parameters = _conditions(filters)
    if stretch.budget_ids is not None:
        where += f" AND k.budget_id IN ({', '.join('?' * len(stretch.budget_ids))})"
        parameters.extend(stretch.budget_ids)
    columns = [f"r.{name}" if name == START else f"k.{name}" for name in by if name == START or name in DIMENSIONS]
    listed = "".join(f"{column}, " for column in columns)
    group = f" GROUP BY {', '.join(columns)}" if columns else " HAVING COUNT(*) > 0"
    # CROSS JOIN: SQLite then takes the range of buckets first, which is what is small.
    sql = (
        f"SELECT {listed}{_MEASURES} FROM rollups AS r CROSS JOIN rollup_keys AS k "
        "WHERE r.grain = ? AND r.start >= ? AND r.start < ? AND k.key_id = r.key_id"
        f"{where}{group}"
    )
    return sql, (stretch.grain, stretch.start, stretch.end, *parameters)


def _conditions(filters: Filters, alias: str = "k.") -> tuple[str, list[Any]]:
    given = {field: value for field, value in filters.items() if value is not None and field in DIMENSIONS}
    return "".join(f" AND {alias}{field} = ?" for field in given), list(given.values())
