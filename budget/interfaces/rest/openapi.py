"""The OpenAPI document: FastAPI's routes, the hot routes beside them, and the schemas of requests and answers.

Requests are described by the structs that decode them, so a limit is stated once.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from budget.domain import commands
from budget.interfaces.rest.problems import MEDIA_TYPE

PREFIX: Final = "/api/v1"
"""The prefix that is documented; `/api` answers alike, but for bare arrays to old clients (wire contract 15.4)."""

DESCRIPTION: Final = (
    "Budget is Tekton's one place for LLM tokens and money: ask before a call, say after it what was used. "
    "Every path under `/api/v1` answers under `/api` as well. Money is exact decimals in US dollars, times are "
    "ISO 8601; errors are problem documents (RFC 9457)."
)

_requests: list[type[msgspec.Struct]] = [commands.Allocate, commands.RecordUsage]
_FROM_PATH: Final = frozenset(("allocation_id", "record_id", "budget_id", "policy_id", "alert_id", "provider", "model"))

_ERRORS: Final[Mapping[int, str]] = {
    400: "The body is not JSON.",
    402: "A hard limit refuses it; waiting does not help. The document says why and what would fit.",
    403: "The caller may not do this.",
    404: "There is nothing with this id.",
    409: "It does not fit what is stored.",
    413: "The body is too large.",
    422: "A field is wrong (`errors` names it), or the idempotency key was used with another request.",
    429: "A hard limit refuses it now; it fits when others' holds end (`Retry-After`).",
    503: "The service cannot answer now; try again (`Retry-After`).",
}

_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes the request happen once, for ever: a repeat gets the first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def operation(
    request: type[msgspec.Struct] | None,
    answer: str,
    status: int = 200,
    *,
    example: Any = None,
    errors: Iterable[int] = (),
    keyed: bool = True,
) -> dict[str, Any]:
    """What a route says of itself, as the arguments of FastAPI's decorator."""
    extra: dict[str, Any] = {"parameters": [_KEY]} if keyed else {}
    if request is not None:
        _requests.append(request)
        extra["requestBody"] = _body(request, example)
    return {
        "status_code": status,
        "response_model": None,
        "responses": _responses(answer, status, errors, with_body=request is not None),
        "openapi_extra": extra,
    }


