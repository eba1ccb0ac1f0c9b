"""Commands that are operations of the catalogue: which word of which group asks which operation.

The options, the checks and the columns come from the operation. What people need otherwise is a module of its own,
named here beside the others.
"""

import argparse
import importlib
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from budget.interfaces.cli import exits, options
from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import Commands, Parser
from budget.settings import Settings


class Verb(NamedTuple):
    """A command: its words, its operation, the fields that stand without an option."""

    group: str
    word: str
    operation: str
    positional: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    """Fields that are asked for on a terminal, when nothing at all was given, beside those that must be there."""
    sends: Mapping[str, Any] = {}
    """What it sends unless told otherwise."""
    sure: bool = False
    """Whether it asks back before it takes something away."""
    rehearsal: str | None = None
    """The operation that says what it would do."""


_POLICY: Final = ("type", "period", "token_limit", "cost_limit")

VERBS: Final = (
    Verb("check", "", "check_allocation"),
    Verb("budgets", "list", "list_budgets"),
    Verb("budgets", "show", "get_budget", ("budget_id",)),
    Verb("budgets", "create", "create_budget", ("name",), ("owner", "time_zone"), {"default_policies": False}),
    Verb("budgets", "update", "update_budget", ("budget_id",)),
    Verb("budgets", "delete", "delete_budget", ("budget_id",), sure=True),
    Verb("budgets", "summary", "get_budget_summary", ("budget_id",)),
    Verb("policies", "list", "list_policies"),
    Verb("policies", "show", "get_policy", ("policy_id",)),
    Verb("policies", "create", "create_policy", ("type", "period"), _POLICY),
    Verb("policies", "update", "update_policy", ("policy_id",)),
    Verb("policies", "delete", "delete_policy", ("policy_id",), sure=True),
    Verb("policies", "add", "add_policies", ("budget_id", "policies")),
    Verb("limits", "list", "list_limits"),
    Verb("limits", "show", "get_policy", ("policy_id",)),
    Verb("limits", "create", "create_policy", ("type", "period"), _POLICY),
    Verb("limits", "update", "update_policy", ("policy_id",)),
    Verb("limits", "delete", "delete_policy", ("policy_id",), sure=True),
    Verb("allocations", "hold", "allocate", asks=("model",), rehearsal="check_allocation"),
    Verb("allocations", "list", "list_allocations"),
    Verb("allocations", "show", "get_allocation", ("allocation_id",)),
    Verb("allocations", "context", "get_context_allocation", ("context_id",)),
    Verb("allocations", "start", "start_allocation", ("allocation_id",)),
    Verb("allocations", "increase", "increase_allocation", ("allocation_id", "tokens")),
    Verb("allocations", "extend", "extend_allocation", ("allocation_id",)),
    Verb("allocations", "settle", "settle_allocation", ("allocation_id",)),
    Verb("allocations", "release", "release_allocation", ("allocation_id",)),
    Verb("usage", "record", "record_usage"),
    Verb("usage", "list", "list_usage"),
    Verb("usage", "show", "get_usage", ("record_id",)),
    Verb("usage", "correct", "correct_usage", ("record_id",)),
    Verb("usage", "void", "void_usage", ("record_id", "reason"), sure=True),
    Verb("usage", "summary", "get_usage_summary", ("period",)),
    Verb("usage", "window", "get_default_summary", ("period",)),
    Verb("usage", "windows", "list_summaries", ("period",)),
    Verb("usage", "analytics", "list_analytics", ("period",)),
    Verb("usage", "breakdown", "break_down_usage"),
    Verb("prices", "list", "list_prices"),
    Verb("prices", "show", "get_price", ("provider", "model")),
    Verb("prices", "set", "set_price", ("provider", "model"), ("input_cost_per_token", "output_cost_per_token")),
    Verb("prices", "history", "list_price_history", ("provider", "model")),
    Verb("prices", "calculate", "calculate_cost", ("provider", "model")),
    Verb("models", "list", "list_models"),
    Verb("models", "show", "get_model", ("provider", "model")),
    Verb("models", "set", "set_model", ("provider", "model")),
    Verb("models", "route", "route_request"),
    Verb("alerts", "list", "list_alerts"),
    Verb("alerts", "show", "get_alert", ("alert_id",)),
    Verb("alerts", "acknowledge", "acknowledge_alert", ("alert_id",)),
    Verb("alerts", "check", "raise_alerts"),
    Verb("events", "list", "list_events"),
    Verb("events", "snapshot", "get_snapshot"),
    Verb("decisions", "list", "list_decisions"),
    Verb("decisions", "explain", "explain_decision", ("decision_id",)),
    Verb("dashboard", "", "get_dashboard"),
    Verb("keys", "list", "list_keys"),
    Verb("keys", "show", "get_key", ("key_id",)),
    Verb("keys", "create", "create_key", ("name",)),
    Verb("keys", "rotate", "rotate_key", ("key_id",)),
    Verb("keys", "revoke", "revoke_key", ("key_id",), sure=True),
    Verb("notify", "list", "list_receivers"),
    Verb("notify", "show", "get_receiver", ("receiver_id",)),
    Verb("notify", "add", "add_receiver", ("kind", "address")),
    Verb("notify", "update", "update_receiver", ("receiver_id",)),
    Verb("notify", "rotate", "rotate_receiver_secret", ("receiver_id",)),
    Verb("notify", "remove", "remove_receiver", ("receiver_id",), sure=True),
    Verb("notify", "test", "test_receiver", ("receiver_id",)),
    Verb("notify", "deliveries", "list_deliveries"),
    Verb("notify", "delivery", "get_delivery", ("delivery_id",)),
    Verb("notify", "replay", "replay_delivery", ("delivery_id",)),
    Verb("audit", "", "list_changes"),
    Verb("migrate", "list", "list_migrations"),
    Verb("migrate", "show", "get_migration", ("migration_id",)),
    Verb("recommend", "", "recommend_models"),
)

