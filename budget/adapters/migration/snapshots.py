"""A private, consistent copy of an SQLite database that may be in use, or have been left in the middle of a write.

The journal or log beside it is copied too, and the copy is opened, so that SQLite takes back what was never completed
there and not in the original. While it is copied the file is locked as any reader locks it: its owner waits, at most.
"""

import fcntl
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from budget.domain.migrations import SourceFailed

LOCK_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
_BESIDE = ("-wal", "-journal")

# Where SQLite's locks lie in a database file (https://sqlite.org/src/file/src/os.h).
_PENDING = 0x40000000
_SHARED, _SHARED_SIZE = _PENDING + 2, 510


@contextmanager
def private_copy(path: Path, lock_seconds: float = LOCK_SECONDS) -> Iterator[Path]:
    """The copy, in a folder of its own that goes with it; `SourceFailed` when the database stays locked."""
    with tempfile.TemporaryDirectory(prefix="budget-migration-") as folder:
        copy = Path(folder) / "source.db"
        deadline = time.monotonic() + lock_seconds
        with path.open("rb") as source:  # once: closing it would undo the locks that this process has on the file
            while not _copied(source, path, copy):
                if time.monotonic() >= deadline:
                    raise SourceFailed(f"it is locked by another program, for more than {lock_seconds:g} s")
                time.sleep(_PAUSE_SECONDS)
        yield copy


def _copied(source: BinaryIO, path: Path, copy: Path) -> bool:
    """Whether all of it could be copied as of one moment."""
    if not _shared(source.fileno()):
        return False
    before = _marks(path)
    # The log first: what a checkpoint moves meanwhile is then noticed as a change of the file.
    for ending in _BESIDE:
        _copy_beside(Path(f"{path}{ending}"), Path(f"{copy}{ending}"))
    source.seek(0)
    with copy.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return _marks(path) == before


def _copy_beside(path: Path, copy: Path) -> None:
    copy.unlink(missing_ok=True)
    try:
        shutil.copyfile(path, copy)
    except FileNotFoundError:
        return


def _marks(path: Path) -> tuple[object, ...]:
    """What changes when the file is written, or when its log starts anew; a log that only grows does no harm."""
    found = path.stat()
    log = Path(f"{path}-wal")
    journal = Path(f"{path}-journal")
    try:
        with log.open("rb") as opened:
            head = opened.read(32)
    except FileNotFoundError:
        head = b""
    return found.st_size, found.st_mtime_ns, found.st_ino, head, journal.exists()


def _shared(descriptor: int) -> bool:
    """Take the lock that SQLite's readers take; it goes when the file is closed."""
    try:
        _lock(descriptor, _PENDING, 1)
    except OSError:
        return False
    try:
        _lock(descriptor, _SHARED, _SHARED_SIZE)
    except OSError:
        return False
    finally:
        _lock(descriptor, _PENDING, 1, fcntl.F_UNLCK)  # whoever waits to write may say so
    return True


def _lock(descriptor: int, start: int, length: int, kind: int = fcntl.F_RDLCK) -> None:
    command = getattr(fcntl, "F_OFD_SETLK", None)
    if command is None:
        flags = fcntl.LOCK_UN if kind == fcntl.F_UNLCK else fcntl.LOCK_SH | fcntl.LOCK_NB
        fcntl.lockf(descriptor, flags, length, start, os.SEEK_SET)
    else:  # also against locks of this same process, where Linux has them
        fcntl.fcntl(descriptor, command, struct.pack("hhqqi", kind, os.SEEK_SET, start, length, 0))
