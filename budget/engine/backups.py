"""Copies of an SQLite ledger: taken while the service writes, and put in its place; each is verified before it counts.

On PostgreSQL its own tools do this (`docs/security.md`).
"""

from pathlib import Path
from typing import Any

from budget.domain.errors import BudgetError, Conflict, Invalid
from budget.engine import chain, verification
from budget.storage import backups
from budget.storage.database import Database


def backup(url: str, target: Path) -> dict[str, Any]:
    """Copy the ledger as it is at one moment to a new file; the service may write meanwhile."""
    source = _sqlite(url)
    if not source.is_file():
        raise Invalid("database", f"there is no database at {source}")
    if target.exists():
        raise Conflict(f"{target} is there already; a backup never overwrites")
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        backups.copy(source, unfinished)
        report = _verified(unfinished)
        unfinished.rename(target)
    finally:
        backups.remove(unfinished)
    return {"backup": str(target), **report}


def restore(url: str, source: Path) -> dict[str, Any]:
    """Put a backup in the ledger's place, which no service may have open; what was there is kept beside it."""
    target = _sqlite(url)
    if not source.is_file():
        raise Invalid("backup", f"there is no file {source}")
    database = Database(url)
    try:
        database.lock()
        unfinished = target.with_name(target.name + ".unfinished")
        try:
            backups.copy(source, unfinished)
            report = _verified(unfinished)
            kept = backups.replace(target, unfinished)
        finally:
            backups.remove(unfinished)
    finally:
        database.close()
    return {"restored": str(target), "before": None if kept is None else str(kept), **report}


def _verified(path: Path) -> dict[str, Any]:
    url = f"sqlite:///{path}"
    report, chained = verification.verify(url), chain.verify(url)
    if report["differences"] or "altered" in chained:
        raise BudgetError(f"the copy does not add up and is not used: {report} {chained}")
    return {"entries": report["entries"], "differences": 0, "hash": chained["hash"]}


def _sqlite(url: str) -> Path:
    if not url.startswith("sqlite"):
        raise Invalid("database", "this is for SQLite; PostgreSQL has pg_dump and pg_restore")
    return Database.file_of(url)
