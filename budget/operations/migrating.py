"""Migrations of older ledgers, as operations: the files are those of the machine that the service runs on."""

from typing import Annotated, Any

from msgspec import Meta

from budget.domain import commands
from budget.domain.entries import Caller
from budget.engine import migrations
from budget.engine.ledger import Ledger
from budget.operations import requests
from budget.operations.writing import Answered

Path = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]


class Migrate(requests.Query, frozen=True, kw_only=True):
    """What to take over; without paths, what lies in the usual places."""

    kind: Annotated[str, Meta(max_length=40, description="rhetor or apollo")]
    paths: Annotated[
        tuple[Path, ...], Meta(max_length=100, description="files or folders, on the service's machine")
    ] = ()
    dry_run: bool = False
    time_zone: Annotated[str, Meta(max_length=60, description="of the old timestamps; default: the host's")] | None = (
        None
    )
    as_warn: Annotated[bool, Meta(description="limits that the old manager never enforced only warn")] = False
    request_id: commands.Key | None = None


class ListMigrations(requests.Query, frozen=True, kw_only=True):
    """Which of them."""

    page: requests.Page = 1
    limit: requests.Limit = 20


class GetMigration(requests.Query, frozen=True, kw_only=True):
    """Which migration."""

    migration_id: requests.Id = ""


class UndoMigration(requests.Query, frozen=True, kw_only=True):
    """Which migration."""

    migration_id: requests.Id = ""
    request_id: commands.Key | None = None


async def migrate(ledger: Ledger, asked: Migrate, caller: Caller, key: str | None) -> Answered:
    """Run or rehearse; the answer is the report."""
    request = migrations.request(ledger, asked.kind.lower(), asked.paths, asked.time_zone, as_warn=asked.as_warn)
    if asked.dry_run:
        return Answered(await migrations.rehearse(ledger, request))
    return Answered(*await migrations.take_over(ledger, request, caller, key))


async def list_migrations(ledger: Ledger, asked: ListMigrations) -> dict[str, Any]:
    """Migrations, newest first; one that was interrupted is `running` until the same is asked again."""
    found, total = await migrations.listed(ledger, asked.page, asked.limit)
    return {
        "items": [migrations.shown(migration) for migration in found],
        "total": total,
        "total_exact": True,
        "page": asked.page,
        "limit": asked.limit,
    }


async def get_migration(ledger: Ledger, asked: GetMigration) -> dict[str, Any]:
    """One migration, with its report once it has come to its end."""
    return migrations.shown(await migrations.get(ledger, asked.migration_id))


async def undo_migration(ledger: Ledger, asked: UndoMigration, caller: Caller, _: str | None) -> Answered:
    """It needs no key: what has been taken back is not taken back again."""
    return Answered(await migrations.undo(ledger, asked.migration_id, caller))
