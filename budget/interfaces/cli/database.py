"""`budget db`: what can be done with a database while the service stands still."""

import argparse
import json
from typing import Any

from budget.domain.errors import Invalid
from budget.interfaces.cli.parsers import Parser
from budget.settings import Settings


def add_commands(parser: Parser) -> None:
    """The commands of `budget db`."""
    commands = parser.commands()
    copy = commands.add("copy", help="copy a ledger into an empty database of either kind, and verify both")
    copy.add_argument("source", metavar="FROM", help="an SQLite file, or a URL as BUDGET_DATABASE_URL takes it")
    copy.add_argument("target", metavar="TO", help="likewise; it must be empty")
    copy.set_defaults(run=_copy)


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
