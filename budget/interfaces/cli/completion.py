"""Completion in bash, zsh and fish: the script that asks, and the answer to it."""

import argparse
import os
import sys
from typing import Final

import argcomplete
from argcomplete.shell_integration import shellcode

from budget.interfaces.cli import exits
from budget.interfaces.cli.parsers import Parser
from budget.settings import Settings

SHELLS: Final = ("bash", "zsh", "fish")


def add_commands(parser: Parser) -> None:
    """What `budget completion` can be told."""
    parser.add_argument("shell", choices=SHELLS, help="put what is printed into its start file, or eval it")
    parser.set_defaults(run=run)


def run(_: Settings, given: argparse.Namespace) -> int:
    """Print the script."""
    sys.stdout.write(shellcode(["budget"], shell=given.shell))
    return exits.DONE


def answer(parser: Parser) -> None:
    """What could stand next, for the shell that asks; ends the process."""
    fill(parser, os.environ.get("COMP_LINE", "").split())
    argcomplete.autocomplete(parser)


def fill(parser: Parser, words: list[str]) -> None:
    """Fill what is named, on each level: argcomplete looks into a parser before it asks it anything."""
    for named in groups(parser.filled()):
        if named.word in words or named.word.replace("-", "_") in words:
            fill(named, words)


def fill_all(parser: Parser) -> None:
    """Fill everything: a shell has the time, once."""
    for group in groups(parser.filled()):
        fill_all(group)


def groups(parser: Parser) -> list[Parser]:
    """A parser's commands, each once."""
    found = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001 -- argparse has no other way
    return list({id(made): made for choices in found for made in choices.values()}.values())
