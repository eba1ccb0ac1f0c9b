"""Bring a database's tables up to date with Alembic, which is imported only when there is something to do (0.9 s)."""

from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

_BESIDE = Path(__file__).parents[2] / "migrations"
_INSIDE = Path(__file__).parents[1] / "_migrations"
SCRIPTS = _BESIDE if _BESIDE.is_dir() else _INSIDE
"""In a checkout beside the package, in a wheel inside it."""


def newest() -> str:
    """The revision that this code needs: the name of the last file, which starts with its number."""
    return max(path.stem for path in (SCRIPTS / "versions").glob("[0-9]*.py"))


def current(url: str) -> str | None:
    """The revision of a database; None for an empty one."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found


def upgrade(url: str) -> None:
    """Run the migrations that are missing."""
    if current(url) != newest():
        from alembic import command  # noqa: PLC0415 -- slow to import

        command.upgrade(configuration(url), "head")


def configuration(url: str) -> Any:
    """Alembic's configuration for this database."""
    from alembic.config import Config  # noqa: PLC0415 -- slow to import

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config
