"""`budget call OPERATION`: every operation of the catalogue from a shell, its options made from its request.

It asks a running service over HTTP, and prints the answer as JSON.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from budget.settings import Settings

DONE, FAILED, REFUSED, UNREACHABLE, NOT_ALLOWED = 0, 1, 3, 4, 5
"""Exit statuses; 2 is argparse's, for a command line that is wrong."""

TIMEOUT_SECONDS: Final = 60.0

_STATUSES: Final[Mapping[str, int]] = {
    "insufficient_budget": REFUSED,
    "price_unknown": REFUSED,
    "authentication_error": NOT_ALLOWED,
    "authorization_error": NOT_ALLOWED,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `budget call` can be told; an operation's own options are known when it is."""
    parser.add_argument("--api-url", metavar="URL", help="the service (default: where BUDGET_HOST and BUDGET_PORT say)")
    parser.add_argument("operation", nargs="?", metavar="OPERATION", help="without one, all are listed")
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="…", help="OPERATION --help lists them")


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Send one operation."""
    # Here, because the catalogue takes longer to load than `--help` may take.
    from budget.operations.catalogue import BY_NAME, CATALOGUE  # noqa: PLC0415

    if given.operation is None:
        for listed in CATALOGUE:
            print(f"{listed.name:<28}{listed.description}")
        return DONE
    operation = BY_NAME.get(given.operation.replace("-", "_"))
    if operation is None:
        print(f"budget: there is no operation {given.operation!r}; `budget call` lists them", file=sys.stderr)
        return 2
    asked = _read(operation, given.options)
    return _send(given.api_url or settings.endpoint, operation.name, asked)


def _read(operation: Any, options: Sequence[str]) -> dict[str, Any]:
    from budget.operations import inputs  # noqa: PLC0415 -- likewise

    schema = inputs.schema_of(operation.request)
    parser = argparse.ArgumentParser(
        prog=f"budget call {operation.name}",
        description=operation.description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("--json", metavar="OBJECT", help="the whole request; the other options go over it")
    for name, described in schema["properties"].items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=f"field:{name}",
            type=_value_of(described),
            metavar=_kind(described),
            help=_help(described, required=name in schema["required"]),
        )
    parsed = vars(parser.parse_args(options))
    asked = _object(parser, parsed.pop("json", "{}"))
    return asked | {name.removeprefix("field:"): value for name, value in parsed.items()}


def _object(parser: argparse.ArgumentParser, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        parser.error(f"argument --json: {error}")
    if not isinstance(found, dict):
        parser.error("argument --json: must be an object")
    return found


def _types(described: Mapping[str, Any]) -> set[str]:
    """The JSON types that a field may have, null aside."""
    options = described.get("anyOf", [described])
    return {str(option.get("type", "object")) for option in options} - {"null"}


def _kind(described: Mapping[str, Any]) -> str:
    types = _types(described)
    return "TEXT" if types == {"string"} else "/".join(sorted(types)).upper()


def _value_of(described: Mapping[str, Any]) -> Any:
    """How an option's text becomes a value: as it is for a text, else as JSON."""
    types = _types(described)

    def value(text: str) -> Any:
        if types == {"string"}:
            return text
        try:
            return json.loads(text)
        except ValueError:
            if "string" in types:
                return text
            raise argparse.ArgumentTypeError(f"{text!r} is not of the type {_kind(described)}") from None

    return value


def _help(described: Mapping[str, Any], *, required: bool) -> str:
    text = textwrap.shorten(str(described.get("description", "")), 160).replace("%", "%%")
    return f"{text} (required)".strip() if required else text


def _send(url: str, operation: str, asked: dict[str, Any]) -> int:
    try:
        answer = httpx.post(
            f"{url}/api/tools/{operation}/execute", json={"parameters": asked}, timeout=TIMEOUT_SECONDS, trust_env=False
        )
        said = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        print(f"budget: nothing answers as Budget does at {url} ({error}); does it run?", file=sys.stderr)
        return UNREACHABLE
    if answer.is_success and said["success"]:
        print(json.dumps(said["result"], indent=2, ensure_ascii=False))
        return DONE
    problem = said.get("problem", said)
    print(f"budget: {said.get('error') or problem.get('detail')}", file=sys.stderr)
    print(json.dumps(problem, indent=2, ensure_ascii=False))
    return _STATUSES.get(problem.get("code", ""), FAILED)
