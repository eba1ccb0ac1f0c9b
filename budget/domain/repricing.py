"""Pricing anew what was priced already: only on request, and only what a price list decided (P8)."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from budget.domain import corrections, money, pricing
from budget.domain.balances import MAX_AMOUNT
from budget.domain.configuration import Configuration
from budget.domain.entries import Caller
from budget.domain.records import COST_REPORTED, PRICE_UNKNOWN, PROVISIONAL, UNPRICED, Record
from budget.domain.state import State

_KEPT = COST_REPORTED | PROVISIONAL | PRICE_UNKNOWN | UNPRICED
"""What a provider reported, what came from older ledgers, and what waits for a settlement or a first price."""

Place = tuple[str, str | None, str | None]
"""Budget, provider, model."""


def price_anew(configuration: Configuration, record: Record) -> tuple[pricing.Price, pricing.Cost] | None:
    """The price in force when it happened by today's table, and what it comes to; None where nothing changes."""
    price = configuration.price(record.provider, record.model, record.occurred_at)
    if price is None or price.price_id == record.price_id or record.status != "current" or record.flags & _KEPT:
        return None
    cost = corrections.cost_of(price, record)
    return None if cost.total == record.cost or cost.total > MAX_AMOUNT else (price, cost)


def reprice_usage(state: State, records: Iterable[Record], caller: Caller) -> "Changes":
    """Give these records their cost by the prices of today's table, by correcting entries; gives what that changed."""
    changes = Changes()
    for record in records:
        found = price_anew(state.configuration, record)
        if found is not None:
            changes.add(record, found[1])
            corrections.price_record(state, record, found[0], caller)
    return changes


class Change(NamedTuple):
    """What pricing anew does to the records of one budget and model; money in nanocents."""

    records: int = 0
    before: int = 0
    after: int = 0


class Changes:
    """What it does to all of them, by budget and model."""

    def __init__(self) -> None:
        self.found: dict[Place, Change] = {}

    def add(self, record: Record, cost: pricing.Cost) -> None:
        """Add what becomes of a record."""
        self._add((record.budget_id, record.provider, record.model), Change(1, record.cost, cost.total))

    def add_all(self, configuration: Configuration, records: Iterable[Record]) -> None:
        """Add what would become of these records; those that keep their cost do not count."""
        for record in records:
            found = price_anew(configuration, record)
            if found is not None:
                self.add(record, found[1])

    def merge(self, other: "Changes") -> None:
        """Add what was found elsewhere."""
        for place, change in other.found.items():
            self._add(place, change)

    def _add(self, place: Place, change: Change) -> None:
        known = self.found.get(place, Change())
        self.found[place] = Change(*(one + more for one, more in zip(known, change, strict=True)))

    def report(self) -> dict[str, Any]:
        """The rows, the largest difference first, and their sums."""
        rows = [
            {"budget_id": budget_id, "provider": provider, "model": model, **_shown(change)}
            for (budget_id, provider, model), change in self.found.items()
        ]
        total = Change(*(sum(column) for column in zip(*self.found.values(), strict=True))) if rows else Change()
        return {"rows": sorted(rows, key=lambda row: -abs(row["difference"])), "totals": _shown(total)}


def _shown(change: Change) -> dict[str, Any]:
    return {
        "records": change.records,
        "cost_before": money.to_dollars(change.before),
        "cost_after": money.to_dollars(change.after),
        "difference": money.to_dollars(change.after - change.before),
    }
