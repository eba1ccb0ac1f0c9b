"""The options of an operation, made from its request; and the request, made from what was given."""

import argparse
import textwrap
from collections.abc import Collection, Mapping
from typing import Any, Final

from budget.domain.errors import BudgetError
from budget.interfaces.cli import values
from budget.interfaces.cli.parsers import Parser

SHORT: Final[Mapping[str, tuple[str, ...]]] = {
    "budget_id": ("--budget",),
    "tokens_allocated": ("--tokens",),
    "request_id": ("--key",),
    "input_cost_per_token": ("--input",),
    "output_cost_per_token": ("--output",),
}
"""Further names of fields, easier to type."""

OPPOSITES: Final[Mapping[str, str]] = {"acknowledged": "--unacknowledged"}
"""Tekton's words for a switch that is off."""

PREFIX: Final = "field:"


def add(parser: Parser, operation: Any, positional: Collection[str] = (), hidden: Collection[str] = ()) -> None:
    """An argument or an option for each field of an operation's request."""
    schema = schema_of(operation)
    parser.set_defaults(operation=operation.name)
    group = parser.add_argument_group("fields of the request")
    for name, described in schema["properties"].items():
        if name in hidden:
            continue
        reader = values.reader(operation.name, name, described)
        required = name in schema["required"]
        how: dict[str, Any] = {"default": argparse.SUPPRESS, "help": _help(described, required=required)}
        if name in positional:
            action = parser.add_argument(PREFIX + name, metavar=name.upper(), type=reader, nargs="?", **how)
        elif values.types(described) == {"boolean"}:
            how["action"] = argparse.BooleanOptionalAction
            action = group.add_argument(option(name), dest=PREFIX + name, **how)
        else:
            how["action"] = "extend" if reader in values.LISTS else "store"
            how["metavar"] = values.placeholder(operation.name, name, described)
            action = group.add_argument(option(name), *SHORT.get(name, ()), dest=PREFIX + name, type=reader, **how)
        _complete(action, name)
        if name in OPPOSITES:
            group.add_argument(OPPOSITES[name], dest=PREFIX + name, action="store_false", default=argparse.SUPPRESS)
    if "tags" in schema["properties"]:
        group.add_argument(
            "--tag", dest="tag", action="append", type=values.tag, metavar="NAME=VALUE", default=argparse.SUPPRESS,
            help="one tag; may be repeated",
        )  # fmt: skip
    group.add_argument(
        "--json", type=_object, metavar="OBJECT", default=argparse.SUPPRESS,
        help="the whole request, or @FILE; other options go over it",
    )  # fmt: skip


def asked(given: argparse.Namespace) -> dict[str, Any]:
    """The request that was given, not yet looked at as a whole."""
    found = {name.removeprefix(PREFIX): value for name, value in vars(given).items() if name.startswith(PREFIX)}
    request: dict[str, Any] = getattr(given, "json", {}) | found
    if hasattr(given, "tag"):
        request["tags"] = request.get("tags", {}) | dict(given.tag)
    return request


def wrong(operation: Any, request: Mapping[str, Any], positional: Collection[str] = ()) -> str | None:
    """What is wrong with a request as a whole, by the service's own rules; None when nothing is."""
    from budget.operations import bodies, inputs  # noqa: PLC0415 -- slow to import

    try:
        inputs.from_body(operation, bodies.encode(request))
    except BudgetError as error:
        field = str(error.details.get("field", "--json"))
        name = (
            field.upper()
            if field in positional
            else option(field)
            if field in request or field.isidentifier()
            else field
        )
        return f"argument {name}: {error.message}"
    return None


def schema_of(operation: Any) -> dict[str, Any]:
    """The JSON schema of an operation's request."""
    from budget.operations import inputs  # noqa: PLC0415 -- slow to import

    return inputs.schema_of(operation.request)


def option(field: str) -> str:
    """A field's name as an option."""
    return "--" + field.replace("_", "-")


def _object(text: str) -> dict[str, Any]:
    found = values.json_value(text)
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError("must be an object")
    return found


def _help(described: Mapping[str, Any], *, required: bool) -> str:
    told = described.get("description") or next(
        (each["description"] for each in described.get("anyOf", ()) if "description" in each), ""
    )
    text = textwrap.shorten(str(told), 160).replace("%", "%%")
    return f"{text} (required)".strip() if required else text


def _complete(action: argparse.Action, field: str) -> None:
    if field.endswith("_id") or field in ("provider", "model", "component", "tier", "period", "type"):
        # A module of its own, because a shell that completes is in a hurry and everybody else does not need it.
        action.completer = _Completer(field)  # type: ignore[attr-defined]  # argcomplete looks for it


class _Completer:
    def __init__(self, field: str) -> None:
        self._field = field

    def __call__(self, prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
        from budget.interfaces.cli import suggestions  # noqa: PLC0415 -- see above

        return suggestions.of(self._field, prefix, parsed_args)
