"""`budget call OPERATION`: any operation of the catalogue by its name, its options made from its request.

What has no command of its own is reached so, what is new too; the answer is JSON unless `--format` says otherwise.
"""

import argparse
import sys

from budget.interfaces.cli import exits, options
from budget.interfaces.cli.parsers import Parser, add_shared
from budget.settings import Settings


def add_commands(parser: Parser) -> None:
    """What `budget call` can be told; an operation's own options are known when it is."""
    parser.add_argument("operation", nargs="?", metavar="OPERATION", help="without one, all are listed")
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="…", help="OPERATION --help lists them")
    parser.set_defaults(run=run)


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Send one operation."""
    # Here, because the catalogue takes longer to load than `--help` may take.
    from budget.interfaces.cli import answers  # noqa: PLC0415
    from budget.interfaces.cli.session import Session  # noqa: PLC0415
    from budget.operations.catalogue import BY_NAME, CATALOGUE  # noqa: PLC0415

    if given.operation is None:
        for listed in CATALOGUE:
            print(f"{listed.name:<28}{listed.description}")
        return exits.DONE
    operation = BY_NAME.get(given.operation.replace("-", "_"))
    if operation is None:
        print(f"budget: there is no operation {given.operation!r}; `budget call` lists them", file=sys.stderr)
        return exits.USAGE
    parser = Parser(prog=f"budget call {operation.name}", description=operation.description)
    add_shared(parser)
    options.add(parser, operation)
    told = parser.parse_args(given.options, argparse.Namespace(**{"format": "json", **vars(given)}))
    given.format = told.format  # a refusal is told in it, too
    request = options.asked(told)
    problem = options.wrong(operation, request)
    if problem is not None:
        parser.error(problem)
    with Session(settings, told) as session:
        answers.show(session, operation, session.ask(operation.name, **request))
    return exits.DONE
