"""The account of a migration: what became of every entry, what it all adds up to, what a reader should know."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Context, Decimal
from typing import Any, TypeVar

import msgspec

from budget.domain.importing import EARLIER, IMPORTED, PRESENT, ImportedUsage
from budget.domain.migrations import FoundPolicy, Rejected

MOST_LISTED = 1000
"""Entries that are named one by one in a report; beyond, they are counted by reason."""

USAGE, POLICIES, ALLOCATIONS, PRICES = "usage", "policies", "allocations", "prices"
KINDS = (USAGE, POLICIES, ALLOCATIONS)

Merged = TypeVar("Merged", bound=tuple[Any, ...])

_EXACT = Context(prec=400)

Key = tuple[str | None, str | None, str, str]
"""Provider, model, component, month."""


class Tally(msgspec.Struct):
    """What became of the entries of one kind: `found` is the sum of the others."""

    found: int = 0
    imported: int = 0
    already_present: int = 0
    skipped: int = 0
    invalid: int = 0
    reasons: dict[str, int] = {}

    def count(self, outcome: str) -> None:
        """Count an entry by what became of it; an outcome that is no word of ours is the reason it is invalid."""
        self.found += 1
        if outcome in (IMPORTED, EARLIER):
            self.imported += 1
        elif outcome == PRESENT:
            self.already_present += 1
        else:
            self.invalid += 1
            self.reasons[outcome] = self.reasons.get(outcome, 0) + 1

    def reject(self, rejected: Rejected) -> None:
        """Count an entry that its source would not have."""
        if not rejected.skipped:
            self.count(rejected.reason)
            return
        self.found += 1
        self.skipped += 1
        self.reasons[rejected.reason] = self.reasons.get(rejected.reason, 0) + 1

    def shown(self, *, dry_run: bool) -> dict[str, Any]:
        """For a report; a rehearsal says what would be."""
        fields = msgspec.structs.asdict(self)
        if dry_run:
            fields["would_import"] = fields.pop("imported")
        return fields


class Sums(msgspec.Struct):
    """What some records add up to; money exactly as it was stored."""

    records: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cost: Decimal = Decimal(0)

    def add(self, given: ImportedUsage) -> None:
        """Count a record in."""
        self.records += 1
        self.input_tokens += given.input_tokens or 0
        self.output_tokens += given.output_tokens or 0
        self.total_tokens += given.total_tokens
        if given.dollars:
            self.cost = _EXACT.add(self.cost, given.dollars)

    def merge(self, other: "Sums") -> None:
        """Count another's records in."""
        for field in ("records", "input_tokens", "output_tokens", "total_tokens"):
            setattr(self, field, getattr(self, field) + getattr(other, field))
        self.cost = _EXACT.add(self.cost, other.cost)

    def shown(self) -> dict[str, Any]:
        """For a report: the cost as exact decimal text."""
        return {**msgspec.structs.asdict(self), "cost": plain_text(self.cost)}


def plain_text(amount: Decimal) -> str:
    """An exact amount without exponent and trailing zeros."""
    shortest = _EXACT.normalize(amount)
    return "0" if not shortest else f"{shortest:f}"


