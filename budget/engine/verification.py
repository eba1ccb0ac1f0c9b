"""Rebuild the ledger and compare: the number that is enforced is the number in the journal (P1)."""

from typing import Any

from budget.storage import verification
from budget.storage.database import Database


def verify(url: str) -> dict[str, Any]:
    """Rebuild all balances and rollups of a database, read-only, and say how many differ."""
    database = Database(url)
    try:
        found = database.read_now(verification.verify)
    finally:
        database.close()
    report: dict[str, Any] = {
        "entries": found.entries,
        "balances": found.balances,
        "rollups": found.rollups,
        "differences": found.differences,
    }
    return {**report, "examples": found.examples} if found.examples else report
