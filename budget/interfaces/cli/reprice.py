"""`budget reprice`: what pricing anew would change, then, if that is wanted, doing it."""

import argparse
import sys
from typing import Any, Final

from budget.interfaces.cli import answers, exits
from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import Parser
from budget.interfaces.cli.session import Session
from budget.settings import Settings

FIELDS: Final = ("budget_id", "provider", "model", "records", "cost_before", "cost_after", "difference")


def add_commands(parser: Parser) -> None:
    """Its options."""
    parser.add_argument("--from", dest="from", metavar="TIME", required=True, help="YYYY-MM-DD, or date and time")
    parser.add_argument("--to", metavar="TIME", required=True, help="likewise; a date includes that day")
    parser.add_argument("--provider", metavar="NAME", help="one provider's usage")
    parser.add_argument("--model", metavar="NAME", help="one model's")
    parser.add_argument("--budget", dest="budget_id", metavar="BUDGET", help="one budget's, by id or name")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask back")
    parser.set_defaults(run=run)


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Rehearse, show, ask, do."""
    named = ("from", "to", "provider", "model", "budget_id")
    request = {name: value for name in named if (value := getattr(given, name)) is not None}
    with Session(settings, given) as session:
        if "budget_id" in request:
            request["budget_id"] = answers.budget_id(session, request["budget_id"])
        found = session.ask("reprice_usage", **request, dry_run=True)
        if given.dry_run or not found["rows"]:
            _show(session, found)
            return exits.DONE
        if not given.yes:
            _show(session, found)
            _be_sure(found)
        _show(session, session.ask("reprice_usage", **request, dry_run=False))
    return exits.DONE


def _show(session: Session, found: dict[str, Any]) -> None:
    session.out.rows(found["rows"], "Repriced", FIELDS, whole=found)
    totals = found["totals"]
    done = "would change" if found["dry_run"] else "changed"
    session.out.remark(f"{totals['records']:,} records {done}, by ${totals['difference']}")


def _be_sure(found: dict[str, Any]) -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Failed("reprice: --yes says that it is meant, --dry-run only looks", exits.USAGE)
    print(f"correct {found['totals']['records']:,} records? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Failed("nothing was changed")
