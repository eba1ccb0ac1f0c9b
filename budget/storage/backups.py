"""SQLite files, copied as a whole."""

import contextlib
import os
import sqlite3
from pathlib import Path

from budget.domain.errors import Unavailable

_BESIDE = ("", "-wal", "-shm")


def copy(source: Path, target: Path) -> None:
    """Copy what is committed at one moment, by SQLite's own means, and have it on the disk."""
    remove(target)
    try:
        with (
            contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as reading,
            contextlib.closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing)  # all pages in one read transaction: a writer goes on beside it
            writing.execute("PRAGMA journal_mode=DELETE")  # one file, complete by itself
    except sqlite3.DatabaseError as error:
        raise Unavailable(f"{source} cannot be copied to {target}: {error}") from error
    _flush(target)


def replace(target: Path, new: Path) -> Path | None:
    """Put a new file in the place of one that nobody has open; gives where the old one is kept."""
    kept = None
    if target.exists():
        number = 1
        while (kept := target.with_name(f"{target.name}.before-{number}")).exists():
            number += 1
        for ending in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                Path(f"{target}{ending}").rename(f"{kept}{ending}")
    new.rename(target)
    _flush(target.parent)
    return kept


def remove(path: Path) -> None:
    """Take a file away, with what SQLite keeps beside it."""
    for ending in _BESIDE:
        Path(f"{path}{ending}").unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
