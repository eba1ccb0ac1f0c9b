"""The stream of events for those who ask: a page of it, and the snapshot from which one can go on."""

from typing import Annotated, Any

from msgspec import Meta

from budget.domain.commands import Count
from budget.domain.events import Filter, severities_of, types_of
from budget.engine import limits
from budget.engine.ledger import Ledger
from budget.operations.requests import Query, Text

Words = Annotated[str, Meta(max_length=2000, pattern=r"^[^\x00]*$")]


class EventFilter(Query, frozen=True, kw_only=True):
    """Which events."""

    types: Annotated[Words, Meta(description="types or families such as usage.*, comma-separated")] | None = None
    budget_id: Annotated[Text, Meta(description="and events that concern every budget")] | None = None
    component: Annotated[Text, Meta(description="and events that concern every component")] | None = None
    severity: Annotated[Words, Meta(description="info, warning, error, comma-separated")] | None = None

    @property
    def filter(self) -> Filter:
        """What is wanted; `Invalid` names what is unknown."""
        return Filter(
            types=types_of(words(self.types or "")),
            severities=severities_of(words(self.severity or "")),
            budget_id=self.budget_id,
            component=self.component,
        )


class ListEvents(EventFilter, frozen=True, kw_only=True):
    """Which events, from where on."""

    after: Annotated[Count, Meta(description="the last number that is known; without it the oldest events")] | None = (
        None
    )
    limit: Annotated[int, Meta(ge=1, le=1000, description="items on a page")] = 100


class GetSnapshot(Query, frozen=True, kw_only=True):
    """Of which budget, or of all."""

    budget_id: Text | None = None


async def get_snapshot(ledger: Ledger, asked: GetSnapshot) -> dict[str, Any]:
    """Every limit as it stands, and `as_of_seq`: the events after that number are what these figures lack.

    Limits of sessions and tasks are not among them.
    """
    return await limits.snapshot(ledger, {"budget_id": asked.budget_id})


def words(text: str) -> list[str]:
    """The words of a comma-separated text."""
    return [word for each in text.split(",") if (word := each.strip())]
