"""`budget verify`: every figure rebuilt from the journal and compared."""

import argparse
import json

from budget.interfaces.cli import exits
from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import Parser
from budget.settings import Settings


def add_commands(parser: Parser) -> None:
    """It takes nothing: BUDGET_DATABASE_URL or BUDGET_DB_PATH say where."""
    parser.set_defaults(run=run)


def run(settings: Settings, _: argparse.Namespace) -> int:
    """Rebuild and compare, beside a running service or not."""
    from budget.engine.verification import verify  # noqa: PLC0415 -- slow to import

    path = settings.database_path
    if path is not None and not path.is_file():
        raise Failed(f"there is no database at {settings.database_url}")
    found = verify(settings.database_url)
    print(json.dumps(found))
    return exits.FAILED if found["differences"] else exits.DONE
