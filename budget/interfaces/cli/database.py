"""`budget db`: what can be done with a database while the service stands still."""

import argparse
import json
from typing import Any

from budget.domain.errors import Invalid
from budget.interfaces.cli import exits, verify
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
