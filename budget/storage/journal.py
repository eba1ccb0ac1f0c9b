"""The journal and everything written with it: one batch, one transaction (rule 6.2)."""

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from budget.domain.entries import Entry, encode
from budget.domain.records import Alert, Decision, Hold, Record
from budget.domain.rollups import COUNTERS
from budget.domain.state import State
from budget.domain.usage import PARTS
from budget.storage import configuration, statements, tables

_ENTRY_COLUMNS = statements.columns_of(tables.entries)


class Head(NamedTuple):
    """Where the journal stands: its last number, that entry's time in µs, and the hash of all before."""

    seq: int
    at: int
    hash: bytes


def take_turn(connection: Connection) -> None:
    """Keep every other writer out until the commit: batches come one after another, whichever replica runs them.

    What a batch reads after this stays true until it commits, as under SQLite's own lock. Writers queue in turn.
    """
    if statements.shares(connection):
        statements.run(connection, "LOCK TABLE journal_head IN EXCLUSIVE MODE")


def head(connection: Connection) -> Head:
    """The journal's head."""
    (row,) = statements.run(connection, "SELECT seq, at, hash FROM journal_head WHERE id = 1")
    return Head(row[0], row[1], row[2])


class Standing(NamedTuple):
    """What a batch begins with, in one query."""

    head: Head
    version: int
    """Of the configuration."""
    prices_version: int


def standing(connection: Connection) -> Standing:
    """Where the ledger stands."""
    sql = "SELECT h.seq, h.at, h.hash, c.version, c.prices_version FROM journal_head AS h CROSS JOIN configuration AS c"
    (row,) = statements.run(connection, sql)
    return Standing(Head(row[0], row[1], row[2]), row[3], row[4])


def is_written(connection: Connection, written: Head) -> bool:
    """Whether the batch that ended there was committed; waits for a commit that is still under way."""
    take_turn(connection)
    row = statements.first(connection, "SELECT hash FROM batches WHERE last_seq = ?", (written.seq,))
    return row is not None and row[0] == written.hash


def claims(connection: Connection, keys: Iterable[str]) -> dict[str, Entry]:
    """The entries that claimed these idempotency keys."""
    rows = statements.select_in(connection, _ENTRY_COLUMNS, "entries", "idempotency_key", keys)
    return {row[5]: entry_of(row) for row in rows}


def entries_of(connection: Connection, subject: str, kinds: tuple[str, ...] = ()) -> list[Entry]:
    """The entries about one thing, oldest first; not those of usage that stands alone."""
    sql = f"SELECT {_ENTRY_COLUMNS} FROM entries WHERE subject = ? AND kind <> 'used' ORDER BY seq"
    found = map(entry_of, statements.run(connection, sql, (subject,)))
    return [entry for entry in found if not kinds or entry.kind in kinds]


def all_entries(connection: Connection) -> Iterable[Entry]:
    """The whole journal in order, a bounded number in memory."""
    sql = f"SELECT {_ENTRY_COLUMNS} FROM entries WHERE seq > ? ORDER BY seq LIMIT 5000"
    after = 0
    while rows := statements.run(connection, sql, (after,)):
        yield from map(entry_of, rows)
        after = rows[-1][0]


def posting_sets(connection: Connection) -> dict[int, list[list[Any]]]:
    """What each posting set names: [[policy id, version, window key], …]."""
    rows = statements.run(connection, "SELECT set_id, content FROM posting_sets")
    return {row[0]: msgspec.json.decode(row[1]) for row in rows}


def posting_set(connection: Connection, set_id: int) -> list[list[Any]]:
    """What one posting set names."""
    stored = statements.value(connection, "SELECT content FROM posting_sets WHERE set_id = ?", (set_id,))
    content: list[list[Any]] = msgspec.json.decode(stored)
    return content


def entry_of(row: Any) -> Entry:
    """An entry from its row."""
    return Entry(**dict(zip(Entry.__struct_fields__, row, strict=True)))


class Written(msgspec.Struct):
    """Which posting sets and rollup keys are known to be stored; a memory that only saves inserts."""

    posting_sets: set[int] = msgspec.field(default_factory=set)
    rollup_keys: set[int] = msgspec.field(default_factory=set)


_REMEMBERED = 100_000


def save(connection: Connection, state: State, decisions: list[Decision], written: Written) -> Head:
    """Write what a batch changed; gives the new head. Commits nothing itself."""
    entries = [msgspec.structs.astuple(entry) for entry in state.entries]
    statements.insert_rows(connection, tables.entries, entries)
    _save_rows(connection, state, decisions)
    _save_sums(connection, state, written)
    configuration.save(connection, state)
    return _save_head(connection, state, entries)


