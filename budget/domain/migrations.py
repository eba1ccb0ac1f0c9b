"""A migration: what was asked, what its sources hold, and the account that it gives of every single entry."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from budget.domain import commands
from budget.domain.errors import BudgetError
from budget.domain.imported_policies import ImportedPolicy
from budget.domain.importing import ImportedHold, ImportedUsage
from budget.domain.pricing import Price

KINDS = ("rhetor", "apollo")
BUDGETS = {"rhetor": "Rhetor Budget", "apollo": "Apollo Budget"}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to take over, and how; the same request again goes on where it was interrupted."""

    kind: str
    paths: tuple[str, ...] = ()
    time_zone: str
    as_warn: bool = False


class Migration(msgspec.Struct, frozen=True):
    """One migration as stored, in the order of its columns; instants in µs."""

    migration_id: str
    kind: str
    state: str
    """`running`, `complete`, `partial`, `failed`, `undoing` or `undone`."""
    request: str
    budget_id: str
    first_seq: int
    started_at: int
    finished_at: int | None = None
    report: str = "{}"


class BeginMigration(commands.Command, frozen=True, kw_only=True):
    """Begin a migration, or go on with the one of the same request that was interrupted."""

    operation: ClassVar[str] = "begin_migration"
    alone: ClassVar[bool] = True

    kind: str
    request: str
    time_zone: str


class FinishMigration(commands.Command, frozen=True, kw_only=True):
    """Say what has become of a migration."""

    operation: ClassVar[str] = "finish_migration"
    alone: ClassVar[bool] = True

    migration_id: str
    state: str
    report: str


class BeginUndo(commands.Command, frozen=True, kw_only=True):
    """Begin to take a migration back: its limits that nobody has changed since are switched off."""

    operation: ClassVar[str] = "undo_migration"
    alone: ClassVar[bool] = True

    migration_id: str


class UndoImports(commands.Command, frozen=True, kw_only=True):
    """Take back what a migration booked, up to 1,000 things after a journal number, by correcting entries."""

    operation: ClassVar[str] = "undo_imports"
    alone: ClassVar[bool] = True

    migration_id: str
    after: int


class SourceFailed(BudgetError):
    """This source cannot be read."""

    code = "source_failed"


class SourceMissing(SourceFailed):
    """There is nothing at this place."""

    code = "source_missing"


class Rejected(msgspec.Struct, frozen=True):
    """An entry of a source that is not imported, with who it is and why."""

    identity: str
    reason: str
    skipped: bool = False
    """Whether it was left out as history, and not because it is wrong."""


Usage = ImportedUsage | Rejected
Holds = ImportedHold | Rejected


class FoundPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that a source holds, and what its old manager made of it."""

    policy: ImportedPolicy
    shown: Mapping[str, Any]
    """As it was stored, for the report."""
    enforced: bool
    """Whether the old manager ever refused anything for it."""
    notes: tuple[str, ...] = ()


class Contents(Protocol):
    """An open source: consistent, private, read once from its start."""

    notes: list[str]
    is_whole: bool
    """Whether nothing of it was lost; may turn false while it is read."""

    def usage(self) -> Iterator[tuple[str, list[Usage]]]:
        """Its usage records in their order, some at a time, with the file they lie in; none is twice in one file."""

    def holds(self) -> Iterator[tuple[str, list[Holds]]]:
        """Its allocations, likewise."""

    def policies(self) -> Iterable[FoundPolicy | Rejected]:
        """Its limits."""

    def close(self) -> None:
        """Let go of it."""


class Source(Protocol):
    """Something of an older ledger on this machine."""

    path: str
    named: bool
    """Whether someone asked for it, so that it must be there."""

    def open(self, zone: str, now: int) -> Contents:
        """Read it for the first time; `SourceFailed` says what is wrong with it, before anything of it is used."""


class Reader(NamedTuple):
    """How one kind of older ledger is read."""

    sources: Callable[[Sequence[str]], Sequence[Source]]
    """The sources at these paths, or in the usual places; it reads nothing yet."""
    prices: Callable[[int], Iterable[Price]]
    """The prices that were constants of the old program, as history that ends at an instant."""
    zone: Callable[[], str]
    """The time zone of this machine's clocks."""
