"""API keys as rows, and when each was last used."""

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import Connection

from budget.domain.entries import encode
from budget.domain.keys import Guarded
from budget.storage import statements, tables

_decode = msgspec.json.Decoder(Guarded).decode


def load(connection: Connection) -> list[Guarded]:
    """Every key, revoked ones too."""
    return [_decode(row[0]) for row in statements.run(connection, "SELECT content FROM api_keys")]


def save(connection: Connection, guarded: Iterable[Guarded]) -> None:
    """Write keys that are new or other than before."""
    rows = [(each.key.key_id, encode(each).decode()) for each in guarded]
    statements.replace_rows(connection, tables.api_keys, rows)


def uses(connection: Connection) -> dict[str, int]:
    """When each key was last used, to the minute, in µs."""
    return {row[0]: row[1] for row in statements.run(connection, "SELECT key_id, used_at FROM api_key_uses")}


def note_uses(connection: Connection, used: Mapping[str, int]) -> None:
    """Remember when keys were last used; of several replicas the latest counts."""
    known = uses(connection)
    later = [(key_id, at) for key_id, at in sorted(used.items()) if at > known.get(key_id, 0)]
    statements.replace_rows(connection, tables.api_key_uses, later)
