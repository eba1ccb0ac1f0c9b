"""Rollups: what reports add up, by hour and by day, so that their cost does not grow with the ledger (rule 11.1)."""

from typing import NamedTuple


class RollupKey(NamedTuple):
    """The dimensions of a rollup row; `label_kind` is empty, `user_id` or a declared tag."""

    budget_id: str
    provider: str | None
    model: str | None
    component: str
    task_type: str
    tier: str
    label_kind: str
    label: str


COUNTERS = (
    "count",
    "unpriced_count",
    "unpriced_tokens",
    "estimated_count",
    "estimated_tokens",
    "provisional_count",
    "provisional_cost",
)


class Rollup:
    """What a batch adds to one hour, day and set of dimensions: counters, and count and cost of each part."""

    __slots__ = ("counters", "number", "parts", "prefix")

    def __init__(self, number: int, prefix: str) -> None:
        self.number = number
        self.prefix = prefix
        self.counters = [0] * len(COUNTERS)
        self.parts: dict[str, list[int]] = {}

    def add(self, sign: int, counters: list[int], parts: dict[str, list[int]]) -> None:
        """Add (or with sign -1 take) a record."""
        for index, amount in enumerate(counters):
            if amount:
                self.counters[index] += amount
        self.add_parts(sign, parts)

    def add_parts(self, sign: int, parts: dict[str, list[int]]) -> None:
        """Add (or take) the parts alone."""
        sums = self.parts
        for part, (amount, cost) in parts.items():
            pair = sums.get(part)
            if pair is None:
                sums[part] = [sign * amount, sign * cost]
            else:
                pair[0] += sign * amount
                pair[1] += sign * cost
