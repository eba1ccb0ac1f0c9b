"""What was answered under a key, found without the command that used it."""

from typing import Any

from budget.domain import commands
from budget.domain.entries import Caller
from budget.engine import answers
from budget.storage import journal
from budget.storage.database import Connection, Database


async def answer_to(database: Database, caller: Caller, text: str) -> Any:
    """The first answer to the latest command that this caller sent under this key; None if there is none."""
    keys = [f"{caller.name}\x1f{operation}\x1f{text}" for operation in _operations(commands.Command)]
    return await database.read(_read, keys)


def _operations(kind: type[commands.Command]) -> set[str]:
    found = {kind.operation} if "operation" in vars(kind) else set()
    return found.union(*(_operations(narrower) for narrower in kind.__subclasses__()))


def _read(connection: Connection, keys: list[str]) -> Any:
    found = journal.claims(connection, keys)
    if not found:
        return None
    return answers.rebuild(connection, max(found.values(), key=lambda entry: entry.seq))
