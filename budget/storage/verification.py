"""Rebuild every balance and rollup from the journal's own postings, and compare (P1, rule 6.1)."""

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from budget.domain.configuration import CONTEXT_WINDOW, GENERATED, TASK_WINDOW
from budget.storage import journal, statements, tables


class Verification(NamedTuple):
    """What a rebuild found; `examples` names the first differences."""

    entries: int
    balances: int
    rollups: int
    differences: int
    examples: list[str]


_EXAMPLES = 20


def verify(connection: Connection) -> Verification:
    """Add up all postings and rollup postings, match nothing anew, and compare with what is stored."""
    sets = journal.posting_sets(connection)
    balances: dict[tuple[str, str], list[int]] = {}
    rollups: dict[tuple[str, int, int], list[int]] = {}
    entries = 0
    gaps: list[str] = []
    for entry in journal.all_entries(connection):
        entries += 1
        if entry.seq != entries:
            gaps.append(f"entry {entry.seq} stands where {entries} should")
            entries = entry.seq
        for set_id, *deltas in msgspec.json.decode(entry.postings):
            for policy_id, _, window in sets[set_id]:
                key = _window_key(window, entry.context_id, entry.task_id)
                if key is not None:
                    _add(balances.setdefault((policy_id, key), [0, 0, 0, 0]), deltas)
        for posting in msgspec.json.decode(entry.rollups):
            _add_rollup(rollups, posting)
    head = journal.head(connection).seq
    if head != entries:
        gaps.append(f"the head says {head}, the last entry is {entries}")
    differences = gaps
    differences += _compare("balance", _stored_balances(connection), balances)
    differences += _compare("rollup", _stored_rollups(connection), rollups)
    return Verification(entries, len(balances), len(rollups), len(differences), differences[:_EXAMPLES])


def _window_key(window: str, context_id: str | None, task_id: str | None) -> str | None:
    if window == CONTEXT_WINDOW:
        # An id that nobody gave has no balance (rule 2.6).
        return None if context_id is None or context_id.startswith(GENERATED) else "c:" + context_id
    if window == TASK_WINDOW:
        return None if task_id is None else "t:" + task_id
    return window


def _add(total: list[int], deltas: list[int]) -> None:
    for index, delta in enumerate(deltas):
        total[index] += delta


def _add_rollup(rollups: dict[tuple[str, int, int], list[int]], posting: list[Any]) -> None:
    hour, day, number, labels, counters, parts = posting
    measures = journal.rollup_measures(counters, parts)
    for key in journal.rollup_targets(hour, day, number, labels):
        _add(rollups.setdefault(key, [0] * len(measures)), measures)


def _stored_balances(connection: Connection) -> dict[tuple[str, str], list[int]]:
    sql = "SELECT policy_id, window_key, used_tokens, held_tokens, used_cost, held_cost FROM balances"
    return {(row[0], row[1]): list(row[2:]) for row in statements.run(connection, sql)}


def _stored_rollups(connection: Connection) -> dict[tuple[str, int, int], list[int]]:
    sql = f"SELECT {statements.columns_of(tables.rollups)} FROM rollups"
    return {(row[0], row[1], row[2]): list(row[3:]) for row in statements.run(connection, sql)}


def _compare(what: str, stored: dict[Any, list[int]], rebuilt: dict[Any, list[int]]) -> list[str]:
    # Absent is zero: a session's or task's balance that nobody used any more was closed and dropped (rule 2.6).
    differences = []
    for key in stored.keys() | rebuilt.keys():
        has, should = stored.get(key), rebuilt.get(key)
        if has != should and (any(has or ()) or any(should or ())):
            differences.append(f"{what} {key}: stored {has}, rebuilt {should}")
    return differences
