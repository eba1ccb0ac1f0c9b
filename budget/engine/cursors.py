"""A task of passing events on: one replica at a time has it, and where it stands outlives them all."""

import uuid

from budget.engine.ledger import Ledger
from budget.storage import cursors
from budget.storage.cursors import Cursor as Cursor  # noqa: PLC0414 -- what is taken and moved

LEASE = 60 * 1_000_000
"""µs after which another replica may take over from one that says nothing."""


class Task:
    """This process's claim to a task."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._ledger = ledger
        self._name = name
        self._owner = uuid.uuid4().hex

    async def take(self) -> Cursor | None:
        """Have the task for a minute more, and see where it stands; None while another replica has it."""
        return await self._ledger.database.write(cursors.take, self._name, self._owner, self._ledger.now(), LEASE)

    async def move(self, cursor: Cursor) -> None:
        """Remember how far it has come."""
        await self._ledger.database.write(cursors.move, self._name, self._owner, cursor)

    async def release(self) -> None:
        """Let another replica have it at once."""
        await self._ledger.database.write(cursors.release, self._name, self._owner)