class SourceAccount:
    """What is said of one source."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.state = "complete"
        self.error: str | None = None
        self.notes: list[str] = []
        self.tallies = {kind: Tally() for kind in KINDS}
        self.parts: dict[str, str] = {}
        self.imported: dict[Key, Sums] = {}
        self.differences: list[str] = []
        """Where the ledger has something else than was read; nowhere, that is."""
        self._rejected: list[dict[str, str]] = []
        self._unlisted = 0

    def part(self, file: str) -> str:
        """A short name in the ledger for one of its files."""
        if file not in self.parts:
            name = f"{self.path}\x00{file}".encode("utf-8", "surrogateescape")
            self.parts[file] = hashlib.blake2b(name, digest_size=6).hexdigest()
        return self.parts[file]

    def fail(self, message: str, state: str = "failed") -> None:
        """It cannot be read, or not to its end."""
        self.state, self.error = state, message

    def reject(self, kind: str, rejected: Rejected) -> None:
        """Count and name an entry that was left out."""
        self.tallies[kind].reject(rejected)
        if len(self._rejected) < MOST_LISTED:
            self._rejected.append({"kind": kind, "identity": rejected.identity, "reason": rejected.reason})
        else:
            self._unlisted += 1

    def count(self, kind: str, outcome: str, identity: str) -> None:
        """Count an entry by what became of it."""
        if outcome in (IMPORTED, EARLIER, PRESENT):
            self.tallies[kind].count(outcome)
        else:
            self.reject(kind, Rejected(identity, outcome))

    def count_usage(self, given: ImportedUsage, outcome: str) -> None:
        """Count a record, and what it adds up to."""
        self.count(USAGE, outcome, given.key)
        if outcome in (IMPORTED, EARLIER):
            key = (given.provider, given.model, given.component, given.month)
            sums = self.imported.get(key)
            if sums is None:
                sums = self.imported[key] = Sums()
            sums.add(given)

    @property
    def is_complete(self) -> bool:
        """Whether each of its entries is in the ledger now, or was left out for a good reason."""
        return self.state == "complete" and not any(tally.invalid for tally in self.tallies.values())

    def shown(self, *, dry_run: bool) -> dict[str, Any]:
        """For the report."""
        return {
            "path": self.path,
            "state": self.state,
            "error": self.error,
            **{kind: tally.shown(dry_run=dry_run) for kind, tally in self.tallies.items()},
            "totals": merged(self.imported, lambda _: ())[()].shown() if self.imported else Sums().shown(),
            "by_provider": rows(self.imported, ("provider",), lambda key: (key[0],)),
            "by_month": rows(self.imported, ("month",), lambda key: (key[3],)),
            "by_month_provider": rows(self.imported, ("month", "provider"), lambda key: (key[3], key[0])),
            "rejected": self._rejected,
            "rejected_unlisted": self._unlisted,
            "notes": self.notes,
            "differences": self.differences,
        }


class Account:
    """What is said of a whole migration."""

    def __init__(self) -> None:
        self.sources: list[SourceAccount] = []
        self.policies: list[dict[str, Any]] = []
        self.prices = Tally()
        self.notes: list[str] = []

    def source(self, path: str) -> SourceAccount:
        """The account of one more source."""
        account = SourceAccount(path)
        self.sources.append(account)
        return account

    def tell_policy(self, source: SourceAccount, found: FoundPolicy, outcome: str) -> None:
        """Say of one limit what it was, what it is now, and what became of it."""
        said = {"source": source.path, **found.shown, "becomes": found.policy.type, "outcome": outcome}
        self.policies.append({**said, "enforced_by_original": found.enforced, "notes": list(found.notes)})

    @property
    def state(self) -> str:
        """`complete`, `partial`, or `failed` when nothing could be read at all."""
        asked = [source for source in self.sources if source.state != "absent"]
        if not any(source.state in ("complete", "partial") for source in asked):
            return "failed"
        return "complete" if all(source.is_complete and not source.differences for source in asked) else "partial"

    def shown(self, *, dry_run: bool, **more: Any) -> dict[str, Any]:
        """The report."""
        return {
            **more,
            "dry_run": dry_run,
            "state": self.state,
            "sources": [source.shown(dry_run=dry_run) for source in self.sources],
            "policies": self.policies,
            "prices": self.prices.shown(dry_run=dry_run),
            "notes": self.notes,
        }


def merged(sums: Mapping[Key, Sums], key_of: Callable[[Key], Merged]) -> dict[Merged, Sums]:
    """Sums by fewer dimensions."""
    found: dict[Merged, Sums] = {}
    for key, each in sums.items():
        found.setdefault(key_of(key), Sums()).merge(each)
    return found


def rows(
    sums: Mapping[Key, Sums], names: Iterable[str], key_of: Callable[[Key], tuple[Any, ...]]
) -> list[dict[str, Any]]:
    """Sums by fewer dimensions, a row each, in order; what has no name comes first."""
    found = sorted(merged(sums, key_of).items(), key=lambda item: [(name is not None, name or "") for name in item[0]])
    return [{**dict(zip(names, key, strict=True)), **each.shown()} for key, each in found]


def differences(read: Mapping[Key, Sums], booked: Mapping[Key, Sums]) -> Iterator[str]:
    """Where a ledger has other records, tokens or money than were read; half a nanocent a record is rounding."""
    for key in read.keys() | booked.keys():
        there, here = read.get(key, Sums()), booked.get(key, Sums())
        counts = [(each.records, each.input_tokens, each.output_tokens, each.total_tokens) for each in (there, here)]
        room = _ROUNDING * max(there.records, here.records)
        if counts[0] != counts[1] or abs(_EXACT.subtract(there.cost, here.cost)) > room:
            yield f"{key}: read {there.shown()}, booked {here.shown()}"


_ROUNDING = Decimal("5E-12")
