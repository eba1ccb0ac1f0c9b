"""Rollups: what reports add up, by hour and by day, so that their cost does not grow with the ledger (rule 11.1)."""

from typing import NamedTuple, Protocol

import msgspec

from budget.domain.configuration import number_of
from budget.domain.entries import encode
from budget.domain.records import ESTIMATED, PROVISIONAL, UNPRICED, Record


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


class Place(Protocol):
    """Where records of one scope are booked; it remembers their sum."""

    rollup: Rollup | None


_COUNTED = UNPRICED | ESTIMATED | PROVISIONAL


class Rollups:
    """What a batch adds to all rollups, and the dimensions of each."""

    def __init__(self, report_tags: tuple[str, ...]) -> None:
        self._report_tags = report_tags
        self.sums: dict[tuple[int, int, int, tuple[int, ...]], Rollup] = {}
        """By hour, day, and the numbers of the dimensions and of the labels."""
        self.keys: dict[int, RollupKey] = {}
        self._numbers: dict[RollupKey, int] = {}

    def add_plain(self, place: "Place", record: Record, parts: dict[str, list[int]]) -> str:
        """`add` for the most frequent case: a record that is added where usage is booked now."""
        if record.flags & _COUNTED or record.tags != "{}":
            return self.add(record, 1, parts)
        rollup = place.rollup
        if rollup is None:
            rollup = place.rollup = self._sum_of(record)
        rollup.counters[0] += 1
        rollup.add_parts(1, parts)
        return f"{rollup.prefix}[1,0,0,0,0,0,0],{record.parts}]"

    def add_many(self, place: "Place", record: Record, sums: dict[str, list[int]], count: int) -> str:
        """Add many records like this one at once; gives how the rollup posting of each begins."""
        rollup = place.rollup
        if rollup is None:
            rollup = place.rollup = self._sum_of(record)
        rollup.counters[0] += count
        rollup.add_parts(1, sums)
        return rollup.prefix

    def add(self, record: Record, sign: int, parts: dict[str, list[int]]) -> str:
        """Add a record to (or take it from) its own buckets; gives the posting as the entry keeps it."""
        flags = record.flags
        counters = [sign, 0, 0, 0, 0, 0, 0]
        tokens = record.total_tokens
        if flags & UNPRICED:
            counters[1:3] = sign, sign * tokens
        if flags & ESTIMATED:
            counters[3:5] = sign, sign * tokens
        if flags & PROVISIONAL:
            counters[5:7] = sign, sign * record.cost
        rollup = self._sum_of(record)
        rollup.add(sign, counters, parts)
        signed = {part: [sign * amount, sign * cost] for part, (amount, cost) in parts.items()}
        return f"{rollup.prefix}[{','.join(map(str, counters))}],{encode(signed).decode()}]"

    def _sum_of(self, record: Record) -> Rollup:
        number, labels = self._numbers_of(record)
        key = (record.hour_start, record.day_start, number, labels)
        found = self.sums.get(key)
        if found is None:
            prefix = f"[{record.hour_start},{record.day_start},{number},[{','.join(map(str, labels))}],"
            found = self.sums[key] = Rollup(number, prefix)
        return found

    def _numbers_of(self, record: Record) -> tuple[int, tuple[int, ...]]:
        dimensions = (
            record.budget_id,
            record.provider,
            record.model,
            record.component,
            record.task_type,
            record.tier,
        )
        number = self._number(RollupKey(*dimensions, "", ""))
        labels: tuple[int, ...] = ()
        if record.user_id is not None:
            labels = (self._number(RollupKey(*dimensions, "user_id", record.user_id)),)
        if self._report_tags and record.tags != "{}":
            tags = msgspec.json.decode(record.tags)
            labels += tuple(
                self._number(RollupKey(*dimensions, name, tags[name])) for name in self._report_tags if name in tags
            )
        return number, labels

    def _number(self, key: RollupKey) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = number_of(encode(key))
            self.keys[number] = key
        return number