BY_HAND: Final[Mapping[str, tuple[str, ...]]] = {
    "keys": ("keys",),
    "usage": ("batch",),
    "prices": ("tekton",),
    "alerts": ("following",),
    "events": ("following",),
}
"""Modules that add commands of their own to a group, by `add_to(commands)`."""


def add_commands(parser: Parser) -> None:
    """The commands of a group, or the group's word itself as one."""
    from budget.operations.catalogue import BY_NAME  # noqa: PLC0415 -- slow to import

    mine = [verb for verb in VERBS if verb.group == parser.word]
    if [verb.word for verb in mine] == [""]:
        _add(parser, mine[0], BY_NAME[mine[0].operation])
        return
    commands = parser.commands()
    add_verbs(commands)
    for name in BY_HAND.get(parser.word, ()):
        importlib.import_module(f"budget.interfaces.cli.{name}").add_to(commands)


def add_verbs(commands: Commands) -> None:
    """The verbs of a group that has commands of its own beside them."""
    from budget.operations.catalogue import BY_NAME  # noqa: PLC0415 -- slow to import

    for verb in VERBS:
        if verb.group == commands.group:
            operation = BY_NAME[verb.operation]
            command = commands.add(verb.word, _first_sentence(operation.description), asks=True)
            command.fill = partial(_add, verb=verb, operation=operation)


def _add(parser: Parser, verb: Verb, operation: Any) -> None:
    options.add(parser, operation, verb.positional)
    parser.set_defaults(run=run, verb=verb, parser=parser)
    if operation.kind != "reads":
        parser.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")
    if verb.sure:
        parser.add_argument("--yes", "-y", action="store_true", help="do not ask back")
    if _is_page(operation):
        parser.add_argument("--all", action="store_true", help="every page")


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Ask the operation, and show what it answers."""
    from budget.interfaces.cli import answers  # noqa: PLC0415 -- slow to import
    from budget.interfaces.cli.session import Session  # noqa: PLC0415 -- likewise
    from budget.operations.catalogue import BY_NAME  # noqa: PLC0415 -- likewise

    verb: Verb = given.verb
    operation = BY_NAME[verb.operation]
    request = dict(verb.sends) | completed(given, operation)
    with Session(settings, given) as session:
        if "budget_id" in request:
            request["budget_id"] = answers.budget_id(session, request["budget_id"])
        if getattr(given, "dry_run", False):
            return _rehearse(session, verb, operation, request)
        if verb.sure and not given.yes:
            _be_sure(verb, request)
        answer = session.ask(operation.name, **request)
        if getattr(given, "all", False):
            answer = answers.whole(session, operation, request, answer)
        answers.show(session, operation, answer)
    return exits.REFUSED if operation.name == "check_allocation" and not answer["allowed"] else exits.DONE


def completed(given: argparse.Namespace, operation: Any) -> dict[str, Any]:
    """The request: what was given, what was asked for on a terminal, and checked as a whole."""
    verb, parser = given.verb, given.parser
    request = options.asked(given)
    if verb.word in ("create", "set", "hold", "record") and _on_a_terminal():
        from budget.interfaces.cli import asking  # noqa: PLC0415 -- seldom needed

        request = asking.completed(operation, request, verb.asks)
    problem = options.wrong(operation, request, verb.positional)
    if problem is not None:
        parser.error(problem)
    return request


def _rehearse(session: Any, verb: Verb, operation: Any, request: dict[str, Any]) -> int:
    if verb.rehearsal is None:
        session.out.remark(f"nothing was sent to {session.url}; {operation.name} would get:")
        session.out.json(request)
        return exits.DONE
    from budget.interfaces.cli import answers  # noqa: PLC0415 -- slow to import
    from budget.operations.catalogue import BY_NAME  # noqa: PLC0415 -- likewise

    answer = session.ask(verb.rehearsal, **request)
    answers.show(session, BY_NAME[verb.rehearsal], answer)
    return exits.DONE if answer["allowed"] else exits.REFUSED


def _be_sure(verb: Verb, request: Mapping[str, Any]) -> None:
    what = f"{verb.word} {' '.join(str(request[name]) for name in verb.positional)}"
    if not _on_a_terminal():
        raise Failed(f"{verb.group} {what}: --yes says that it is meant", exits.USAGE)
    print(f"{verb.group}: {what}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Failed("nothing was changed")


def _on_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _is_page(operation: Any) -> bool:
    return {"items", "page"} <= set(operation.answer.get("properties", ()))


def _first_sentence(text: str) -> str:
    return text.split(". ", maxsplit=1)[0].split(": ", maxsplit=1)[0].rstrip(".")
