"""`budget export`: usage as a file, or to standard output, written as the service sends it."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import httpx

from budget.client.exchange import error_of
from budget.interfaces.cli import answers, exits
from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import Parser, add_service
from budget.interfaces.cli.session import Session
from budget.operations.exports import FORMS, KINDS
from budget.settings import Settings

_HELP: Final = {"usage": "Budget's own records", "focus": "rows of FOCUS 1.3, with reversals and credits"}


def add_commands(parser: Parser) -> None:
    """One command for each kind of file."""
    commands = parser.commands()
    for kind in KINDS:
        command = commands.add(kind, _HELP[kind])
        add_service(command)
        command.add_argument("--format", dest="form", choices=tuple(FORMS), default="csv", help="of the file")
        command.add_argument("--output", "-o", metavar="FILE", type=Path, help="a file; without it standard output")
        command.add_argument("--from", dest="from", metavar="TIME", help="YYYY-MM-DD, or date and time")
        command.add_argument("--to", metavar="TIME", help="likewise; a date includes that day")
        command.add_argument("--budget-id", metavar="BUDGET", help="one budget's, by id or name")
        command.add_argument("--component", metavar="NAME", help="one component's")
        for name, meaning in (
            ("include-overlap", "what came from Apollo, too, though Rhetor may have seen it"),
            ("include-superseded", "what was corrected or voided, too"),
            ("pseudonymise-users", "users under names that no other export has, and no metadata"),
        ):
            command.add_argument(f"--{name}", action="store_true", help=meaning)
        command.set_defaults(run=run, kind=kind)


_FIELDS: Final = ("from", "to", "budget_id", "component")
_SWITCHES: Final = ("include_overlap", "include_superseded", "pseudonymise_users")


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Fetch the file; one that could not be fetched whole is not left behind."""
    asked = {"format": given.form}
    asked |= {name: value for name in _FIELDS if (value := getattr(given, name)) is not None}
    asked |= {name: "true" for name in _SWITCHES if getattr(given, name)}
    with Session(settings, given) as session:
        if "budget_id" in asked:
            asked["budget_id"] = answers.budget_id(session, asked["budget_id"])
        with _opened(given.output) as file:
            _fetch(session, f"{session.url}/api/exports/{given.kind}", asked, file)
    return exits.DONE


def _fetch(session: Session, url: str, asked: dict[str, Any], file: IO[bytes]) -> None:
    headers = {} if session.api_key is None else {"X-API-Key": session.api_key}
    begun = False
    try:
        with httpx.stream(
            "GET", url, params=asked, headers=headers, timeout=session.timeout_seconds, trust_env=False
        ) as answer:
            if not answer.is_success:
                answer.read()
                raise session.explained(error_of(answer))
            for piece in answer.iter_bytes():
                file.write(piece)
                begun = True
    except httpx.HTTPError as error:
        said = "the export broke off" if begun else f"nothing answers as Budget does at {session.url}"
        raise Failed(f"{said} ({type(error).__name__}); try again", exits.UNREACHABLE) from error


@contextmanager
def _opened(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        yield sys.stdout.buffer
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise Failed(f"argument --output: {path} cannot be written: {error.strerror}", exits.USAGE) from error
    finally:
        part.unlink(missing_ok=True)
