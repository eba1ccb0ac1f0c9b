"""Move a ledger to another database: copied in one transaction, then rebuilt and compared on both sides."""

from typing import Any

from budget.domain.errors import Conflict, Invalid, NotFound
from budget.engine.verification import verify
from budget.storage import copying, journal
from budget.storage.database import Database


def copy(source_url: str, target_url: str) -> dict[str, Any]:
    """Copy everything and verify both; gives the rows of each table and what was verified.

    An SQLite source must not be in use (`Locked`); on PostgreSQL stop the replicas first: what they write later stays
    behind.
    """
    source, target = Database(source_url), Database(target_url)
    try:
        if source.path is not None and not source.path.is_file():
            raise NotFound(f"there is no database at {source_url}", field="from")
        if source.is_shared and target.is_shared:
            raise Invalid("to", "from PostgreSQL to PostgreSQL `pg_dump` and `pg_restore` do this better")
        if source.path is not None and source.path == target.path:
            raise Invalid("to", "is the source itself")
        for database in (source, target):
            database.lock()
        rows = source.read_now(
            lambda reading: target.write_now(lambda writing: copying.copy(reading, writing))  # one snapshot of all
        )
        heads = [database.read_now(journal.head) for database in (source, target)]
    finally:
        source.close()
        target.close()
    if heads[0] != heads[1]:
        raise Conflict("the source was written to while it was copied: stop Budget, empty the target and copy again")
    return {"rows": rows, "source": verify(source_url), "target": verify(target_url)}
