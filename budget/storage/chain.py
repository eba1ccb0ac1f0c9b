"""The chain of batch hashes, read from the database: each covers its entries and, by the hash before, all others."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from budget.domain.entries import encode
from budget.storage import journal, statements, tables

FIRST = b""
"""What the first batch is chained to."""

_AT_A_TIME = 500


class Batch(NamedTuple):
    """One batch: its numbers, the hash that was stored with it, and its entries as they were hashed."""

    first_seq: int
    last_seq: int
    hash: bytes
    lines: list[bytes]


def batches(connection: Connection) -> Iterator[Batch]:
    """Every batch in order, a bounded number in memory."""
    sql = "SELECT first_seq, last_seq, hash FROM batches WHERE last_seq > ? ORDER BY last_seq LIMIT ?"
    after = 0
    while found := statements.run(connection, sql, (after, _AT_A_TIME)):
        for first, last, digest in found:
            yield Batch(first, last, bytes(digest), _lines(connection, first, last))
        after = found[-1][1]


def head(connection: Connection) -> tuple[int, bytes]:
    """The last number and the last hash, as the journal's head has them."""
    found = journal.head(connection)
    return found.seq, bytes(found.hash)


def digest_of(before: bytes, lines: list[bytes]) -> bytes:
    """The hash of a batch from its entries' texts: the same as `journal.batch_hash` of its rows."""
    digest = hashlib.sha256(before)
    digest.update(b"[" + b",".join(lines) + b"]")
    return digest.digest()


_COLUMNS = statements.columns_of(tables.entries)


def _lines(connection: Connection, first: int, last: int) -> list[bytes]:
    sql = f"SELECT {_COLUMNS} FROM entries WHERE seq BETWEEN ? AND ? ORDER BY seq"
    return [encode(tuple(row)) for row in statements.run(connection, sql, (first, last))]
