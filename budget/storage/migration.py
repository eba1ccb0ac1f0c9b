"""Bring a database's tables up to date with Alembic, which is imported only when there is something to do (0.9 s)."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect

from budget.storage import statements

_BESIDE = Path(__file__).parents[2] / "migrations"
_INSIDE = Path(__file__).parents[1] / "_migrations"
SCRIPTS = _BESIDE if _BESIDE.is_dir() else _INSIDE
"""In a checkout beside the package, in a wheel inside it."""


def newest() -> str:
    """The revision that this code needs: the name of the last file, which starts with its number."""
    return max(path.stem for path in (SCRIPTS / "versions").glob("[0-9]*.py"))


def current(connection: Connection) -> str | None:
    """The revision of a database; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = statements.first(connection, "SELECT version_num FROM alembic_version")
    return None if row is None else row[0]


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, in the caller's transaction; replicas that start together take turns."""
    statements.take_turns(connection)
    if current(connection) != newest():
        from alembic import command  # noqa: PLC0415 -- slow to import

        command.upgrade(configuration(connection), "head")


def configuration(connection: Connection) -> Any:
    """Alembic's configuration for this connection."""
    from alembic.config import Config  # noqa: PLC0415 -- slow to import

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    return config
