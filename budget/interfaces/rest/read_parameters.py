"""What the reading routes share: their parameters, their documentation, and how a page is answered."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query, Request
from starlette.responses import Response

from budget.domain import vocabulary
from budget.domain.errors import Invalid
from budget.engine.ledger import Ledger
from budget.interfaces.rest import read_examples
from budget.interfaces.rest.wire import reply

MOST_PAGES = 1_000_000
BARE_LIMIT = 100
"""How many items an old client gets that neither pages nor knows of pages."""

_TEXT = r"^[^\x00]*$"

Page = Annotated[int, Query(ge=1, le=MOST_PAGES, description="which page, from 1")]
Limit = Annotated[int, Query(ge=1, le=100, description="items on a page")]
Text = Annotated[str | None, Query(max_length=200, pattern=_TEXT)]
Flag = Annotated[bool | None, Query()]
When = Annotated[
    str | None,
    Query(max_length=40, pattern=_TEXT, description="YYYY-MM-DD or date and time; without offset in the budget's zone"),
]
Id = Annotated[str, Path(min_length=1, max_length=200, pattern=_TEXT)]
PeriodWord = Annotated[str, Query(max_length=40, description="hourly, daily, weekly or monthly")]
Word = Annotated[str | None, Query(max_length=40, pattern=_TEXT)]


def ledger_of(request: Request) -> Ledger:
    """The ledger of the application that a request came to."""
    ledger: Ledger = request.app.state.ledger
    return ledger


def listed(found: Any, page: int, limit: int, view: Callable[[Any], Any]) -> dict[str, Any]:
    """A page of a list as all readers know it."""
    return {
        "items": [view(item) for item in found.items],
        "total": found.total,
        "total_exact": found.total_exact,
        "page": page,
        "limit": limit,
    }


def is_bare(request: Request) -> bool:
    """Whether an old client asks that iterates an array: under `/api` alone, without paging (wire contract 15.4)."""
    asked = request.query_params
    return not request.url.path.startswith("/api/v1/") and "page" not in asked and "limit" not in asked


def reply_list(
    request: Request, found: Any, page: int, limit: int, view: Callable[[Any], Any], *, may_be_bare: bool
) -> Response:
    """A page, or just its items where `is_bare` says so."""
    answer = listed(found, page, limit, view)
    return reply(answer["items"] if may_be_bare and is_bare(request) else answer)


# Words with aliases (wire contract 10)


def tier(word: str | None) -> str | None:
    """A tier's canonical name."""
    return None if word is None else vocabulary.tier(word)


def period(word: str | None) -> str | None:
    """A period's canonical name."""
    return None if word is None else vocabulary.period(word)


def policy_type(word: str | None) -> str | None:
    """A policy type's canonical name."""
    return None if word is None else vocabulary.policy_type(word)


def one_of(word: str | None, words: Sequence[str], field: str) -> str | None:
    """One of a few words, in any case."""
    if word is None or word.lower() in words:
        return None if word is None else word.lower()
    raise Invalid(field, f"{word!r} is not one of {', '.join(words)}")


def lower(word: str | None) -> str | None:
    """A provider as it is kept."""
    return None if word is None else word.lower()


# Documentation

_ERRORS = {
    400: "the period has no summary, or the body is not JSON",
    404: "there is nothing with this id",
    413: "the body is too large",
    422: "a parameter or field is wrong; `errors` names it",
    503: "the service cannot answer now; try again",
}
_SCHEMAS = "#/components/schemas/"


def documented(summary: str, example: Any, *errors: int, body: type[msgspec.Struct] | None = None) -> dict[str, Any]:
    """What a route says of itself: summary, an example answer, its errors, and the body it reads."""
    responses: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "the answer",
            "content": {
                "application/json": {
                    "schema": _answer_schema(example),
                    "example": example,
                }
            },
        }
    }
    more = (400, 413) if body is not None else ()
    for status in sorted({*errors, *more, 422, 503}):
        responses[status] = {
            "description": _ERRORS[status],
            "content": {"application/problem+json": {"schema": {"$ref": f"{_SCHEMAS}Problem"}}},
        }
    said: dict[str, Any] = {"summary": summary, "responses": responses, "response_class": Response}
    if body is not None:
        said["openapi_extra"] = {
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(body)}}}
        }
    return said


def _answer_schema(example: Any) -> dict[str, Any]:
    """The schema of an example: that of the noun it shows, where it has one."""
    if isinstance(example, list):
        return {"type": "array", "items": _answer_schema(example[0])}
    if "items" in example and "page" in example:
        page = {"type": "object", "required": ["items", "total", "total_exact", "page", "limit"]}
        return {**page, "properties": {"items": _answer_schema(example["items"])}}
    name = next((name for name, shown in read_examples.NOUNS.items() if shown is example), None)
    return {"type": "object"} if name is None else {"$ref": _SCHEMAS + name}


def schema_of(kind: type[msgspec.Struct]) -> Mapping[str, Any]:
    """The JSON schema of a body without references."""
    schema = msgspec.json.schema(kind)
    found: Mapping[str, Any] = schema["$defs"][kind.__name__]
    return found


def a_page(item: Any) -> dict[str, Any]:
    """An example of a page."""
    return {"items": [item], "total": 1, "total_exact": True, "page": 1, "limit": 20}


async def refuse_unknown(request: Request) -> None:
    """A parameter that a route does not take is a slip, and a list that ignores it answers another question."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    for name in request.query_params:
        if name not in known:
            accepted = ", ".join(sorted(known)) or "none"
            raise Invalid(name[:200], f"is not a parameter of this request; it takes: {accepted}")
