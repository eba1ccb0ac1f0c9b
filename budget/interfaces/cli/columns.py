"""Which fields of each noun a table shows, and how a field is written for people."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from budget.interfaces.cli import documents, figures

COLUMNS: Final[Mapping[str, str]] = {
    "Budget": "budget_id name owner time_zone is_default is_active",
    "Policy": "policy_id type period applies_to token_limit cost_limit warning_threshold action_threshold enabled",
    "Limit": "type period applies_to limit used held free ratio resets_at",
    "Allocation": "allocation_id context_id component model tokens_allocated remaining_tokens held_cost state "
    "expiration_time",
    "UsageRecord": "record_id occurred_at component model input_tokens output_tokens cost flags",
    "Price": "provider model input_cost_per_token output_cost_per_token source verified effective_date end_date",
    "Model": "provider model tier capabilities equivalents",
    "Alert": "alert_id severity type message timestamp acknowledged",
    "Event": "seq time type severity subject component",
    "Decision": "decision_id decided_at verdict operation component message",
    "Key": "key_id name prefix scopes is_active expires_at last_used_at",
    "Receiver": "receiver_id name kind target types severities enabled",
    "Delivery": "delivery_id receiver_id type state attempts next_at delivered_at error",
    "Migration": "migration_id kind state started_at finished_at",
    "SummaryRow": "period tier provider component total_tokens_used token_limit total_cost cost_limit start_time "
    "end_time",
    "AnalyticsRow": "date provider model component request_count input_tokens output_tokens total_cost",
}
TITLES: Final[Mapping[str, str]] = {
    "input_cost_per_token": "input/1M",
    "output_cost_per_token": "output/1M",
    "applies_to": "for",
}
"""The others are titled by their names."""

INSIDE: Final[Mapping[str, str]] = {
    "Recommendation.items": "provider model estimated_cost savings savings_percent",
    "Recommendation.alternatives": "",
    "Recommendation.best_match": "",
    "Verdict.remaining": "",
    "Verdict.alternatives": "",
    "Verdict.cost_estimate": "",
    "Dashboard.trend": "",
    "Dashboard.limits": COLUMNS["Limit"],
    "Dashboard.alerts": COLUMNS["Alert"],
    "Dashboard.allocations": COLUMNS["Allocation"],
    "Dashboard.in_flight": COLUMNS["Allocation"],
    "Verdict.limits": "type period unit limit used held asked fits",
    "Changes.items": "seq time who where what subject changed",
    "Decision.limits": "type period unit limit used held asked",
}
"""What tables inside one thing show; nothing where it would say something twice."""

_SCOPE: Final = ("tier", "provider", "model", "component", "task_type", "user_id", "key_id")
_FLAGS: Final = (
    "unpriced", "over_limit", "provisional", "estimated", "late", "partly_priced", "total_differs",
    "cost_reported", "price_unknown",
)  # fmt: skip
_SAID_TWICE: Final = ("creation_time", "timestamp", "total_cost", "last_updated", "recorded_tokens", "success")
"""Tekton's further names of fields that are there anyway."""
_MONEY: Final = ("cost", "saving", "savings", "spent", "cost_limit", "cost_used")
_MILLION: Final = 1_000_000


def shown(noun: str, fields: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of a noun's table; the first few fields of one that has none of its own."""
    return tuple(COLUMNS[noun].split()) if noun in COLUMNS else fields[:8]


def title(field: str) -> str:
    """What stands above a column."""
    return TITLES.get(field, field.replace("_", " "))


def opened(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """One thing with the limits that explain it beside its fields, not inside one."""
    explanation = value.get("explanation")
    if not isinstance(explanation, dict):
        return value
    rest = {name: item for name, item in value.items() if name != "explanation"}
    return {"limits": explanation.get("limits"), **rest}


def says_something(field: str, value: Any) -> bool:
    """Whether a field of one thing is worth a line: not null, not empty, not a flag that is down, not said already."""
    if value is False:
        return field not in _FLAGS
    return value not in (None, [], {}) and field not in _SAID_TWICE


def is_number(value: Any) -> bool:
    """Whether it stands to the right."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def written(row: Mapping[str, Any], field: str, zone: Callable[[Any], str]) -> str:
    """A field of a row for people; `zone` says by which clocks, from the row's budget."""
    if field in _COMPOSED:
        return _COMPOSED[field](row)
    value = row.get(field)
    if isinstance(value, str) and _is_time(field):
        return figures.clock(value, zone(row.get("budget_id")))
    if is_number(value):
        return _number(row, field, value)
    return figures.visible(_text(value)) or "–"


def _text(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case [*items] if all(isinstance(item, str) for item in items):
            return ", ".join(items)
        case dict() | list():
            return documents.as_line(value) if value else ""
        case _:
            return documents.plain(value)


def _number(row: Mapping[str, Any], field: str, value: Any) -> str:
    exact = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    if field.endswith("_cost_per_token"):
        return figures.dollars(exact * _MILLION)
    if _is_money(row, field):
        return figures.dollars(exact)
    if field == "ratio":
        return f"{exact * 100:.0f}%"
    return f"{value:,}" if isinstance(value, int) else f"{exact:f}"


def _is_money(row: Mapping[str, Any], field: str) -> bool:
    if row.get("unit") == "cost" and field in ("limit", "used", "held", "free", "asked"):
        return True
    return field in _MONEY or field.endswith("_cost") or field.startswith("cost_per_")


def _is_time(field: str) -> bool:
    return field.endswith(("_at", "_time", "_date")) or field in ("time", "timestamp", "start", "end", "as_of")


def _applies_to(row: Mapping[str, Any]) -> str:
    return figures.visible(" ".join(str(row[name]) for name in _SCOPE if row.get(name))) or "everything"


def _flags(row: Mapping[str, Any]) -> str:
    return " ".join(name for name in _FLAGS if row.get(name)) or "–"


def _equivalents(row: Mapping[str, Any]) -> str:
    return figures.visible(", ".join(f"{each['provider']}/{each['model']}" for each in row["equivalents"])) or "–"


_COMPOSED: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "applies_to": _applies_to,
    "flags": _flags,
    "equivalents": _equivalents,
}
