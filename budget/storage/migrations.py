"""Migrations of older ledgers: their rows, the keys they have claimed, and what they booked."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, inspect

from budget.domain.importing import Claim, claim_text
from budget.domain.migrations import Migration
from budget.domain.policies import Policy
from budget.storage import journal, statements, tables

_COLUMNS = statements.columns_of(tables.migrations)
MOST_GENERATIONS = 1000


def save(connection: Connection, migration: Migration) -> None:
    """Write a migration's row, a new one or with what has become of it."""
    statements.replace_rows(connection, tables.migrations, [msgspec.structs.astuple(migration)])


def find(connection: Connection, migration_id: str) -> Migration | None:
    """One migration."""
    sql = f"SELECT {_COLUMNS} FROM migrations WHERE migration_id = ?"
    row = statements.first(connection, sql, (migration_id,))
    return None if row is None else Migration(*row)


def in_state(connection: Connection, states: Sequence[str]) -> list[Migration]:
    """The migrations that are in one of these states, oldest first."""
    marks = ", ".join("?" * len(states))
    sql = f"SELECT {_COLUMNS} FROM migrations WHERE state IN ({marks}) ORDER BY migration_id"
    return [Migration(*row) for row in statements.run(connection, sql, tuple(states))]


def page(connection: Connection, offset: int, limit: int) -> tuple[list[Migration], int]:
    """Migrations, newest first, and how many there are."""
    sql = f"SELECT {_COLUMNS} FROM migrations ORDER BY migration_id DESC LIMIT ? OFFSET ?"
    rows = statements.run(connection, sql, (limit, offset))
    return [Migration(*row) for row in rows], statements.value(connection, "SELECT COUNT(*) FROM migrations")


def undone(connection: Connection) -> frozenset[str]:
    """The migrations that were taken back."""
    rows = statements.run(connection, "SELECT migration_id FROM migrations WHERE state IN ('undoing', 'undone')")
    return frozenset(row[0] for row in rows)


def are_known(connection: Connection) -> bool:
    """Whether this database has heard of migrations: one that nobody has started since may not."""
    return inspect(connection).has_table("migrations")


class Taken(msgspec.Struct):
    """The keys that are taken, with their entries' data; and the texts under which undone ones are claimed anew."""

    claims: dict[str, Claim]
    data: dict[str, Any]
    anew: dict[str, str]


def taken(connection: Connection, keys: Iterable[str], without: frozenset[str]) -> Taken:
    """Look these keys up; those whose migration is one of `without` are free again, under their next text."""
    found = Taken({}, {}, {})
    wanted = {claim_text(key): key for key in keys}
    for generation in range(1, MOST_GENERATIONS):
        again = {}
        for text, fingerprint, subject, stored in _rows(connection, wanted):
            key, data = wanted[text], msgspec.json.decode(stored)
            claim = _claim(fingerprint, subject, data)
            found.data[key] = data
            if claim.migration_id in without:
                found.anew[key] = claim_text(key, generation + 1)
                again[found.anew[key]] = key
            else:
                found.claims[key] = claim
        if not again:
            break
        wanted = again
    return found


def _rows(connection: Connection, texts: Iterable[str]) -> list[statements.Row]:
    columns = "idempotency_key, fingerprint, subject, data"
    return statements.select_in(connection, columns, "entries", "idempotency_key", texts)


def _claim(fingerprint: bytes | None, subject: str, data: dict[str, Any]) -> Claim:
    if "migration" in data:
        return Claim(fingerprint, subject, data["migration"], data["source"])
    return Claim(fingerprint, subject, data["after"]["metadata"]["imported"]["migration"], "")


def policy_versions(connection: Connection, policy_id: str) -> list[Policy]:
    """A policy as it was and is, oldest version first."""
    sql = "SELECT content FROM policies WHERE policy_id = ? ORDER BY version"
    return [msgspec.json.decode(row[0], type=Policy) for row in statements.run(connection, sql, (policy_id,))]


def imported(connection: Connection, after: int, limit: int) -> list[tuple[int, str, dict[str, Any]]]:
    """The next imported things of any migration: number, id, and what their entry says."""
    sql = "SELECT seq, subject, data FROM entries WHERE seq > ? AND kind = 'imported' ORDER BY seq LIMIT ?"
    rows = statements.run(connection, sql, (after, limit))
    return [(row[0], row[1], msgspec.json.decode(row[2])) for row in rows]


_STRIDE = 50_000


def booked(connection: Connection, after: int, data: str) -> Iterator[statements.Row]:
    """What one file of a source has booked: provider, model, component, day; records, tokens by side and all, cost.

    Summed a stretch of the journal at a time, so that sorting it needs no more memory for more of it.
    """
    names = "r.provider, r.model, r.component, r.day_start"
    sums = "SUM(r.input_tokens), SUM(r.output_tokens), SUM(r.total_tokens), SUM(r.cost)"
    sql = (
        f"SELECT {names}, COUNT(*), {sums} FROM entries AS e JOIN usage_records AS r ON r.seq = e.seq "
        f"WHERE e.seq > ? AND e.seq <= ? AND e.kind = 'imported' AND e.data = ? GROUP BY {names}"
    )
    for start in range(after, journal.head(connection).seq, _STRIDE):
        yield from statements.run(connection, sql, (start, start + _STRIDE, data))


class Seen:
    """Keys that a rehearsal has come across, beside the memory: an old ledger may hold millions."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", check_same_thread=False)  # a file that is nobody else's and goes by itself
        self._rows.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, fingerprint BLOB) WITHOUT ROWID")

    def add(self, key: str, fingerprint: bytes) -> bytes | None:
        """Remember a key; gives the fingerprint under which it was seen before, if it was."""
        row = self._rows.execute("SELECT fingerprint FROM seen WHERE key = ?", (key,)).fetchone()
        if row is None:
            self._rows.execute("INSERT INTO seen VALUES (?, ?)", (key, fingerprint))
            return None
        before: bytes = row[0]
        return before

    def close(self) -> None:
        """Forget them."""
        self._rows.close()
