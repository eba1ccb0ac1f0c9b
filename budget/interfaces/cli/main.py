"""The `budget` command: its parser, and how a command that fails ends."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from budget import settings, tracing
from budget.domain.errors import BudgetError
from budget.interfaces.cli import call, database, migrate, sim
from budget.settings import Settings, SettingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    parsed = _parser().parse_args(arguments)
    try:
        given = settings.load(os.environ)
        if given.debug:
            tracing.install()  # before the rest is imported
        status: int = parsed.run(given, parsed)
    except (SettingsError, BudgetError) as error:
        message = error.message if isinstance(error, BudgetError) else str(error)
        return fail(message)
    return status


def fail(message: str) -> int:
    """One clear line on stderr, and the exit status for it."""
    print(f"budget: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="budget", description="Tekton's one place for LLM tokens and money.")
    parser.add_argument("--version", action="version", version=f"budget {version('tekton-budget')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run the service; it is configured by BUDGET_* variables",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_settings_table(),
    )
    serve.set_defaults(run=_serve)
    verify = commands.add_parser("verify", help="rebuild every figure from the journal and compare; reads only")
    verify.set_defaults(run=_verify)
    calling = commands.add_parser("call", help="ask a running service for any operation; without one, list them all")
    call.add_arguments(calling)
    calling.set_defaults(run=call.run)
    database.add_commands(commands.add_parser("db", help="the database itself: copy it to another one"))
    migrate.add_commands(commands.add_parser("migrate", help="take over what Rhetor or Apollo left on disk"))
    simulate = commands.add_parser("sim", help="try to break the promises, from seeds, on databases of its own")
    sim.add_arguments(simulate)
    simulate.set_defaults(run=sim.run)
    return parser


def _settings_table() -> str:
    rows = (
        f"  {variable.name:<38} {variable.meaning} (default: {variable.default or 'none'})"
        for variable in settings.KNOWN_VARIABLES
        if variable.treatment is settings.Treatment.HONOURED
    )
    return "environment variables:\n" + "\n".join(rows)


def _serve(given: Settings, _: argparse.Namespace) -> int:
    from budget.interfaces.cli import serve  # noqa: PLC0415 -- slow to import

    return serve.run(given)


def _verify(given: Settings, _: argparse.Namespace) -> int:
    from budget.engine.verification import verify  # noqa: PLC0415 -- slow to import

    path = given.database_path
    if path is not None and not path.is_file():
        return fail(f"there is no database at {given.database_url}")
    found = verify(given.database_url)
    print(json.dumps(found))
    return 1 if found["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
