"""Which revision a database has, and bringing it to the newest: what a start of the service does by itself."""

from typing import Any

from budget.domain.errors import NotFound
from budget.storage import migration
from budget.storage.database import Database


def revisions(url: str) -> dict[str, Any]:
    """The revision of a database (null for an empty one) and the one that this version needs; reads only."""
    database = Database(url)
    try:
        if database.path is not None and not database.path.is_file():
            raise NotFound(f"there is no database at {url}")
        current = database.read_now(migration.current)
    finally:
        database.close()
    return {"current": current, "newest": migration.newest(), "up_to_date": current == migration.newest()}


def upgrade(url: str) -> dict[str, Any]:
    """Bring it to the newest revision, made if there is none; `Locked` while a service runs on it."""
    database = Database(url)
    try:
        database.lock()
        before = database.read_now(migration.current)
        database.write_now(migration.upgrade)
    finally:
        database.close()
    return {"before": before, "current": migration.newest()}
