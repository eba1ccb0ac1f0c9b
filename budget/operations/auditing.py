"""The audit trail as an operation of the catalogue."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from budget.domain.commands import Count
from budget.engine import audit
from budget.engine.ledger import Ledger
from budget.operations.requests import Query, Text, When, Word


class ListChanges(Query, frozen=True, kw_only=True):
    """Which changes, newest first."""

    what: Annotated[Word, Meta(description=f"one of {', '.join(audit.KINDS)}")] | None = None
    who: Annotated[Text, Meta(description="the id of a key, or anonymous")] | None = None
    subject: Annotated[Text, Meta(description="the id of what was changed")] | None = None
    start: When | None = msgspec.field(name="from", default=None)
    end: When | None = msgspec.field(name="to", default=None)
    before: (
        Annotated[Count, Meta(description="only what has a lower number: `next_before` of the page before")] | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="items on a page")] = 100


async def list_changes(ledger: Ledger, asked: ListChanges) -> dict[str, Any]:
    """Who changed what, from what to what, when, from which address, with which key: newest first, from the journal.

    Budgets, limits, prices, models, keys, acknowledged alerts, corrections and releases; not what the service does by
    itself. `before` and `after` are as the journal has them: instants in microseconds, money in nanocents.
    """
    found = await audit.changes(
        ledger,
        {"kind": asked.what, "subject": asked.subject, "caller": asked.who},
        before=asked.before,
        start=asked.start,
        end=asked.end,
        limit=asked.limit,
    )
    return {"items": found, "next_before": found[-1]["seq"] if len(found) == asked.limit else None}
