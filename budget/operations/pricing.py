"""Pricing anew, as an operation: a rehearsal unless it is told otherwise."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from budget.domain import commands
from budget.domain.entries import Caller
from budget.engine import queries, repricing
from budget.engine.ledger import Ledger
from budget.operations.requests import Query, When
from budget.operations.writing import Answered


class RepriceUsage(Query, frozen=True, kw_only=True):
    """Which usage, by when it happened; `to` as a date includes that day."""

    start: When = msgspec.field(name="from")
    end: When = msgspec.field(name="to")
    provider: commands.Name | None = None
    model: commands.Name | None = None
    budget_id: commands.Name | None = None
    dry_run: Annotated[bool, Meta(description="only say what would change; false does it")] = True


async def reprice_usage(ledger: Ledger, asked: RepriceUsage, caller: Caller, _: str | None) -> Answered:
    """Rehearse or do it; either way the answer says what it comes to."""
    zone = queries.zone_for(await ledger.refresh(), asked.budget_id)
    span = queries.span_of(zone, asked.start, asked.end, ("from", "to"))
    command = commands.RepriceUsage(
        start=span.start or 0,
        end=span.end or 0,
        provider=None if asked.provider is None else asked.provider.lower(),
        model=asked.model,
        budget_id=asked.budget_id,
    )
    said: dict[str, Any] = {"dry_run": asked.dry_run}
    if asked.dry_run:
        changes, said["as_of_seq"] = await repricing.rehearse(ledger, command)
    else:
        changes = await repricing.reprice(ledger, command, caller)
        said["as_of_seq"] = (await ledger.bus.bounds())[1]
    return Answered({**said, **changes.report()})
