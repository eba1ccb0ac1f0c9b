"""Sums as they were known at an earlier instant: added up from the entries that were written until then (P8)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from budget.domain.rollups import COUNTERS
from budget.domain.usage import INPUT_PARTS, OUTPUT_PARTS
from budget.storage import statements
from budget.storage.reports import START, Groups, Stretch, Sums

READ_AT_ONCE: Final = 10_000

Posting = tuple[int, int, int, list[int], list[int], dict[str, tuple[int, int]]]
"""Hour, day, the number of its dimensions, those of its labels, counters, count and cost of each part."""

_decode = msgspec.json.Decoder(list[Posting]).decode


def sums(
    connection: Connection,
    known_at: int,
    stretches: Sequence[Stretch],
    by: Sequence[str],
    filters: Mapping[str, str | None],
) -> Groups:
    """`reports.sums` as it was at an instant. It reads the journal up to it, so its cost grows with the ledger."""
    keys = _keys(connection)
    wanted = {field: value for field, value in filters.items() if value is not None}
    groups: Groups = {}
    for hour, day, number, _, counters, parts in _postings(connection, known_at):
        for stretch in stretches:
            start = hour if stretch.grain == "hour" else day
            key = keys[number]
            if not stretch.start <= start < stretch.end or not _fits(key, wanted, stretch.budget_ids):
                continue
            group = tuple(start if column == START else key[column] for column in by)
            groups.setdefault(group, Sums()).add(_sums_of(counters, parts))
    return {group: found for group, found in groups.items() if found != Sums()}


def _postings(connection: Connection, known_at: int) -> Iterator[Posting]:
    after = 0
    sql = "SELECT seq, rollups FROM entries WHERE seq > ? AND at < ? AND rollups <> '[]' ORDER BY seq LIMIT ?"
    while rows := statements.run(connection, sql, (after, known_at, READ_AT_ONCE)):
        for after, text in rows:  # noqa: B007 -- the last one is where the next page begins
            yield from _decode(text)


def _keys(connection: Connection) -> dict[int, dict[str, Any]]:
    columns = ("budget_id", "provider", "model", "component", "task_type", "tier")
    rows = statements.run(connection, f"SELECT key_id, {', '.join(columns)} FROM rollup_keys")
    return {row[0]: dict(zip(columns, row[1:], strict=True)) for row in rows}


def _fits(key: Mapping[str, Any], wanted: Mapping[str, str], budget_ids: Sequence[str] | None) -> bool:
    if budget_ids is not None and key["budget_id"] not in budget_ids:
        return False
    return all(key[field] == value for field, value in wanted.items())


def _sums_of(counters: Sequence[int], parts: Mapping[str, tuple[int, int]]) -> Sums:
    named = dict(zip(COUNTERS, counters, strict=True))
    counts = {part: pair[0] for part, pair in parts.items()}
    costs = {part: pair[1] for part, pair in parts.items()}
    return Sums(
        **named,
        input_tokens=sum(counts.get(part, 0) for part in INPUT_PARTS),
        output_tokens=sum(counts.get(part, 0) for part in OUTPUT_PARTS),
        other_tokens=counts.get("other", 0),
        input_cost=sum(costs.get(part, 0) for part in INPUT_PARTS),
        output_cost=sum(costs.get(part, 0) for part in OUTPUT_PARTS),
        cost=sum(costs.values()),
    )
