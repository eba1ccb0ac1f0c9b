"""Who changed what, before and after, when, from where, with which key: read from the journal, which has it all."""

from typing import Any, Protocol

import msgspec

from budget.domain import instants
from budget.domain.configuration import FOREVER, Configuration
from budget.domain.entries import Entry
from budget.domain.errors import Invalid
from budget.engine.queries import span_of
from budget.storage import audit
from budget.storage.database import Database

KINDS = audit.KINDS


class Source(Protocol):
    """What queries need of the ledger."""

    database: Database

    async def refresh(self) -> Configuration:
        """The configuration as it is now."""


async def changes(
    ledger: Source,
    filters: dict[str, str | None],
    *,
    before: int | None,
    start: str | None,
    end: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Changes, newest first, from below a number."""
    kind = filters.get("kind")
    if kind is not None and kind not in KINDS:
        raise Invalid("what", f"must be one of {', '.join(KINDS)}")
    configuration = await ledger.refresh()
    span = span_of(configuration.rules.time_zone, start, end, ("from", "to"))
    found = await ledger.database.read(
        audit.changes,
        filters,
        FOREVER if before is None else before,
        0 if span.start is None else span.start,
        FOREVER if span.end is None else span.end,
        limit,
    )
    return [shown(entry, configuration) for entry in found]


def shown(entry: Entry, configuration: Configuration) -> dict[str, Any]:
    """One change."""
    data: dict[str, Any] = {} if entry.data is None else msgspec.json.decode(entry.data)
    before, after = data.get("before"), _after(data)
    key = configuration.keys.get(entry.caller)
    return {
        "seq": entry.seq,
        "time": instants.iso(entry.at),
        "who": entry.caller,
        "key_name": None if key is None else key.key.name,
        "where": data.get("from"),
        "what": entry.kind,
        "subject": entry.subject,
        "reason": data.get("reason"),
        "changed": _changed(before, after),
        "before": before,
        "after": after,
    }


def _after(data: dict[str, Any]) -> Any:
    """What stands afterwards, under whichever word the entry has it."""
    for word in ("after", "record", "hold", "alert"):
        if word in data:
            return data[word]
    rest = {name: value for name, value in data.items() if name not in ("from", "before", "reason")}
    return rest or None


def _changed(before: Any, after: Any) -> list[str]:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return []
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
