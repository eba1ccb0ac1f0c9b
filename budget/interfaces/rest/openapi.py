"""The OpenAPI document: FastAPI's routes, the hot routes beside them, and the schemas of requests and answers.

Requests are described by the structs that decode them, so a limit is stated once.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from budget.domain import commands
from budget.interfaces.rest.read_examples import NOUNS
from budget.interfaces.rest.routes import ROUTES, Route
from budget.operations import inputs
from budget.operations.answers import ANSWERS, one
from budget.operations.catalogue import BY_NAME, Operation
from budget.operations.sending import MEDIA_TYPE

PREFIX: Final = "/api/v1"
"""The prefix that is documented; `/api` answers alike, but for bare arrays to old clients (wire contract 15.4)."""

DESCRIPTION: Final = (
    "Budget is Tekton's one place for LLM tokens and money: ask before a call, say after it what was used. "
    "Every path under `/api/v1` answers under `/api` as well. Money is exact decimals in US dollars, times are "
    "ISO 8601; errors are problem documents (RFC 9457)."
)

_ERRORS: Final[Mapping[int, str]] = {
    400: "The body is not JSON, or what is asked for has no such form.",
    401: "There is no good API key with it.",
    402: "A hard limit refuses it; waiting does not help. The document says why and what would fit.",
    403: "The key may not do this.",
    404: "There is nothing with this id.",
    408: "The body did not come in time.",
    409: "It does not fit what is stored.",
    410: "Events after this number are no longer kept; `oldest_seq` and `snapshot` say where to go on.",
    413: "The body is too large.",
    422: "A field is wrong (`errors` names it), or the idempotency key was used with another request.",
    429: "A hard limit refuses it now; it fits when others' holds end (`Retry-After`).",
    503: "The service cannot answer now; try again (`Retry-After`).",
}

_KEYS: Final = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key, where keys are on."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "The same key as a bearer token."},
}

_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes the request happen once, for ever: a repeat gets the first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def projected(route: Route, operation: Operation, *, in_query: bool) -> dict[str, Any]:
    """What a regular route says of itself, as the arguments of FastAPI's `add_api_route`."""
    keyed = issubclass(operation.request, commands.Command) and operation.kind != "reads"
    extra: dict[str, Any] = {
        "parameters": [*_parameters(route, operation, in_query=in_query), *([_KEY] if keyed else ())]
    }
    if not in_query:
        extra["requestBody"] = _body(operation.request, route.example)
    return {
        "name": operation.name,
        "summary": operation.name.replace("_", " ").capitalize(),
        "description": operation.description,
        "tags": [route.path.split("/")[1]],
        "status_code": route.status,
        "response_model": None,
        "responses": _responses(operation.answer, route.status, route.errors, with_body=not in_query),
        "openapi_extra": extra,
    }


def by_hand(
    request: type[msgspec.Struct] | None = None, *, status: int = 200, errors: Iterable[int] = ()
) -> dict[str, Any]:
    """The same for a route that is no operation: it answers with an object."""
    responses = _responses({"type": "object"}, status, errors, with_body=request is not None)
    extra: dict[str, Any] = {}
    if request is not None:
        content = {"application/json": {"schema": inputs.schema_of(request)}}
        extra["requestBody"] = {"required": True, "content": content}
    return {"response_model": None, "responses": responses, "openapi_extra": extra}


