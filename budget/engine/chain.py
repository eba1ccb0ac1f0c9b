"""The journal's chain of hashes: checked in the database, written to a file, and checked there without a service.

An export has one line for each entry, exactly as it was hashed, and after each batch a line with its hash. Every byte
is looked at: entries by the hash, the other lines by being what they must be.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from budget.domain.errors import Invalid
from budget.storage import chain
from budget.storage.chain import FIRST, digest_of
from budget.storage.database import Connection, Database

HEADER = b'{"journal":"budget","version":1}\n'
LONGEST_LINE = 64 * 1024 * 1024


class Found(NamedTuple):
    """What a check came to."""

    entries: int
    batches: int
    hash: bytes
    altered: dict[str, Any] | None
    """The first batch that is not as it was written; None when all are."""

    def shown(self) -> dict[str, Any]:
        """As a report."""
        report = {"entries": self.entries, "batches": self.batches, "hash": self.hash.hex()}
        return report if self.altered is None else {**report, "altered": self.altered}


def verify(url: str) -> dict[str, Any]:
    """Check the chain of a database, read-only."""
    return _read(url, _verify).shown()


def export(url: str, path: Path) -> dict[str, Any]:
    """Write the journal to a file that must not be there yet, checking the chain on the way."""
    with path.open("xb") as file:
        return _read(url, lambda connection: _export(connection, file)).shown()


def verify_file(path: Path) -> dict[str, Any]:
    """Check an export, without database or service."""
    with path.open("rb") as file:
        return _verify_lines(file).shown()


def _read(url: str, work: Any) -> Found:
    database = Database(url)
    try:
        found: Found = database.read_now(work)
    finally:
        database.close()
    return found


def _verify(connection: Connection) -> Found:
    return _check(connection, None)


def _export(connection: Connection, file: BinaryIO) -> Found:
    file.write(HEADER)
    found = _check(connection, file)
    file.write(_end(found.entries, found.hash))
    return found


def _check(connection: Connection, file: BinaryIO | None) -> Found:
    before, seq, count = FIRST, 0, 0
    altered: dict[str, Any] | None = None
    for batch in chain.batches(connection):
        count += 1
        wrong = None
        if batch.first_seq != seq + 1 or len(batch.lines) != batch.last_seq - seq:
            wrong = "entries are missing, or there are too many"
        elif digest_of(before, batch.lines) != batch.hash:
            wrong = "its entries are not those that were written"
        if wrong is not None and altered is None:
            altered = _altered(batch.first_seq, batch.last_seq, wrong)
        if file is not None:
            file.writelines(line + b"\n" for line in batch.lines)
            file.write(_batch(batch.first_seq, batch.last_seq, batch.hash))
        before, seq = batch.hash, batch.last_seq
    if altered is None and (seq, before) != chain.head(connection):
        altered = _altered(seq, seq, "the journal's head names another last entry or hash")
    return Found(seq, count, before, altered)


def _verify_lines(file: BinaryIO) -> Found:
    before, seq, count, lines = FIRST, 0, 0, list[bytes]()
    reading = _lines(file)
    if next(reading, b"") != HEADER:
        raise Invalid("file", "does not begin as a journal's export does")
    for line in reading:
        if line.startswith(b"["):
            lines.append(line[:-1])
            continue
        first, last = seq + 1, seq + len(lines)
        digest = digest_of(before, lines)
        if not lines and line == _end(seq, before) and next(reading, None) is None:
            return Found(seq, count, before, None)
        if not lines or line != _batch(first, last, digest) or not _numbered(lines, first):
            return Found(seq, count, before, _altered(first, max(last, first), "it is not as it was written"))
        before, seq, count, lines = digest, last, count + 1, []
    return Found(seq, count, before, _altered(seq + 1, seq + 1, "the file ends too early"))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        yield line


def _numbered(lines: list[bytes], first: int) -> bool:
    return all(line.startswith(b"[%d," % seq) for seq, line in enumerate(lines, first))


def _batch(first: int, last: int, digest: bytes) -> bytes:
    return msgspec.json.encode({"first_seq": first, "last_seq": last, "hash": digest.hex()}) + b"\n"


def _end(entries: int, digest: bytes) -> bytes:
    return msgspec.json.encode({"entries": entries, "head": digest.hex()}) + b"\n"


def _altered(first: int, last: int, reason: str) -> dict[str, Any]:
    return {"first_seq": first, "last_seq": last, "reason": reason}
