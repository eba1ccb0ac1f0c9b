"""The parser of the command line: groups are filled when they are used, and what is wrong is one sentence."""

import argparse
import difflib
import importlib
import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Final, NoReturn, cast

from budget.interfaces.cli import exits
from budget.interfaces.cli.groups import GROUPS, Group

FORMATS: Final = ("table", "json", "csv", "tsv", "markdown")


class Parser(argparse.ArgumentParser):
    """A parser whose commands may be added when it is first asked."""

    fill: Callable[["Parser"], None] | None = None
    word: str = ""
    """The last word of its command."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **how})

    def filled(self) -> "Parser":
        """The same, with its commands."""
        if self.fill is not None:
            fill, self.fill = self.fill, None
            fill(self)
        return self

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """What argparse calls for a command too, once its word is read."""
        return super(Parser, self.filled()).parse_known_args(args, namespace)

    def commands(self, *, required: bool = True) -> "Commands":
        """A place for this parser's commands."""
        made = self.add_subparsers(title="commands", required=required, metavar="COMMAND", parser_class=Parser)
        return Commands(made, self.word, self._defaults.get("asks", False))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:  # noqa: SLF001 -- see above
            words = [str(choice.dest) for choice in action._choices_actions]  # noqa: SLF001 -- likewise
            near = difflib.get_close_matches(str(value), words, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(words)}"
            self.error(f"there is no command {str(value)[:60]!r}; {hint}")
        super()._check_value(action, value)

    def error(self, message: str) -> NoReturn:
        """One sentence on stderr, and what to do next."""
        self.exit(
            exits.USAGE, f"budget: {_plain(message)}; see `{self.prog.strip()} --help`\n".replace("` --help", "`help")
        )


class Commands:
    """The commands of one parser."""

    def __init__(self, action: Any, group: str, asks: bool) -> None:  # noqa: FBT001 -- only `Parser.commands` calls it
        self.group = group
        self._action = action
        self._asks = asks

    def add(self, name: str, help: str, *, asks: bool | None = None, **how: Any) -> Parser:  # noqa: A002 -- argparse's
        """A command, which asks a service if its group does; Tekton writes underscores for its hyphens."""
        made = cast("Parser", self._action.add_parser(name, help=help, description=_sentence(help), **how))
        made.word = name
        asks = self._asks if asks is None else asks
        made.set_defaults(asks=asks)
        if asks:
            add_shared(made)
        self._action.choices[name.replace("-", "_")] = made
        return made

    add_parser = add


def parser(prog: str = "budget", groups: tuple[Group, ...] = GROUPS) -> Parser:
    """The whole command line; each group still to be filled."""
    made = Parser(prog=prog, description="Tekton's one place for LLM tokens and money.")
    made.add_argument("--version", action="version", version=f"budget {version('tekton-budget')}")
    made.add_argument(
        "--debug", action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help="tell of every call"
    )
    made.set_defaults(says="budget")
    add_shared(made)
    commands = made.commands()
    for group in groups:
        word = commands.add(group.name, group.help)
        word.set_defaults(asks=group.asks)
        word.fill = _filling(group)
    return made


def _filling(group: Group) -> Callable[[Parser], None]:
    def fill(made: Parser) -> None:
        if group.asks:
            add_shared(made)
        importlib.import_module(f"budget.interfaces.cli.{group.module}").add_commands(made)

    return fill


def add_shared(made: Parser) -> None:
    """What every command that asks a service takes; it may stand before the command, too."""
    add = add_service(made)
    add("--format", choices=FORMATS, help="how to print (default: table)")
    add("--utc", action="store_true", help="times in UTC, not in the budget's zone")
    add("--quiet", "-q", action="store_true", help="ids alone, and no remarks")
    add("--verbose", "-v", action="store_true", help="say what is asked, on stderr")


def add_service(made: Parser) -> Callable[..., None]:
    """Which service, for a command that prints nothing; gives what adds to the same group of options."""
    shared = made.add_argument_group("service and output")

    def add(*names: str, **how: Any) -> None:
        shared.add_argument(*names, default=argparse.SUPPRESS, **how)

    add("--api-url", metavar="URL", help="the service (default: http://localhost:8013, or what `budget config` says)")
    add("--api-key", metavar="KEY", help="the API key to send; better kept in BUDGET_API_KEY or a profile")
    add("--profile", metavar="NAME", help="a profile of `budget config`")
    add("--timeout", metavar="SECONDS", dest="timeout_seconds", help="for one answer (default: 10)")
    return add


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


_INVALID: Final = re.compile(r"^argument (\S+): (.*)$", re.DOTALL)


def _plain(message: str) -> str:
    """Argparse's message in one line."""
    found = _INVALID.match(message)
    return " ".join((f"{found[1]}: {found[2]}" if found else message).split())
