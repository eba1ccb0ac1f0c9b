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

LABEL = "label"
"""Grouping by this gives a row for each user, or for each value of a declared tag; their grain is `label`."""

Filters = Mapping[str, str | None]


class Stretch(NamedTuple):
    """A run of buckets, `day`, `hour` or `label`, that start in [start, end), of some budgets or (None) of all."""

    grain: str
    start: int
    end: int
    budget_ids: tuple[str, ...] | None = None
    label_kind: str = ""
    """Of the grain `label`: whose labels, `user_id` or a declared tag."""


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

    def take(self, other: "Sums") -> None:
        """Count another's usage out."""
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) - getattr(other, field))


class Held(NamedTuple):
    """What active holds hold, and what they were granted."""

    holds: int
    tokens: int
    cost: int
    tokens_allocated: int


class ZoneChange(NamedTuple):
    """From when on a budget's windows and buckets lie in another zone."""

    at: int
    budget_id: str
    before: str
    after: str


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
    where, parameters = conditions(filters)
    sql = (
        "SELECT COALESCE(SUM(r.count), 0) FROM rollups AS r CROSS JOIN rollup_keys AS k "
        f"WHERE r.grain = 'day' AND k.key_id = r.key_id{where}"
    )
    count: int = statements.value(connection, sql, parameters)
    return count


def held(connection: Connection, now: int, filters: Filters, start: int, end: int) -> Held:
    """What the holds made in [start, end) that are active and not yet due hold."""
    where, parameters = conditions(filters, alias="")
    sql = (
        "SELECT COUNT(*), COALESCE(SUM(held_tokens), 0), COALESCE(SUM(held_cost), 0), "
        "COALESCE(SUM(tokens_allocated), 0) FROM holds WHERE state IN ('open', 'started') "
        f"AND expires_at > ? AND created_at >= ? AND created_at < ?{where}"
    )
    return Held(*statements.run(connection, sql, (now, start, end, *parameters))[0])


def zone_changes(connection: Connection, budget_ids: Sequence[str], since: int) -> list[ZoneChange]:
    """The changes of zone of these budgets after an instant, oldest first."""
    if not budget_ids:
        return []
    # The index leaves out `used`; SQLite takes it only where that is said.
    rows = statements.select_in(
        connection,
        "at, subject, data",
        "entries",
        "subject",
        budget_ids,
        "AND kind = 'budget_changed' AND kind <> 'used' AND at > ? ORDER BY seq",
        since,
    )
    found = []
    for at, budget_id, data in rows:
        said = msgspec.json.decode(data)
        before, after = said["before"] or said["after"], said["after"]
        if before["time_zone"] != after["time_zone"]:
            found.append(ZoneChange(at, budget_id, before["time_zone"], after["time_zone"]))
    return found


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
    where, parameters = conditions(filters, budget_ids=stretch.budget_ids)
    if stretch.label_kind:
        where += " AND k.label_kind = ?"
        parameters.append(stretch.label_kind)
    columns = [f"r.{name}" if name == START else f"k.{name}" for name in by]
    listed = "".join(f"{column}, " for column in columns)
    group = f" GROUP BY {', '.join(columns)}" if columns else " HAVING COUNT(*) > 0"
    # CROSS JOIN: SQLite then takes the range of buckets first, which is what is small.
    sql = (
        f"SELECT {listed}{_MEASURES} FROM rollups AS r CROSS JOIN rollup_keys AS k "
        "WHERE r.grain = ? AND r.start >= ? AND r.start < ? AND k.key_id = r.key_id"
        f"{where}{group}"
    )
    return sql, (stretch.grain, stretch.start, stretch.end, *parameters)


def conditions(filters: Filters, alias: str = "k.", budget_ids: Sequence[str] | None = None) -> tuple[str, list[Any]]:
    """What narrows a statement to these fields and budgets, to go after another condition, and its parameters."""
    given = {field: value for field, value in filters.items() if value is not None and field in DIMENSIONS}
    where, parameters = "".join(f" AND {alias}{field} = ?" for field in given), list(given.values())
    if budget_ids is not None:
        where += f" AND {alias}budget_id IN ({', '.join('?' * len(budget_ids))})"
        parameters.extend(budget_ids)
    return where, parameters
