"""What operations answer, as JSON schemas: one for each noun, and how pages and lists of them look."""

from collections.abc import Mapping
from typing import Any, Final

REFERENCES: Final = "#/components/schemas/"
"""Where the OpenAPI document keeps them."""


def one(name: str) -> dict[str, Any]:
    """An answer that is one noun."""
    return {"$ref": REFERENCES + name}


def array(name: str) -> dict[str, Any]:
    """An answer that is a list of them, all of it."""
    return {"type": "array", "items": one(name)}


def page(name: str, **more: Any) -> dict[str, Any]:
    """A page of a longer list; `total` is counted to 10,000 where `total_exact` is false."""
    properties = {
        "items": array(name),
        "total": {"type": "integer"},
        "total_exact": {"type": "boolean"},
        "page": {"type": "integer"},
        "limit": {"type": "integer"},
    }
    return {"type": "object", "properties": properties | more, "required": list(properties)}


def standing_alone(answer: dict[str, Any]) -> dict[str, Any]:
    """The same schema with all that it refers to inside it, for readers who have no OpenAPI document."""
    found: dict[str, Any] = {}
    resolved = _resolved(answer, found)
    if set(resolved) == {"$ref"} and isinstance(resolved["$ref"], str):
        name = resolved["$ref"].rpartition("/")[2]
        resolved = found.pop(name)
    return {**resolved, "$defs": found} if found else resolved


def _resolved(part: Any, found: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_resolved(item, found) for item in part]
    if not isinstance(part, dict):
        return part
    reference = part.get("$ref")
    if not isinstance(reference, str):
        return {name: _resolved(item, found) for name, item in part.items()}
    name = reference.removeprefix(REFERENCES)
    if name not in found:
        found[name] = {}  # a noun that leads back to itself is resolved once
        found[name] = _resolved(ANSWERS[name], found)
    return {"$ref": f"#/$defs/{name}"}


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


_KEY = (
    "key_id:s name:s prefix:s scopes:S budgets:S components:S is_active:b created_at:s expires_at:s? rotated_at:s? "
    "revoked_at:s?"
)
_RECEIVER = (
    "receiver_id:s name:s kind:s target:s types:S severities:S budgets:S components:S enabled:b created_at:s "
    "updated_at:s rotated_at:s? removed_at:s?"
)
_DELIVERY = (
    "delivery_id:s receiver_id:s type:s seq:i? state:s attempts:i created_at:s next_at:s? delivered_at:s? status:i? "
    "error:s?"
)
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

_REPORT = "start:s end:s time_zone:s budget_id:s? by:S bucket:s? rows:l totals:o coverage:o source:s zone_changes:l"


