"""`budget db`: what can be done with a database while the service stands still."""

import argparse
import json
from pathlib import Path
from typing import Any

from budget.domain.errors import Invalid
from budget.interfaces.cli import exits, verify
from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import Parser
from budget.settings import Settings


def add_commands(parser: Parser) -> None:
    """The commands of `budget db`."""
    commands = parser.commands()
    copy = commands.add("copy", help="copy a ledger into an empty database of either kind, and verify both")
    copy.add_argument("source", metavar="FROM", help="an SQLite file, or a URL as BUDGET_DATABASE_URL takes it")
    copy.add_argument("target", metavar="TO", help="likewise; it must be empty")
    copy.set_defaults(run=_copy)
    commands.add("current", "the revision of the database, and the one that this version needs").set_defaults(
        run=_current
    )
    upgrade = commands.add("upgrade", "bring the database to the newest revision, as a start of the service does")
    upgrade.set_defaults(run=_upgrade)
    backup = commands.add("backup", help="copy an SQLite ledger to a new file while the service runs, and verify it")
    backup.add_argument("file", type=Path, metavar="FILE")
    backup.set_defaults(run=_backup)
    restore = commands.add("restore", help="put a backup in the ledger's place, verified; the service must not run")
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.set_defaults(run=_restore)
    export = commands.add("export", help="write the journal with its hashes to a file, for `budget verify FILE`")
    export.add_argument("file", type=Path, metavar="FILE")
    export.set_defaults(run=_export)
    commands.add("check", "Tekton's word for `budget verify`").set_defaults(run=verify.run)


def _current(settings: Settings, _: argparse.Namespace) -> int:
    from budget.engine import upgrading  # noqa: PLC0415 -- slow to import

    found = upgrading.revisions(settings.database_url)
    print(json.dumps(found))
    return exits.DONE if found["up_to_date"] else exits.FAILED


def _upgrade(settings: Settings, _: argparse.Namespace) -> int:
    from budget.engine import upgrading  # noqa: PLC0415 -- slow to import

    print(json.dumps(upgrading.upgrade(settings.database_url)))
    return exits.DONE


def _backup(settings: Settings, given: argparse.Namespace) -> int:
    from budget.engine import backups  # noqa: PLC0415 -- slow to import

    print(json.dumps(backups.backup(settings.database_url, given.file)))
    return exits.DONE


def _restore(settings: Settings, given: argparse.Namespace) -> int:
    from budget.engine import backups  # noqa: PLC0415 -- slow to import

    print(json.dumps(backups.restore(settings.database_url, given.file)))
    return exits.DONE


def _export(settings: Settings, given: argparse.Namespace) -> int:
    from budget.engine import chain  # noqa: PLC0415 -- slow to import

    if given.file.exists():
        raise Failed(f"{given.file} is there already; an export never overwrites")
    found = chain.export(settings.database_url, given.file)
    print(json.dumps(found))
    return exits.FAILED if "altered" in found else exits.DONE


def _copy(_: Settings, given: argparse.Namespace) -> int:
    from budget.engine import copying  # noqa: PLC0415 -- slow to import

    found = copying.copy(_url(given.source), _url(given.target))
    print(json.dumps(found))
    return 1 if _differences(found) else 0


def _differences(found: dict[str, Any]) -> int:
    return sum(found[side]["differences"] for side in ("source", "target"))


def _url(given: str) -> str:
    scheme, separator, _ = given.partition("://")
    if separator and scheme not in ("sqlite", "postgresql+asyncpg"):
        raise Invalid("database", f"{given!r} is neither a file, nor sqlite:///PATH, nor postgresql+asyncpg://…")
    return given if separator else f"sqlite:///{given}"
