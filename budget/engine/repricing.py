"""Usage priced anew, on request: first what it would come to, then, if that is wanted, by correcting entries (P8)."""

from budget.domain import commands
from budget.domain.configuration import Configuration
from budget.domain.corrections import CHUNK
from budget.domain.entries import Caller
from budget.domain.repricing import Changes
from budget.engine.ledger import Ledger
from budget.storage import events, holdings
from budget.storage.database import Connection


async def rehearse(ledger: Ledger, command: commands.RepriceUsage) -> tuple[Changes, int]:
    """What it would do as of an entry, whose number comes with it; all from one snapshot, and nothing is written."""
    configuration = await ledger.refresh()
    return await ledger.database.read(_look, configuration, command)


def _look(connection: Connection, configuration: Configuration, asked: commands.RepriceUsage) -> tuple[Changes, int]:
    found = Changes()
    after = 0
    while records := holdings.priced(connection, CHUNK, asked, after):
        found.add_all(configuration, records)
        after = records[-1].seq
    return found, events.newest(connection)


async def reprice(ledger: Ledger, command: commands.RepriceUsage, caller: Caller) -> Changes:
    """Do it, a chunk a commit so that others get their turn; what was interrupted is finished by doing it again."""
    found = Changes()
    after: int | None = 0
    while after is not None:
        chunk = commands.RepriceUsage(
            start=command.start,
            end=command.end,
            provider=command.provider,
            model=command.model,
            budget_id=command.budget_id,
            after=after,
        )
        after, changed = (await ledger.submit(chunk, caller)).answer
        found.merge(changed)
    return found
