"""After a migration: what is in the ledger against what was read, by provider, model, component and month."""

from collections.abc import Mapping

from budget.domain import instants, money
from budget.domain.entries import encode
from budget.domain.migration_reports import Account, Key, SourceAccount, Sums, differences, merged
from budget.domain.migrations import Migration
from budget.storage import migrations
from budget.storage.database import Connection, Database


async def compare(database: Database, migration: Migration, account: Account, zone: str, budget_zone: str) -> None:
    """Say in each source's account where the two differ.

    The ledger's days are those of the budget's zone. Where times were read in another one, months are not compared.
    """
    for told in account.sources:
        booked = await database.read(_booked, migration, told, budget_zone)
        read: Mapping[Key, Sums] = told.imported
        if zone != budget_zone:
            read, booked = merged(read, _without_month), merged(booked, _without_month)
        told.differences = list(differences(read, booked))


def _without_month(key: Key) -> Key:
    return (*key[:3], "")


def _booked(connection: Connection, migration: Migration, told: SourceAccount, zone: str) -> dict[Key, Sums]:
    found: dict[Key, Sums] = {}
    for part in told.parts.values():
        data = encode({"migration": migration.migration_id, "source": part}).decode()
        for provider, model, component, day, *amounts, cost in migrations.booked(connection, migration.first_seq, data):
            month = f"{instants.local_time(day, instants.time_zone(zone)):%Y-%m}"
            records, given, made, total = (int(amount or 0) for amount in amounts)
            sums = Sums(records, given, made, total, money.to_dollars(int(cost)))
            found.setdefault((provider, model, component, month), Sums()).merge(sums)
    return found
