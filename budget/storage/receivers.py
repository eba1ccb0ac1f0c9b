"""Those who are told of alerts, as rows."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection

from budget.domain.entries import encode
from budget.domain.notifications import Reachable
from budget.storage import statements, tables

_decode = msgspec.json.Decoder(Reachable).decode


def load(connection: Connection) -> list[Reachable]:
    """Every receiver, removed ones too."""
    return [_decode(row[0]) for row in statements.run(connection, "SELECT content FROM receivers")]


def save(connection: Connection, reachable: Iterable[Reachable]) -> None:
    """Write receivers that are new or other than before."""
    rows = [(each.receiver.receiver_id, encode(each).decode()) for each in reachable]
    statements.replace_rows(connection, tables.receivers, rows)
