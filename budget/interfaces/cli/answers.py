"""How what an operation answers is shown: by what the catalogue says of it, a page, a list, or one thing."""

import uuid
from collections.abc import Mapping
from typing import Any

from budget.interfaces.cli.session import Session
from budget.operations.answers import ANSWERS


def show(session: Session, operation: Any, answer: Any) -> None:
    """Print it."""
    noun, is_list = shape(operation)
    fields = fields_of(noun)
    if isinstance(answer, Mapping) and "items" in answer and is_list:
        session.out.rows(answer["items"], noun, fields, whole=answer)
        _say_more(session, answer)
    elif isinstance(answer, list):
        session.out.rows(answer, noun, fields)
    else:
        session.out.record(answer, noun, fields)


def shape(operation: Any) -> tuple[str, bool]:
    """The noun of an operation's answer, and whether there are many."""
    schema = operation.answer
    items = schema.get("properties", {}).get("items", schema)
    is_list = items.get("type") == "array"
    reference = (items["items"] if is_list else items).get("$ref", "")
    noun = reference.rpartition("/")[2]
    return ("Event", True) if noun == "Events" else (noun, is_list)


def fields_of(noun: str) -> tuple[str, ...]:
    """Every field of a noun, in its order: the columns for programs."""
    return tuple(ANSWERS.get(noun, {}).get("properties", ()))


def whole(session: Session, operation: Any, request: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """A list with all its pages."""
    items = list(session.each(operation.name, **request))
    return {**first, "items": items, "total": len(items), "total_exact": True, "page": 1, "limit": len(items)}


def budget_id(session: Session, given: str) -> str:
    """The id of a budget that may be given by its name."""
    try:
        uuid.UUID(given)
    except ValueError:
        named = session.ask("list_budgets", name=given, limit=2)["items"]
        return str(named[0]["budget_id"]) if len(named) == 1 else given
    return given


def _say_more(session: Session, answer: Mapping[str, Any]) -> None:
    if "total" not in answer:
        return
    shown, total = len(answer["items"]), answer["total"]
    if shown < total and session.out.shape in ("table", "markdown"):
        least = "" if answer["total_exact"] else "at least "
        session.out.remark(f"{shown:,} of {least}{total:,}; --page N or --all shows others")
