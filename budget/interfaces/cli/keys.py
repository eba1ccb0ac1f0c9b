"""`budget keys first`: the key that opens a service for its operator, made on the database itself.

A service that is not on loopback answers nobody without a key, so the first one cannot be asked of it.
"""

import argparse
import asyncio
from typing import Any

from budget.domain.entries import Caller
from budget.interfaces.cli import exits
from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import Commands
from budget.settings import Settings


def add_to(commands: Commands) -> None:
    """What the catalogue does not have."""
    first = commands.add("first", "make an admin key on the database itself, while the service stands still")
    first.add_argument("name", nargs="?", default="first", metavar="NAME", help="how it is listed (default: first)")
    first.set_defaults(run=_first)


def _first(settings: Settings, given: argparse.Namespace) -> int:
    from budget.engine.ledger import Locked  # noqa: PLC0415 -- slow to import

    try:
        made = asyncio.run(_make(settings, given.name))
    except Locked:
        raise Failed(
            "the service runs on this database: stop it for a moment, or ask it (budget keys create --api-url URL)"
        ) from None
    print(made)
    return exits.DONE


async def _make(settings: Settings, name: str) -> str:
    from uvicorn.importer import import_from_string  # noqa: PLC0415 -- as `serve` does: interfaces do not know the wiring

    from budget.domain.access_commands import CreateKey  # noqa: PLC0415 -- slow to import

    ledger: Any = import_from_string("budget.app:open_ledger")(settings)
    try:
        await ledger.start()
        here = Caller(address="command line")
        return str((await ledger.submit(CreateKey(name=name, scopes=("admin",)), here)).answer.secret)
    finally:
        await ledger.stop()
