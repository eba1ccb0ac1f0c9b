"""A policy as the naive model sees it: what it meets, its windows, its limits and the levels it warns at."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import floor

from budget.domain import policies
from budget.simulator.calendar import bounds, window_key
from budget.simulator.counts import NANOCENTS
from budget.simulator.things import SCOPE, Place, Thing


@dataclass(eq=False)
class Policy:
    """A policy as the ledger answered it, and when and in which zone its windows opened last."""

    stored: policies.Policy
    zone: str
    opened: int
    label: str
    earlier_zones: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Its id in the ledger."""
        return self.stored.policy_id

    @property
    def enabled(self) -> bool:
        """Whether it counts."""
        return self.stored.enabled

    @property
    def hard(self) -> bool:
        """Whether it refuses."""
        return self.stored.type == "hard_limit"

    @property
    def keyed(self) -> bool:
        """Whether its windows are sessions or tasks."""
        return self.stored.period in {"per_session", "per_task"}

    def limits(self) -> Iterator[tuple[str, int, Decimal]]:
        """Each limit: its unit, its amount in whole tokens or nanocents, and as an alert states it."""
        if self.stored.token_limit is not None:
            yield "tokens", self.stored.token_limit, Decimal(self.stored.token_limit)
        if self.stored.cost_limit is not None:
            yield "cost", floor(self.stored.cost_limit * NANOCENTS), self.stored.cost_limit

    def meets(self, thing: Thing) -> bool:
        """Whether its budget and every field of its scope are the thing's."""
        return self.stored.budget_id in (None, thing.budget_id) and all(
            getattr(self.stored, name) in (None, getattr(thing, name)) for name in SCOPE
        )

    def window(self, thing: Thing) -> str | None:
        """The key of the window that contains the thing; None where it has no task."""
        if self.stored.period == "per_session":
            return f"c:{thing.context_id}"
        if self.stored.period == "per_task":
            return None if thing.task_id is None else f"t:{thing.task_id}"
        return self.window_at(thing.booked_at)

    def window_at(self, at: int) -> str:
        """The key of its window at an instant."""
        return window_key(self.stored.period, self.zone, at)

    def counts(self, key: str, since: int) -> bool:
        """Whether this is one of its windows, in the zone in force, and had not ended at some time."""
        if self.keyed:
            return True
        start, end = bounds(key)
        return end > since and self.window_at(start) == key

    def cuts(self, key: str) -> bool:
        """Whether a window of this key can be one of its own, in some zone that was in force."""
        zones = (self.zone, *self.earlier_zones)
        return self.keyed or any(window_key(self.stored.period, zone, bounds(key)[0]) == key for zone in zones)

    def place_of(self, thing: Thing) -> Place | None:
        """Its window that contains a thing, unless that ended before the policy opened."""
        key = self.window(thing) if self.enabled and self.meets(thing) else None
        if key is None or not (self.keyed or bounds(key)[1] > self.opened):
            return None
        return Place(self.id, key)

    def reached(self, used: int, unit: str, stated: Decimal) -> set[Decimal]:
        """The thresholds that so much usage has reached; nothing used reaches none (rule 2.10)."""
        stored = self.stored
        if stored.type == "ignore" or used <= 0:
            return set()
        if stated == 0:
            return {Decimal(1)}
        limit = stated if unit == "tokens" else stated * NANOCENTS
        thresholds = {*stored.thresholds, stored.warning_threshold, stored.action_threshold, Decimal(1)}
        return {threshold for threshold in thresholds if used >= limit * threshold}


LEVELS = ("enabled", "type", "token_limit", "cost_limit", "thresholds", "warning_threshold", "action_threshold")


def same_levels(one: policies.Policy, other: policies.Policy) -> bool:
    """Whether nothing changed that could raise an alert."""
    return all(getattr(one, name) == getattr(other, name) for name in LEVELS)