def install(app: FastAPI) -> None:
    """Make `app.openapi()` give the whole document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(_request_schemas())
    schemas.update(ANSWERS)
    for path, hot in _hot_operations().items():
        made["paths"].setdefault(PREFIX + path, {})["post"] = hot
    for path, methods in made["paths"].items():
        for described in methods.values():
            _as_problems(described)
            if "{" in path:  # an id that is none is not found, whatever the route
                described["responses"].setdefault("404", _problem(404))
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
    made["paths"] = dict(sorted(made["paths"].items()))
    return made


def _request_schemas() -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(_requests, ref_template="#/components/schemas/{name}")
    for kind in _requests:
        schema = schemas[kind.__name__]
        for name in _FROM_PATH & set(schema["properties"]):
            if schema["properties"][name].get("default") == "":
                del schema["properties"][name]
    return {name: _with_decimals(schema) for name, schema in schemas.items()}


def _with_decimals(schema: Any) -> Any:
    """Decimals may be sent as numbers or as text."""
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            kept = {name: value for name, value in schema.items() if name not in ("type", "format")}
            return {**kept, "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]{1,20}(\.[0-9]+)?$"}]}
        return {name: _with_decimals(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_with_decimals(item) for item in schema]
    return schema


def _body(request: type[msgspec.Struct], example: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": _ref(request.__name__)}
    if example is not None:
        content["example"] = example
    required = any(field.required for field in msgspec.structs.fields(request))
    return {"required": required, "content": {"application/json": content}}


def _responses(answer: str, status: int, errors: Iterable[int], *, with_body: bool) -> dict[int | str, dict[str, Any]]:
    always = (400, 413, 422, 503) if with_body else (422, 503)
    replayed = {"Idempotency-Replayed": {"description": "`true` on a repeat.", "schema": {"type": "string"}}}
    good = {
        "description": "Done.",
        "headers": replayed,
        "content": {"application/json": {"schema": _ref(answer)}},
    }
    return {status: good, **{code: _problem(code) for code in sorted({*always, *errors})}}


def _problem(status: int) -> dict[str, Any]:
    return {"description": _ERRORS[status], "content": {MEDIA_TYPE: {"schema": _ref("Problem")}}}


def _as_problems(described: dict[str, Any]) -> None:
    """FastAPI documents its own form of 422, and JSON beside our media type; here all errors are problem documents."""
    responses = described.get("responses", {})
    for status in [status for status in responses if str(status).isdigit() and int(status) in _ERRORS]:
        if MEDIA_TYPE in responses[status].get("content", {}) or str(status) == "422":
            responses[status] = _problem(int(status))


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _hot_operations() -> dict[str, dict[str, Any]]:
    return {
        "/allocations": _hot(
            commands.Allocate,
            "Grant",
            "allocate",
            "Hold tokens and money on every limit that applies, before a call. A refusal says what would fit.",
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
            commands.RecordUsage,
            "UsageRecord",
            "record_usage",
            "Book what a call really used: drawn on its allocation when it names one, else by itself. Never refused "
            "for a limit or a price. Give the counts, or the provider's own `usage` object as it came.",
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
                                "records": {"type": "array", "maxItems": 10_000, "items": _ref("RecordUsage")}
                            },
                        }
                    },
                    "application/x-ndjson": {"schema": {"type": "string"}},
                },
            },
            "responses": {str(code): made for code, made in _responses("Batch", 200, (), with_body=True).items()},
        },
    }


def _hot(
    request: type[commands.Command], answer: str, name: str, description: str, example: Any, errors: tuple[int, ...]
) -> dict[str, Any]:
    return {
        "summary": name.replace("_", " ").title(),
        "operationId": name,
        "description": description,
        "parameters": [_KEY],
        "requestBody": _body(request, example),
        "responses": {str(code): made for code, made in _responses(answer, 201, errors, with_body=True).items()},
    }


# Answers, field by field: s text, i whole number, n number, b boolean, o object, l list, S list of texts; ?: or null.

_TYPES: Final[Mapping[str, dict[str, Any]]] = {
    "s": {"type": "string"},
    "i": {"type": "integer"},
    "n": {"type": "number"},
    "b": {"type": "boolean"},
    "o": {"type": "object"},
    "l": {"type": "array", "items": {"type": "object"}},
    "S": {"type": "array", "items": {"type": "string"}},
}


def answer_schema(description: str, fields: str, **more: Any) -> dict[str, Any]:
    """The schema of an answer whose fields are all there: `"name:type other:type?"`, and further properties."""
    properties: dict[str, Any] = {}
    for field in fields.split():
        name, _, kind = field.partition(":")
        plain = _TYPES[kind[0]]
        properties[name] = {**plain, "type": [plain["type"], "null"]} if kind.endswith("?") else plain
    properties |= more
    return {"type": "object", "description": description, "properties": properties, "required": list(properties)}


_FLAGS = (
    "unpriced:b over_limit:b provisional:b estimated:b late:b partly_priced:b total_differs:b cost_reported:b "
    "price_unknown:b "
)
_ALLOCATION = _FLAGS + (
    "allocation_id:s budget_id:s context_id:s task_id:s? component:s tier:s provider:s? model:s? task_type:s "
    "user_id:s? tags:o priority:i tokens_allocated:i input_tokens:i? max_output_tokens:i? tokens_used:i "
    "input_tokens_used:i output_tokens_used:i remaining_tokens:i usage_percentage:n estimated_cost:n actual_cost:n "
    "held_cost:n pricing_version:s? state:s is_active:b creation_time:s created_at:s expiration_time:s started_at:s? "
    "last_updated:s provisional_record_id:s? metadata:o"
)
_RECORD = _FLAGS + (
    "record_id:s allocation_id:s? budget_id:s context_id:s? task_id:s? component:s provider:s? model:s? tier:s "
    "task_type:s user_id:s? tags:o input_tokens:i? output_tokens:i? total_tokens:i input_cost:n output_cost:n "
    "total_cost:n cost:n parts:o pricing_version:s? timestamp:s occurred_at:s recorded_at:s booked_at:s "
    "operation_id:s? request_id:s? status:s corrects:s? corrected_by:s? reason:s? original_cost:s? unknown_usage:o? "
    "metadata:o"
)

ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "Allocation": answer_schema("A hold on tokens and money.", _ALLOCATION),
    "Grant": answer_schema(
        "An allocation as granted, and what was said about it.", _ALLOCATION + " decision_id:s warnings:S offers:l"
    ),
    "UsageRecord": answer_schema("What a call really used; counts that are not known are null.", _RECORD),
    "Settled": answer_schema(
        "The record that settled an allocation, and the allocation after it.",
        _RECORD + " tokens_released:i",
        allocation=_ref("Allocation"),
    ),
    "Released": answer_schema("An allocation given back.", "message:s tokens_released:i", data=_ref("Allocation")),
    "Done": answer_schema("What was done.", "message:s data:o?"),
    "Budget": answer_schema(
        "A named container with an owner, a time zone and policies.",
        "budget_id:s name:s description:s? owner:s? policies:S time_zone:s currency:s components:S is_default:b "
        "is_active:b creation_time:s created_at:s updated_at:s metadata:o",
    ),
    "Policy": answer_schema(
        "A limit per period, for what its scope matches.",
        "policy_id:s version:i budget_id:s? scope:s type:s period:s tier:s? provider:s? model:s? component:s? "
        "task_type:s? user_id:s? key_id:s? token_limit:i? cost_limit:n? warning_threshold:n action_threshold:n "
        "enabled:b start_date:s end_date:s? created_at:s updated_at:s metadata:o",
        thresholds={"type": "array", "items": {"type": "number"}},
    ),
    "Alert": answer_schema(
        "A level that a limit reached, once per window.",
        "alert_id:s budget_id:s? policy_id:s? severity:s type:s title:s message:s details:o timestamp:s "
        "acknowledged:b acknowledged_by:s? acknowledged_at:s?",
    ),
    "Alerts": {"type": "array", "description": "Alerts that are new.", "items": _ref("Alert")},
    "Price": answer_schema(
        "What a model costs from a date on, in dollars per unit.",
        "pricing_id:s provider:s model:s price_type:s input_cost_per_token:n output_cost_per_token:n "
        "input_cost_per_char:n output_cost_per_char:n cache_read_cost_per_token:n? cache_write_cost_per_token:n? "
        "reasoning_cost_per_token:n? cost_per_image:n? cost_per_second:n? fixed_cost_per_request:n? rates:o "
        "context_tiers:l context_window_tokens:i? version:s source:s source_url:s? verified:b effective_date:s "
        "end_date:s? created_at:s metadata:o",
    ),
    "Model": answer_schema("A row of the table of models.", "provider:s model:s tier:s? capabilities:S equivalents:l"),
    "Batch": answer_schema("What became of each record.", "accepted:i duplicates:i refused:i results:l"),
    "Verdict": answer_schema(
        "What an allocation would be told, and why.",
        "allowed:b reason:s? explanation:o remaining:l warnings:S offers:l alternatives:l context_id:s tier:s "
        "estimated_cost:n estimated_tokens:i cost_estimate:o",
    ),
    "Problem": {
        **answer_schema(
            "A problem document (RFC 9457). A refusal also says `limits`, `decision_id`, `as_of_seq`, `retryable`, "
            "`retry_at` and `offers`, each offer with the whole request to send.",
            "type:s title:s status:i detail:s instance:s? code:s errors:l error:o",
        ),
    },
}
