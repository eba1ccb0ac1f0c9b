"""`budget verify`: every figure rebuilt from the journal, or the chain of hashes, in the database or in an export."""

import argparse
import json
from pathlib import Path

from budget.interfaces.cli import exits
from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import Parser
from budget.settings import Settings


def add_commands(parser: Parser) -> None:
    """BUDGET_DATABASE_URL or BUDGET_DB_PATH say which database."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="an export (`budget db export`) instead")
    parser.add_argument("--chain", action="store_true", help="check the hashes of the batches instead of the figures")
    parser.set_defaults(run=run)


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Check, beside a running service or without one."""
    from budget.engine import chain, verification  # noqa: PLC0415 -- slow to import

    file = getattr(given, "file", None)
    if file is not None:
        if not file.is_file():
            raise Failed(f"there is no file {file}")
        return _said(chain.verify_file(file))
    path = settings.database_path
    if path is not None and not path.is_file():
        raise Failed(f"there is no database at {settings.database_url}")
    if getattr(given, "chain", False):
        return _said(chain.verify(settings.database_url))
    return _said(verification.verify(settings.database_url))


def _said(found: dict[str, object]) -> int:
    print(json.dumps(found))
    return exits.FAILED if found.get("differences") or "altered" in found else exits.DONE
