"""Where what is read from an older ledger goes: into this one, part by part, or, for a rehearsal, nowhere."""

from collections.abc import Sequence
from typing import Any, Protocol

from budget.domain import commands, imported_policies, importing
from budget.domain.configuration import Configuration
from budget.domain.entries import SYSTEM, Caller
from budget.domain.errors import Invalid
from budget.domain.ids import Ids
from budget.domain.imported_policies import ImportPolicies
from budget.domain.importing import IMPORTED, PRESENT, ImportedHold, ImportedUsage, ImportHolds, ImportUsage
from budget.domain.migrations import FoundPolicy, Migration
from budget.domain.pricing import Price
from budget.domain.state import State
from budget.engine import imports
from budget.engine.ledger import Ledger
from budget.storage import holdings, migrations
from budget.storage.database import Connection

PRICES_VERSION = "2025"
OWN_PRICES = "Budget has prices of its own for this model"


class Target(Protocol):
    """Takes what a migration reads; each answer says what became of each thing, in their order."""

    async def usage(self, source: str, items: list[ImportedUsage]) -> list[str]:
        """Records."""

    async def holds(self, source: str, items: list[ImportedHold]) -> list[str]:
        """Allocations."""

    async def policies(self, items: Sequence[FoundPolicy]) -> list[str]:
        """Limits."""

    async def prices(self, source: str, items: Sequence[Price]) -> list[str]:
        """Old prices."""


class Booking:
    """The ledger itself."""

    def __init__(self, ledger: Ledger, migration: Migration, caller: Caller) -> None:
        self._ledger = ledger
        self._migration = migration
        self._caller = caller

    async def usage(self, source: str, items: list[ImportedUsage]) -> list[str]:
        """Book records."""
        return await self._book(ImportUsage, "usage", source, items)

    async def holds(self, source: str, items: list[ImportedHold]) -> list[str]:
        """Take over allocations."""
        return await self._book(ImportHolds, "holds", source, items)

    async def policies(self, items: Sequence[FoundPolicy]) -> list[str]:
        """Take over limits."""
        migration = self._migration
        command = ImportPolicies(
            migration_id=migration.migration_id,
            budget_id=migration.budget_id,
            policies=tuple(item.policy for item in items),
        )
        return list((await self._ledger.submit(command, self._caller)).answer)

    async def prices(self, source: str, items: Sequence[Price]) -> list[str]:
        """Add old prices to the history, where there are none."""
        outcomes = _priced(await self._ledger.refresh(), source, items)
        new = tuple(item for item, outcome in zip(items, outcomes, strict=True) if outcome == IMPORTED)
        if new:
            await self._ledger.submit(commands.LoadPrices(source=source, version=PRICES_VERSION, prices=new), SYSTEM)
        return outcomes

    async def _book(self, kind: Any, field: str, source: str, items: list[Any]) -> list[str]:
        """As one command; where the database refuses that, in halves, so that only the culprit is refused."""
        migration = self._migration
        command = kind(
            migration_id=migration.migration_id,
            budget_id=migration.budget_id,
            source=source,
            **{field: tuple(items)},
        )
        try:
            return list((await self._ledger.submit(command, self._caller)).answer)
        except Invalid as error:
            if len(items) == 1:
                return [error.message]
        half = len(items) // 2
        first = await self._book(kind, field, source, items[:half])
        return first + await self._book(kind, field, source, items[half:])


class Rehearsal:
    """Reads what is in the ledger, and says what would become of each thing; writes nothing."""

    def __init__(self, ledger: Ledger, request: str) -> None:
        self._ledger = ledger
        self._request = request
        self._seen = migrations.Seen()

    async def usage(self, source: str, items: list[ImportedUsage]) -> list[str]:
        """What would become of records."""
        return await self._ledger.database.read(self._look_up, source, items)

    async def holds(self, source: str, items: list[ImportedHold]) -> list[str]:
        """What would become of allocations."""
        return await self._ledger.database.read(self._look_up, source, items)

    async def policies(self, items: Sequence[FoundPolicy]) -> list[str]:
        """What would become of limits."""
        current = await self._ledger.refresh()
        command = ImportPolicies(migration_id="", budget_id="", policies=tuple(item.policy for item in items))
        known = await self._ledger.database.read(_known_policies, [given.key for given in command.policies])
        state = State(current, self._ledger.now(), 0, Ids())
        _, outcomes, _ = imported_policies.plan(state, command, known, current.rules.time_zone)
        return outcomes

    async def prices(self, source: str, items: Sequence[Price]) -> list[str]:
        """What would become of old prices."""
        return _priced(await self._ledger.refresh(), source, items)

    def close(self) -> None:
        """Forget what was seen."""
        self._seen.close()

    def _look_up(self, connection: Connection, source: str, items: list[Any]) -> list[str]:
        undone, interrupted = frozenset[str](), ""
        if migrations.are_known(connection):
            undone = migrations.undone(connection)
            running = migrations.in_state(connection, ("running",))
            interrupted = next((each.migration_id for each in running if each.request == self._request), "")
        found = migrations.taken(connection, [given.key for given in items], undone)
        like = ImportUsage(migration_id=interrupted, budget_id="", source=source, usage=())
        ids = [given.allocation_id for given in items if isinstance(given, ImportedHold)]
        strangers = {hold.allocation_id for hold in holdings.holds(connection, ids)} if ids else set()
        outcomes = []
        for given in items:
            before = self._seen.add(given.key, given.fingerprint)
            if before is not None:
                outcomes.append(PRESENT if before == given.fingerprint else importing.DIFFERS)
            elif (claim := found.claims.get(given.key)) is not None:
                outcomes.append(importing.standing(claim, given.fingerprint, like))
            elif given.key not in found.anew and getattr(given, "allocation_id", None) in strangers:
                outcomes.append(importing.TAKEN)
            else:
                outcomes.append(IMPORTED)
        return outcomes


def _priced(current: Configuration, source: str, items: Sequence[Price]) -> list[str]:
    """An old price is history for a model of which nothing else is known, and else of no use (contract 4.4)."""
    outcomes = []
    for item in items:
        known = {price.source for prices in current.price_lists(item.provider, item.model) for price in prices}
        outcomes.append(IMPORTED if not known else PRESENT if known == {source} else OWN_PRICES)
    return outcomes


def _known_policies(connection: Connection, keys: list[str]) -> dict[str, imported_policies.Known]:
    undone = migrations.undone(connection) if migrations.are_known(connection) else frozenset[str]()
    return imports.known_policies(connection, keys, undone)
