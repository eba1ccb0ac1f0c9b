"""API keys: the commands that change them, the list, and when each was last used.

When a key was used is no fact of the ledger: it is kept to the minute, beside the journal, and costs the writer one
short transaction a minute at most.
"""

import base64
import contextlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from budget.domain import access_commands, commands, guarding, instants
from budget.domain.configuration import Configuration
from budget.domain.entries import Caller
from budget.domain.errors import BudgetError, NotFound
from budget.domain.keys import START, Issued, Key
from budget.domain.state import State
from budget.storage import keys
from budget.storage.database import Connection, Database

USES_SECONDS = 60
"""How exactly the last use of a key is known."""


class Source(Protocol):
    """What queries need of the ledger."""

    database: Database

    async def refresh(self) -> Configuration:
        """The configuration as it is now."""

    def configuration(self) -> Configuration:
        """The configuration as this process last saw it."""

    def now(self) -> int:
        """The time in µs."""


async def list_keys(ledger: Source) -> list[tuple[Key, int | None]]:
    """Every key, the newest first, with the minute of its last use."""
    configuration = await ledger.refresh()
    used = await ledger.database.read(keys.uses)
    found = [guarded.key for guarded in configuration.keys.values()]
    return [
        (key, used.get(key.key_id)) for key in sorted(found, key=lambda key: (key.created_at, key.key_id), reverse=True)
    ]


async def get_key(ledger: Source, key_id: str) -> tuple[Key, int | None]:
    """One key."""
    guarded = (await ledger.refresh()).keys.get(key_id)
    if guarded is None:
        raise NotFound(f"there is no key {key_id!r}", field="key_id")
    return guarded.key, (await ledger.database.read(keys.uses)).get(key_id)


def any_admin(ledger: Source) -> bool:
    """Whether some key may do everything now."""
    now = ledger.now()
    guarded = ledger.configuration().keys.values()
    return any("admin" in each.key.scopes and each.key.is_good(now) for each in guarded)


class Uses:
    """The keys that were used since this was last written down."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._next = 0

    def note(self, key_id: str, now: int) -> None:
        """A key was used."""
        self._used[key_id] = now

    async def save(self, database: Database, now: int) -> None:
        """Write down what has changed, once a minute; if that cannot be done now, it is tried again."""
        if now < self._next or not self._used:
            return
        self._next = now + USES_SECONDS * instants.MICROSECONDS_PER_SECOND
        used, self._used = self._used, {}
        with contextlib.suppress(BudgetError):
            await database.write(keys.note_uses, used)
            return
        self._used = {**used, **self._used}


def _create(_: Connection, state: State, command: access_commands.CreateKey, caller: Caller) -> Issued:
    return guarding.create(state, command, _new_text(), caller)


def _rotate(_: Connection, state: State, command: access_commands.RotateKey, caller: Caller) -> Issued:
    return guarding.rotate(state, command, _new_text(), caller)


def _revoke(_: Connection, state: State, command: access_commands.RevokeKey, caller: Caller) -> Issued:
    return guarding.revoke(state, command, caller)


def _new_text() -> str:
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return f"{START}{secrets.token_hex(4)}_{secret}"


COMMANDS: Mapping[type[commands.Command], Callable[..., Any]] = {
    access_commands.CreateKey: _create,
    access_commands.RotateKey: _rotate,
    access_commands.RevokeKey: _revoke,
}
