"""Rhetor's usage: rows as its database had them, totals, and summaries by one field."""

import datetime as dt
from typing import Any

from budget.adapters.rhetor import words
from budget.client import exchange
from budget.client.account import Account
from budget.client.exchange import Reply
from budget.domain.configuration import GENERATED

Moment = dt.datetime | dt.date | str


def context_of(metadata: Any, context_id: str | None = None) -> str:
    """The context of a call: the one that is named, else the one in its metadata, else one that stands for none."""
    found = context_id or (metadata.get("context_id") if isinstance(metadata, dict) else None)
    return found if isinstance(found, str) and found else GENERATED + exchange.new_key()


def record(account: Account, **fields: Any) -> Reply:
    """Book a usage; who and what Rhetor left empty is unknown, and metadata that is no object is kept in one."""
    for name in ("provider", "model", "component"):
        fields[name] = fields[name] or "unknown"
    fields["task_type"] = fields["task_type"] or "default"
    metadata = fields.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        fields["metadata"] = {"metadata": metadata}
    booked: Reply = account.call("record_usage", **fields)
    return booked


def rows(
    account: Account, period: str, provider: str | None, start: Moment | None, end: Moment | None
) -> list[dict[str, Any]]:
    """The usage of a period, or of `custom` dates, oldest first."""
    if start is None:
        if period == "custom":
            raise ValueError("start_date is required for a custom period")
        start = window(account, words.period(period))["start_time"]
    filters = {"provider": words.provider_of(provider), "start_date": _text(start), "end_date": _text(end)}
    # Newer records push older ones to the next page: one that is seen twice is one.
    found = {each["record_id"]: each for each in account.each("list_usage", **filters)}
    return [_row(account, each) for each in reversed(found.values())]


def _row(account: Account, record: Reply) -> dict[str, Any]:
    """As Rhetor had it; what the migration noted of an old row is no metadata of its caller's."""
    metadata = dict(record["metadata"])
    imported = metadata.pop("imported", {})
    return {
        "id": record["record_id"],
        "timestamp": imported.get("timestamp") or account.local_text(record["timestamp"]),
        "provider": record["provider"],
        "model": record["model"],
        "component": record["component"],
        "task_type": record["task_type"],
        "input_tokens": record["input_tokens"],
        "output_tokens": record["output_tokens"],
        "cost": words.number(record["total_cost"]),
        "metadata": metadata,
    }


def window(account: Account, period: str, provider: str | None = None) -> Reply:
    """What was used in the current window of a period."""
    found: Reply = account.call("get_usage_summary", period=period, provider=words.provider_of(provider))
    return found


def summary(account: Account, period: str, group_by: str) -> dict[str, Any]:
    """The totals of a period, and of each group in it."""
    found = window(account, period)
    totals = {
        "total_cost": words.number(found["total_cost"]),
        "total_input_tokens": found["total_input_tokens"],
        "total_output_tokens": found["total_output_tokens"],
        "total_tokens": found["total_tokens"],
        "count": found["count"],
    }
    groups = {name: _group(sums) for name, sums in found["groups"][group_by].items()}
    if not found["count"]:  # Rhetor said less where there was nothing
        totals = {"total_cost": 0.0, "total_tokens": 0}
    return {"period": period, **totals, "groups": groups}


def _group(sums: Reply) -> dict[str, Any]:
    return {
        "cost": words.number(sums["cost"]),
        "input_tokens": sums["input_tokens"],
        "output_tokens": sums["output_tokens"],
        "count": sums["count"],
    }


def _text(moment: Moment | None) -> str | None:
    return moment.isoformat() if isinstance(moment, dt.date) else moment
