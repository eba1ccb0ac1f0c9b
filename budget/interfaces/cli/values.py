"""What an option's text may be: checked before anything is sent, and refused with what is accepted."""

import argparse
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any, Final

from budget.domain import instants, vocabulary
from budget.domain.errors import Invalid

Reader = Callable[[str], Any]

SEVERITIES: Final = ("info", "warning", "error")
ALERT_TYPES: Final = (
    "token_limit_exceeded", "token_limit_approaching", "cost_limit_exceeded", "cost_limit_approaching",
)  # fmt: skip
BUCKETS: Final = ("hour", "day", "week", "month")
BY: Final = ("provider", "model", "component", "task_type", "tier", "budget", "user")
UNITS: Final = ("tokens", "cost")
_DECIMAL: Final = re.compile(r"-?\$?[0-9]{1,20}(\.[0-9]{1,30})?")
_SPACES: Final = {ord("\n"): " ", ord("\t"): " "}
_WHOLE: Final = re.compile(r"-?[0-9]{1,3}(,[0-9]{3})+|-?[0-9]{1,19}")


def reader(operation: str, field: str, schema: Mapping[str, Any]) -> Reader:
    """How the text of an option for this field is read."""
    named = _NAMED.get(f"{operation}.{field}") or _NAMED.get(field)
    return named or _by_type(field, schema)


def _by_type(field: str, schema: Mapping[str, Any]) -> Reader:
    match sorted(types(schema)):
        case _ if _is_instant(field, schema):
            return instant
        case ["string"]:
            return partial(_text, longest=_longest(schema))
        case ["integer"]:
            least, most = _bounds(schema)
            return partial(whole, least=least, most=most)
        case ["array"] if _is_of_texts(schema):
            return texts
        case ["array"] if field == "thresholds":
            return decimals
        case kinds:
            return decimal if "number" in kinds else json_value


def types(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a field may have, null aside."""
    if "anyOf" in schema:
        return {kind for option in schema["anyOf"] for kind in types(option)}
    return {str(schema.get("type", "object"))} - {"null"}


def placeholder(operation: str, field: str, schema: Mapping[str, Any]) -> str:
    """What stands for the value in `--help`."""
    if _is_instant(field, schema):
        return "TIME"
    names = {"object": "JSON", "array": "JSON", "integer": "INTEGER", "number": "AMOUNT", "string": "TEXT"}
    kinds = types(schema)
    if reader(operation, field, schema) in LISTS:
        return "A,B"
    return names["number"] if "number" in kinds else names[min(kinds)]


def whole(text: str, least: int | None = None, most: int | None = None) -> int:
    """A whole number; groups of three may stand apart."""
    bounds = f" from {0 if least is None else least:,}" + ("" if most is None else f" to {most:,}")
    number = int(text.replace(",", "")) if _WHOLE.fullmatch(text) else None
    if number is None or (least is not None and number < least) or (most is not None and number > most):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a whole number{bounds}")
    return number


def decimal(text: str) -> Decimal:
    """An exact decimal number, a dollar sign before it or not."""
    if not _DECIMAL.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a decimal number such as 2.50")
    try:
        return Decimal(text.replace("$", ""))
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a decimal number such as 2.50") from None


def instant(text: str) -> str:
    """A date, or a date and time."""
    try:
        instants.parse_instant(text, "UTC")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def time_zone(text: str) -> str:
    """The name of a zone."""
    try:
        instants.time_zone(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def texts(text: str) -> list[str]:
    """Texts with commas between them; JSON where one holds a comma."""
    if text.startswith("["):
        found: list[str] = json_value(text)
        return found
    return [part.strip() for part in text.split(",") if part.strip()]


def decimals(text: str) -> list[Decimal]:
    """Numbers with commas between them."""
    return [decimal(part.strip()) for part in text.split(",")]


def json_value(text: str) -> Any:
    """JSON, or `@FILE` that holds some; decimals stay exact."""
    try:
        content = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
        return json.loads(content, parse_float=Decimal)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text[1:]} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not JSON: {error}") from None


def grouping(text: str) -> list[str]:
    """Fields that a report can be grouped by, with commas between them."""
    found = texts(text)
    for name in found:
        if name not in BY and not (name.startswith("tag:") and name != "tag:"):
            raise argparse.ArgumentTypeError(f"{name[:60]!r} is not one of {', '.join(BY)}, tag:NAME")
    return found


def tag(text: str) -> tuple[str, str]:
    """One tag."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not NAME=VALUE")
    return name, value


def word(text: str, words: tuple[str, ...]) -> str:
    """One of some words, in any case."""
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not one of {', '.join(words)}")
    return text.lower()


def _canonical(text: str, known: Callable[[str], str]) -> str:
    try:
        return known(text)
    except Invalid as error:
        raise argparse.ArgumentTypeError(error.message) from None


def _text(text: str, longest: int | None) -> str:
    if not text.translate(_SPACES).isprintable():
        raise argparse.ArgumentTypeError(f"{text[:60]!r} holds characters that cannot be printed")
    if not text or (longest is not None and len(text) > longest):
        raise argparse.ArgumentTypeError(
            f"{text[:60]!r} has {len(text):,} characters; 1 to {longest or 2000:,} are accepted"
        )
    return text


def _longest(schema: Mapping[str, Any]) -> int | None:
    return next((o["maxLength"] for o in schema.get("anyOf", [schema]) if "maxLength" in o), None)


def _bounds(schema: Mapping[str, Any]) -> tuple[int | None, int | None]:
    option = next(option for option in schema.get("anyOf", [schema]) if option.get("type") == "integer")
    return option.get("minimum"), option.get("maximum")


def _is_instant(field: str, schema: Mapping[str, Any]) -> bool:
    described = str(schema.get("description", "")) + "".join(
        str(option.get("description", "")) for option in schema.get("anyOf", ())
    )
    return "ISO 8601" in described or "YYYY-MM-DD" in described or field in ("from", "to")


def _is_of_texts(schema: Mapping[str, Any]) -> bool:
    options = (option for option in schema.get("anyOf", [schema]) if option.get("type") == "array")
    return all(option.get("items", {}).get("type") == "string" for option in options)


LISTS: Final = (texts, decimals, grouping)
"""What may be given again, and adds to what was given before."""
_NAMED: Final[Mapping[str, Reader]] = {
    "tier": partial(_canonical, known=vocabulary.tier),
    "period": partial(_canonical, known=vocabulary.period),
    "type": partial(_canonical, known=vocabulary.policy_type),
    "list_alerts.type": partial(word, words=ALERT_TYPES),
    "list_alerts.severity": partial(word, words=SEVERITIES),
    "by": grouping,
    "bucket": partial(word, words=BUCKETS),
    "unit": partial(word, words=UNITS),
    "time_zone": time_zone,
}
