"""`budget shell`: the commands without the prefix, at a prompt with history, completion and help.

The standard library's readline edits the line, and argcomplete answers what could stand next, as in any other shell.
"""

import argparse
import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from argcomplete.completers import SuppressCompleter
from argcomplete.finders import CompletionFinder

from budget.interfaces.cli import completion, exits, main, parsers, profiles
from budget.interfaces.cli.parsers import Parser
from budget.settings import Settings

PROMPT: Final = "budget> "
MORE: Final = "   ...> "
MOST_LINES: Final = 1_000
"""Of history."""
_HANDED_ON: Final = ("api_url", "api_key", "profile", "timeout_seconds", "format")


class Unreadable(Exception):
    """The line is no command, and no further one can make it one."""


class Unfinished(Unreadable):
    """The line needs another one: a quote or a bracket is still open."""


def add_commands(parser: Parser) -> None:
    """It takes what every command takes, and hands it on."""
    parser.set_defaults(run=run)


def run(_: Settings, given: argparse.Namespace) -> int:
    """One command after the other, until Ctrl-D or `exit`."""
    with contextlib.suppress(ImportError):  # on a platform without it lines are plain
        _edit_lines()
    if sys.stdin.isatty():
        print("`help` lists the commands, TAB completes, Ctrl-C ends a command, Ctrl-D the shell.")
    status = exits.DONE
    with _handed_on(given):
        while True:
            try:
                words = _read()
                if words in (["exit"], ["quit"]):
                    break
                status = run_words(words) if words else status
            except EOFError:
                break
            except KeyboardInterrupt:  # wherever it finds us, the shell goes on
                print()
            except Unreadable as error:
                print(f"budget: {error}", file=sys.stderr)
    if sys.stdin.isatty():
        print()
    return status if not sys.stdin.isatty() else exits.DONE


def run_words(words: list[str]) -> int:
    """One command; whatever becomes of it, the shell goes on."""
    if words[0] == "help":
        words = [*words[1:], "--help"]
    if words[0] in ("shell", "serve", "start"):
        print(f"budget: {words[0]} is no command of the shell", file=sys.stderr)
        return exits.USAGE
    try:
        return main.main(words, parsers.parser(prog=""))
    except SystemExit as ended:  # argparse's way to end after --help and after a wrong line
        return ended.code if isinstance(ended.code, int) else exits.USAGE


def split(text: str) -> list[str]:
    """The words of a command: quoted as in a shell; JSON in brackets is one word as it stands.

    >>> split('call x --json {"a": [1, 2]} "b c"')
    ['call', 'x', '--json', '{"a": [1, 2]}', 'b c']
    """
    for at in (at for at, sign in enumerate(text) if sign in "{[" and text[at - 1 : at] in ("", " ", "\n")):
        before = text[:at]
        try:
            words = shlex.split(before)
        except ValueError:
            continue  # it stands inside quotes
        try:
            _, end = json.JSONDecoder().raw_decode(text, at)
        except ValueError as error:
            if isinstance(error, json.JSONDecodeError) and error.pos >= len(text.rstrip()):
                raise Unfinished("the JSON is not finished") from None
            raise Unreadable(f"this is not JSON: {error}") from None
        return [*words, text[at:end], *split(text[end:])]
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Unfinished(f"{error}") from None


def _read() -> list[str]:
    at_terminal = sys.stdin.isatty()
    text = input(PROMPT if at_terminal else "")
    while True:
        try:
            return split(text)
        except Unfinished as error:
            try:
                text += "\n" + input(MORE if at_terminal else "")
            except EOFError:
                raise Unreadable(str(error)) from None


def _edit_lines() -> None:
    import readline  # noqa: PLC0415 -- not on every platform

    parser = parsers.parser(prog="budget")
    completion.fill_all(parser)
    finder = CompletionFinder(parser, default_completer=SuppressCompleter())
    readline.set_completer_delims("")  # argcomplete cuts the line into words itself
    readline.set_completer(finder.rl_complete)
    readline.parse_and_bind("tab: complete")
    if sys.stdin.isatty():
        _keep_history(readline)


def _keep_history(readline: object) -> None:
    import atexit  # noqa: PLC0415 -- at a terminal only

    file = _history_file()
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        readline.read_history_file(file)  # type: ignore[attr-defined]
    readline.set_history_length(MOST_LINES)  # type: ignore[attr-defined]

    def keep() -> None:
        with contextlib.suppress(OSError):
            readline.write_history_file(file)  # type: ignore[attr-defined]
            file.chmod(0o600)

    atexit.register(keep)


def _history_file() -> Path:
    return profiles.path(os.environ).with_name("history")


@contextlib.contextmanager
def _handed_on(given: argparse.Namespace) -> Iterator[None]:
    """The shell's own options, as the environment of its commands."""
    variables = {"profile": "BUDGET_PROFILE"} | {name: each.variable for name, each in profiles.SETTINGS.items()}
    told = {variables[name]: str(getattr(given, name)) for name in _HANDED_ON if getattr(given, name, None)}
    before = dict(os.environ)
    os.environ.update(told)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