def _save_rows(connection: Connection, state: State, decisions: list[Decision]) -> None:
    rows = msgspec.structs.astuple
    _insert_records(connection, state.new_records)
    statements.insert_rows(connection, tables.holds, [rows(hold) for hold in state.new_holds.values()])
    statements.update_rows(
        connection, tables.holds, "allocation_id", [rows(hold) for hold in state.changed_holds.values()]
    )
    statements.update_rows(
        connection,
        tables.usage_records,
        "record_id",
        [rows(record) for record in state.changed_records.values()],
        keep="seq",
    )
    statements.replace_rows(
        connection, tables.alerts, [rows(alert) for alert in (*state.alerts.values(), *state.new_alerts)]
    )
    statements.replace_rows(connection, tables.decisions, [rows(decision) for decision in decisions])


# From `status` on: what a record has unless something special is said of it.
_SELDOM = Record.__struct_fields__.index("status")
_DEFAULTS = tuple(field.default for field in msgspec.structs.fields(Record)[_SELDOM:])


def _insert_records(connection: Connection, records: list[Record]) -> None:
    plain, special = [], []
    for row in map(msgspec.structs.astuple, records):
        if row[_SELDOM:] == _DEFAULTS:
            plain.append(row[:_SELDOM])
        else:
            special.append(row)
    statements.insert_rows(connection, tables.usage_records, plain)
    statements.insert_rows(connection, tables.usage_records, special)


def _save_sums(connection: Connection, state: State, written: Written) -> None:
    new_sets = [
        (number, content) for number, content in state.posting_sets.items() if number not in written.posting_sets
    ]
    statements.insert_new(connection, tables.posting_sets, new_sets)
    new_keys = [(number, *key) for number, key in state.rollups.keys.items() if number not in written.rollup_keys]
    statements.insert_new(connection, tables.rollup_keys, new_keys)
    for known, new in ((written.posting_sets, new_sets), (written.rollup_keys, new_keys)):
        if len(known) + len(new) > _REMEMBERED:
            known.clear()
        known.update(row[0] for row in new)
    changed = [
        (balance.policy_id, balance.window_key, *balance.amounts, state.now)
        for balance in state.balances.values()
        if balance.changed
    ]
    statements.replace_rows(connection, tables.balances, sorted(changed))
    statements.add_to_rows(connection, tables.rollups, _rollup_rows(state))


def _rollup_rows(state: State) -> list[tuple[Any, ...]]:
    rows: dict[tuple[str, int, int], list[int]] = {}
    for (hour, day, number, labels), rollup in state.rollups.sums.items():
        measures = rollup_measures(rollup.counters, rollup.parts)
        for target in rollup_targets(hour, day, number, labels):
            known = rows.get(target)
            rows[target] = measures if known is None else [a + b for a, b in zip(known, measures, strict=True)]
    return [(*key, *measures) for key, measures in sorted(rows.items())]


def rollup_targets(hour: int, day: int, number: int, labels: Iterable[int]) -> list[tuple[str, int, int]]:
    """The rows that a rollup posting adds to: grain, start, key.

    Labels (users, tags) have a grain of their own, by day, so that many of them slow no report that asks for none.
    """
    return [("hour", hour, number), ("day", day, number), *(("label", day, label) for label in labels)]


def rollup_measures(counters: list[int], parts: dict[str, list[int]]) -> list[int]:
    """The measures of a rollup row, in the order of its columns."""
    pairs = [parts.get(part, (0, 0)) for part in PARTS]
    return [*counters, *(pair[0] for pair in pairs), *(pair[1] for pair in pairs)]


def _save_head(connection: Connection, state: State, entries: list[tuple[Any, ...]]) -> Head:
    before: Head = state.facts["head"]
    now = state.now
    if not entries:
        return before
    last = before.seq + len(entries)
    digest = batch_hash(before.hash, entries)
    statements.insert_rows(connection, tables.batches, [(last, before.seq + 1, now, digest)])
    sql = f"UPDATE journal_head SET seq = ?, at = ?, hash = ? WHERE id = 1{statements.telling(connection, 'seq')}"
    statements.run(connection, sql, (last, now, digest))
    return Head(last, now, digest)


def batch_hash(before: bytes, entries: list[tuple[Any, ...]]) -> bytes:
    """SHA-256 over the hash of the batch before and the rows of this batch's entries."""
    digest = hashlib.sha256(before)
    digest.update(encode(entries))
    return digest.digest()


def hold_of(row: Any) -> Hold:
    """A hold from its row."""
    return Hold(**dict(zip(Hold.__struct_fields__, row, strict=True)))


def record_of(row: Any) -> Record:
    """A usage record from its row."""
    return Record(*row)


def alert_of(row: Any) -> Alert:
    """An alert from its row."""
    return Alert(**dict(zip(Alert.__struct_fields__, row, strict=True)))


def decision_of(row: Any) -> Decision:
    """A decision from its row."""
    return Decision(**dict(zip(Decision.__struct_fields__, row, strict=True)))


assert len(COUNTERS) + 2 * len(PARTS) == len(tables.MEASURES)  # noqa: S101 -- the columns are made from these
