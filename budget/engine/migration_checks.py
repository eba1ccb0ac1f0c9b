"""After a migration: what is in the ledger against what was read, by provider, model, component and month."""

from budget.domain import instants, money, periods
from budget.domain.entries import encode
from budget.domain.migration_reports import Account, Key, SourceAccount, Sums, differences
from budget.domain.migrations import Migration
from budget.storage import migrations
from budget.storage.database import Connection, Database


async def compare(database: Database, migration: Migration, account: Account, zone: str) -> None:
    """Say in each source's account where the two differ."""
    for told in account.sources:
        if told.imported:
            told.differences = await database.read(_differences, migration, told, zone)


def _differences(connection: Connection, migration: Migration, told: SourceAccount, zone: str) -> list[str]:
    rows = (
        row
        for part in told.parts.values()
        for row in migrations.booked(
            connection,
            migration.first_seq,
            encode({"migration": migration.migration_id, "source": part}).decode(),
        )
    )
    booked: dict[Key, Sums] = {}
    costs: dict[Key, int] = {}
    month, text = periods.Window(0, 0), ""
    for _, provider, model, component, at, given, made, total, cost in rows:
        if not month.start <= at < month.end:
            month = periods.window_at("monthly", zone, at)
            text = f"{instants.local_time(at, instants.time_zone(zone)):%Y-%m}"
        key = (provider, model, component, text)
        sums = booked.get(key)
        if sums is None:
            sums = booked[key] = Sums()
        sums.records += 1
        sums.input_tokens += given or 0
        sums.output_tokens += made or 0
        sums.total_tokens += total
        costs[key] = costs.get(key, 0) + int(cost)
    for key, cost in costs.items():
        booked[key].cost = money.to_dollars(cost)
    return list(differences(told.imported, booked))