def in_pieces(request: type[msgspec.Struct], forms: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a file that is asked for by parameters, in one of several forms."""
    content = {form.media_type.partition(";")[0]: {"schema": {"type": "string"}} for form in forms.values()}
    schema = inputs.schema_of(request)
    parameters = [_in_query(name, described, required=False) for name, described in schema["properties"].items()]
    responses = {200: {"description": "The file.", "content": content}}
    return {
        "response_model": None,
        "responses": responses | {code: _problem(code) for code in (400, 404, 422, 503)},
        "openapi_extra": {"parameters": parameters},
    }


def _parameters(route: Route, operation: Operation, *, in_query: bool) -> Iterable[dict[str, Any]]:
    schema = inputs.schema_of(operation.request)
    in_path = [name.partition(":")[0] for name in re.findall(r"{(.*?)}", route.path)]
    for name in in_path:
        yield {"name": name, "in": "path", "required": True, "schema": schema["properties"][name]}
    for name, described in schema["properties"].items() if in_query else ():
        if name not in in_path:
            yield _in_query(name, described, required=name in schema["required"])


def _in_query(name: str, described: dict[str, Any], *, required: bool) -> dict[str, Any]:
    """A parameter; null is said by leaving it out."""
    given = [option for option in described.get("anyOf", [described]) if option.get("type") != "null"]
    shown = {**given[0], **({"default": described["default"]} if described.get("default") is not None else {})}
    description = shown.pop("description", None)
    made = {"name": name, "in": "query", "required": required, "schema": shown}
    return made if description is None else {**made, "description": description}


def install(app: FastAPI) -> None:
    """Make `app.openapi()` give the whole document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    components = made.setdefault("components", {})
    components["securitySchemes"] = _KEYS
    made["security"] = [{name: []} for name in _KEYS] + [{}]
    schemas = components.setdefault("schemas", {})
    schemas.update(_request_schemas())
    schemas.update(ANSWERS)
    for path, hot in _hot_operations().items():
        made["paths"].setdefault(PREFIX + path, {})["post"] = hot
    for path, methods in made["paths"].items():
        for described in methods.values():
            _as_problems(described)
            for status in (401, 403):
                described["responses"].setdefault(str(status), _problem(status))
            if "{" in path:  # an id that is none is not found, whatever the route
                described["responses"].setdefault("404", _problem(404))
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
    made["paths"] = dict(sorted(made["paths"].items()))
    return made


def _request_schemas() -> dict[str, Any]:
    """Every request that comes as a body, without what its path says."""
    routed = [BY_NAME[route.operation].request for route in ROUTES if route.method in ("POST", "PUT")]
    kinds: list[type[msgspec.Struct]] = [commands.Allocate, commands.RecordUsage, *routed]
    schemas = {kind.__name__: inputs.schema_of(kind) for kind in kinds}
    for kind in kinds:
        schema = schemas[kind.__name__]
        schema["properties"] = {
            name: shown for name, shown in schema["properties"].items() if name not in inputs.ids_of(kind)
        }
        schema["required"] = [name for name in schema["required"] if name not in inputs.ids_of(kind)]
    return schemas


def _body(request: type[msgspec.Struct], example: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": one(request.__name__)}
    if example is not None:
        content["example"] = example
    required = any(field.required for field in msgspec.structs.fields(request))
    return {"required": required, "content": {"application/json": content}}


def _responses(
    answer: dict[str, Any], status: int, errors: Iterable[int], *, with_body: bool
) -> dict[int | str, dict[str, Any]]:
    always = (400, 408, 413, 422, 503) if with_body else (422, 503)
    replayed = {"Idempotency-Replayed": {"description": "`true` on a repeat.", "schema": {"type": "string"}}}
    content = {"schema": answer}
    if (example := _example(answer)) is not None:
        content["example"] = example
    good = {"description": "Done.", "headers": replayed, "content": {"application/json": content}}
    return {status: good, **{code: _problem(code) for code in sorted({*always, *errors})}}


def _example(answer: dict[str, Any]) -> Any:
    """What an answer of this schema looks like, if its noun has an example."""
    if answer.get("type") == "array":
        item = _example(answer["items"])
        return None if item is None else [item]
    if answer.get("type") == "object":
        items = _example(answer["properties"]["items"]) if "properties" in answer else None
        return None if items is None else {"items": items, "total": 1, "total_exact": True, "page": 1, "limit": 20}
    return NOUNS.get(answer["$ref"].rpartition("/")[2])


def _problem(status: int) -> dict[str, Any]:
    return {"description": _ERRORS[status], "content": {MEDIA_TYPE: {"schema": one("Problem")}}}


def _as_problems(described: dict[str, Any]) -> None:
    """FastAPI documents its own form of 422, and JSON beside our media type; here all errors are problem documents."""
    responses = described.get("responses", {})
    for status in [status for status in responses if str(status).isdigit() and int(status) in _ERRORS]:
        if MEDIA_TYPE in responses[status].get("content", {}) or str(status) == "422":
            responses[status] = _problem(int(status))


def _hot_operations() -> dict[str, dict[str, Any]]:
    return {
        "/allocations": _hot(
            "allocate",
            {
                "context_id": "chat-7",
                "component": "apollo",
                "provider": "openai",
                "model": "gpt-4o-mini",
                "tokens_allocated": 4000,
                "input_tokens": 1500,
                "max_output_tokens": 2500,
            },
            (402, 404, 409, 429),
        ),
        "/usage/record": _hot(
            "record_usage",
            {
                "allocation_id": "0193b0a4-7e2c-7a10-8f7e-3f0a52d1c001",
                "component": "apollo",
                "provider": "openai",
                "model": "gpt-4o-mini",
                "usage": {"prompt_tokens": 1432, "completion_tokens": 388, "total_tokens": 1820},
            },
            (403, 404, 409),
        ),
        "/usage/batch": {
            "summary": "Record Usage Batch",
            "operationId": "record_usage_batch",
            "description": (
                "Up to 10,000 records in one commit, each accepted, a duplicate, or refused by itself. As JSON, or one "
                "record a line as `application/x-ndjson`. A header `Idempotency-Key` makes record i's key `key:i`; "
                "without it each record's `request_id` is its key. Without any key, a 503 leaves the outcome unknown."
            ),
            "parameters": [_KEY],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["records"],
                            "properties": {
                                "records": {"type": "array", "maxItems": 10_000, "items": one("RecordUsage")}
                            },
                        }
                    },
                    "application/x-ndjson": {"schema": {"type": "string"}},
                },
            },
            "responses": {str(code): made for code, made in _responses(one("Batch"), 200, (), with_body=True).items()},
        },
    }


def _hot(name: str, example: Any, errors: tuple[int, ...]) -> dict[str, Any]:
    operation = BY_NAME[name]
    responses = _responses(operation.answer, 201, errors, with_body=True)
    return {
        "summary": name.replace("_", " ").title(),
        "operationId": name,
        "description": operation.description,
        "parameters": [_KEY],
        "requestBody": _body(operation.request, example),
        "responses": {str(code): made for code, made in responses.items()},
    }