def _issued(fields: str, secret: str) -> dict[str, Any]:
    schema = answer_schema("", fields)
    return {"properties": {**schema["properties"], secret: {"type": "string"}}, "required": schema["required"]}


ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "Allocation": answer_schema("A hold on tokens and money.", _ALLOCATION),
    "Grant": answer_schema(
        "An allocation as granted, and what was said about it.", _ALLOCATION + " decision_id:s warnings:S offers:l"
    ),
    "UsageRecord": answer_schema("What a call really used; counts that are not known are null.", _RECORD),
    "Settled": answer_schema(
        "The record that settled an allocation, and the allocation after it.",
        _RECORD + " tokens_released:i",
        allocation=one("Allocation"),
    ),
    "Released": answer_schema("An allocation given back.", "message:s tokens_released:i", data=one("Allocation")),
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
    "Event": answer_schema(
        "Something that happened; `data` is what it is about, as it was then.",
        "seq:i type:s time:s subject:s caller:s budget_id:s? component:s? severity:s data:o",
    ),
    "Events": answer_schema(
        "The next events.", "next_after:i as_of_seq:i", items={"type": "array", "items": {"$ref": REFERENCES + "Event"}}
    ),
    "Snapshot": answer_schema(
        "Every limit as of an event.",
        "as_of_seq:i",
        limits={"type": "array", "items": {"$ref": REFERENCES + "Limit"}},
    ),
    "Alert": answer_schema(
        "A level that a limit reached, once per window.",
        "alert_id:s budget_id:s? policy_id:s? severity:s type:s title:s message:s details:o timestamp:s "
        "acknowledged:b acknowledged_by:s? acknowledged_at:s?",
    ),
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
    "SummaryRow": answer_schema(
        "What was used, held and left in a window, beside the limit that measures it.",
        "budget_id:s name:s period:s tier:s? provider:s? model:s? component:s? task_type:s? total_tokens_allocated:i "
        "total_tokens_used:i input_tokens:i output_tokens:i token_limit:i? token_usage_percentage:n? total_cost:n "
        "cost_limit:n cost_usage_percentage:n active_allocations:i start_time:s end_time:s remaining_tokens:i? "
        "remaining_cost:n token_limit_exceeded:b cost_limit_exceeded:b spent:n limit:n limit_is_default:b "
        "request_count:i coverage:o",
    ),
    "UsageSummary": answer_schema(
        "Totals, groups and a daily series.",
        "period:s budget_id:s? provider:s? component:s? model:s? task_type:s? tier:s? start_time:s end_time:s "
        "total_input_tokens:i total_output_tokens:i input_tokens:i output_tokens:i total_tokens:i total_cost:n "
        "total_input_cost:n total_output_cost:n count:i request_count:i groups:o providers:l models:l components:l "
        "daily_usage:l coverage:o",
    ),
    "AnalyticsRow": answer_schema(
        "Usage of one bucket of time, provider, model and component.",
        "date:s provider:s model:s component:s request_count:i input_tokens:i output_tokens:i total_tokens:i "
        "total_cost:n",
    ),
    "Breakdown": answer_schema(
        "Usage by provider and model, component and task type; the series is null where it would say little.",
        "period:s start_date:s end_date:s total_input_tokens:i total_output_tokens:i total_tokens:i total_cost:n "
        "record_count:i providers:o components:o task_types:o time_series:o? budget_id:s?",
    ),
    "Report": answer_schema(
        "Usage by fields and buckets; `totals` is all of it. `source` says whether rollups or records were added up, "
        "`zone_changes` which budgets' days were cut otherwise before.",
        _REPORT,
    ),
    "ReportTrend": answer_schema("A report as a series, with every bucket.", _REPORT + " buckets:l"),
    "ReportTop": answer_schema("What was used most, and the others together.", _REPORT + " unit:s others:o"),
    "ReportForecast": answer_schema(
        "A window's usage so far, and what is expected at its end, of each row and in all; and of its limits.",
        _REPORT + " period:s unit:s forecast:o limits:l",
    ),
    "ReportBurnDown": answer_schema(
        "What was left of each limit after each bucket; `totals` is what the budget used in the period.",
        _REPORT + " period:s limits:l",
    ),
    "Dashboard": answer_schema(
        "The first screen, all of one moment; the lists are the beginnings of longer ones.",
        "as_of_seq:i as_of:s budget_id:s? time_zone:s limits_total:i today:o month:o top:l alerts_total:i "
        "allocations_total:i held_tokens:i held_cost:n coverage:o",
        limits=array("Limit"),
        trend=one("ReportTrend"),
        alerts=array("Alert"),
        allocations=array("Allocation"),
    ),
    "Limit": answer_schema(
        "A limit with what is used, held and free in its window now, in its own unit: tokens or dollars.",
        "policy_id:s budget_id:s? type:s period:s tier:s? provider:s? model:s? component:s? task_type:s? user_id:s? "
        "key_id:s? unit:s limit:n used:n? held:n? free:n? ratio:n? exceeded:b window:s? start:s? end:s? resets_at:s? "
        "forecast:o",
    ),
    "Decision": answer_schema(
        "A verdict with the arithmetic it came from.",
        "decision_id:s verdict:s operation:s decided_at:s caller:s policy_id:s? budget_id:s? component:s? repeats:i "
        "message:s limits:l as_of_seq:i",
    ),
    "Calculation": answer_schema(
        "What one call costs.",
        "provider:s model:s pricing_id:s input_cost:n output_cost:n total_cost:n partly_priced:b",
    ),
    "Recommendation": answer_schema(
        "Cheaper models for a call, from the prices in force; the best first.",
        "items:l current_provider:s? current_model:s? current_cost:n? task_type:s best_match:o? alternatives:l "
        "optimization_tips:S",
    ),
    "Routing": answer_schema(
        "The model to use for a call: the one that was asked for, or one that the limits still allow.",
        "provider:s? model:s? warnings:S original_provider:s? original_model:s? is_downgraded:b allowed:b",
    ),
    "Migration": answer_schema(
        "A migration of an older ledger, and its report once it has come to its end.",
        "migration_id:s kind:s state:s budget_id:s time_zone:s as_warn:b paths:S started_at:s finished_at:s? report:o?",
    ),
    "MigrationReport": answer_schema(
        "What became of every entry of every source: found = imported (or would_import) + already_present + skipped + "
        "invalid, of usage, policies and allocations.",
        "migration_id:s? budget_id:s? kind:s time_zone:s as_warn:b dry_run:b state:s sources:l policies:l prices:o "
        "notes:S",
    ),
    "MigrationUndone": answer_schema(
        "What was taken back, and the limits that stay because somebody has edited them since.",
        "migration_id:s state:s undone:o kept_policies:l",
    ),
    "Repricing": answer_schema(
        "What pricing anew changes (or would), per budget and model, the largest difference first.",
        "dry_run:b as_of_seq:i rows:l totals:o",
    ),
    "Changes": answer_schema("Changes, newest first.", "items:l next_before:i?"),
    "Key": answer_schema("An API key, known by its prefix; its secret is not kept.", _KEY + " last_used_at:s?"),
    "IssuedKey": {
        "type": "object",
        "description": "A key as it stands; with its secret, `key`, the first time that there is a new one.",
        **_issued(_KEY, "key"),
    },
    "Receiver": answer_schema("Someone who is told of alerts.", _RECEIVER),
    "IssuedReceiver": {
        "type": "object",
        "description": "A receiver as it stands; with its `secret` the first time that there is a new one.",
        **_issued(_RECEIVER, "secret"),
    },
    "Delivery": answer_schema("One event for one receiver: pending, delivered or dead.", _DELIVERY),
    "DeliveryWithBody": answer_schema("A delivery, and what is sent.", _DELIVERY + " body:o"),
    "Problem": {
        **answer_schema(
            "A problem document (RFC 9457). A refusal also says `limits`, `decision_id`, `as_of_seq`, `retryable`, "
            "`retry_at` and `offers`, each offer with the whole request to send.",
            "type:s title:s status:i detail:s instance:s? code:s errors:l error:o",
        ),
    },
}
