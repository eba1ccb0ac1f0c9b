"""Tekton's own commands, as its scripts call them: the same words, options, columns and digits.

`python -m budget.cli.main` has all of them. `budget` has those whose words it does not use itself.
"""

import argparse
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from budget.interfaces.cli import exits, values
from budget.interfaces.cli.groups import GROUPS, Group
from budget.interfaces.cli.parsers import Commands, Parser
from budget.settings import Settings

REPLACED: Final = ("status", "prices", "recommend", "alerts")
"""Words of both: in Tekton's own entry they are Tekton's."""
TASKS: Final = "default"
PRIORITY: Final = 5
DAYS: Final = 7


def groups() -> tuple[Group, ...]:
    """What stands in Tekton's entry."""
    return tuple(group._replace(module="tekton") if group.name in REPLACED else group for group in GROUPS)


def add_commands(parser: Parser) -> None:
    """What follows one of Tekton's words."""
    _ADDS[parser.word](parser)


def _status(parser: Parser) -> None:
    _narrowed(parser, "tier", "provider", "component")
    parser.add_argument("--period", type=_clock_period, default="daily", help="hourly, daily, weekly or monthly")
    parser.set_defaults(run=_running("show_status"))


def _get_usage(parser: Parser) -> None:
    parser.add_argument("period", metavar="PERIOD", type=_clock_period)
    _narrowed(parser, "provider", "model", "component")
    parser.add_argument("--days", type=lambda text: values.whole(text, 1, 366), default=DAYS)
    parser.set_defaults(run=_running("show_usage"))


def _set_limit(parser: Parser) -> None:
    parser.add_argument("period", metavar="PERIOD", type=_word("period"))
    parser.add_argument("limit", metavar="LIMIT", type=values.decimal, help="dollars")
    _narrowed(parser, "budget-id", "provider", "tier", "component")
    parser.add_argument("--policy-type", type=_word("type"), default="warn")
    parser.add_argument("--warning-threshold", type=values.decimal, default=Decimal("0.8"))
    parser.add_argument("--action-threshold", type=values.decimal, default=Decimal("0.95"))
    parser.set_defaults(run=_running("set_limit"))


def _allocate(parser: Parser) -> None:
    commands = parser.commands()
    create = commands.add("create", "hold tokens for a call")
    for name in ("context-id", "component"):
        create.add_argument(f"--{name}", required=True)
    create.add_argument("--tokens", required=True, type=lambda text: values.whole(text, 1))
    _narrowed(create, "provider", "model", "tier")
    create.add_argument("--task-type", default=TASKS)
    create.add_argument("--priority", type=lambda text: values.whole(text, 1, 10), default=PRIORITY)
    create.set_defaults(run=_running("create_allocation"))
    listing = commands.add("list", "allocations, those that still hold something")
    _narrowed(listing, "context-id", "component")
    listing.add_argument("--active-only", dest="active", action="store_true", default=True)
    listing.add_argument("--all", dest="active", action="store_false", help="those that have ended, too")
    listing.set_defaults(run=_running("list_allocations"))
    release = commands.add("release", "give back what an allocation holds")
    release.add_argument("allocation_id", metavar="ID")
    release.set_defaults(run=_running("release_allocation"))


def _prices(parser: Parser) -> None:
    commands = parser.commands()
    listing = commands.add("list", "the prices in force")
    _narrowed(listing, "provider", "model")
    listing.set_defaults(run=_running("list_prices"))
    add_to(commands)


def add_to(commands: Commands) -> None:
    """What `budget prices` lacks of them."""
    commands.add("update", "Tekton's: look for new prices").set_defaults(run=_running("update_prices"))


def _recommend(parser: Parser) -> None:
    _narrowed(parser, "task-type", "prefer-provider")
    for name in ("context-size", "output-size"):
        parser.add_argument(f"--{name}", type=lambda text: values.whole(text, 0))
    parser.add_argument("--max-cost", type=values.decimal)
    parser.set_defaults(run=_running("recommend"))


def _alerts(parser: Parser) -> None:
    commands = parser.commands()
    listing = commands.add("list", "alerts")
    _narrowed(listing, "budget-id")
    listing.add_argument("--severity", choices=values.SEVERITIES)
    listing.add_argument("--acknowledged", action="store_true", default=False)
    listing.add_argument("--unacknowledged", dest="acknowledged", action="store_false")
    listing.set_defaults(run=_running("list_alerts"))
    acknowledge = commands.add("acknowledge", "say that an alert has been seen")
    acknowledge.add_argument("alert_id", metavar="ID")
    acknowledge.set_defaults(run=_running("acknowledge_alert"))


def _calc_cost(parser: Parser) -> None:
    for name in ("provider", "model"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--input-tokens", required=True, type=lambda text: values.whole(text, 0))
    parser.add_argument("--output-tokens", type=lambda text: values.whole(text, 0), default=0)
    parser.set_defaults(run=_running("calculate"))


_ADDS: Final[dict[str, Callable[[Parser], None]]] = {
    "status": _status, "get-usage": _get_usage, "set-limit": _set_limit, "allocate": _allocate, "prices": _prices,
    "recommend": _recommend, "alerts": _alerts, "calc-cost": _calc_cost,
}  # fmt: skip


def _narrowed(parser: Parser, *names: str) -> None:
    for name in names:
        parser.add_argument(f"--{name}", type=_word(name) if name == "tier" else str)


def _word(field: str) -> Callable[[str], Any]:
    return values.reader("tekton", field, {"type": "string"})


def _clock_period(text: str) -> str:
    return values.word(text, ("hourly", "daily", "weekly", "monthly"))


def _running(name: str) -> Callable[[Settings, argparse.Namespace], int]:
    def run(settings: Settings, given: argparse.Namespace) -> int:
        from budget.interfaces.cli import tekton_answers  # noqa: PLC0415 -- slow to import
        from budget.interfaces.cli.session import Session  # noqa: PLC0415 -- likewise

        with Session(settings, given) as session:
            getattr(tekton_answers, name)(session, given)
        return exits.DONE

    return run
