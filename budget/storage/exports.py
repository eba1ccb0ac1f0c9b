"""Usage records page by page, in the order in which they were booked, for what is too long to be one answer."""

from typing import Final, NamedTuple

from sqlalchemy import Connection

from budget.domain.records import Record
from budget.storage import statements, tables
from budget.storage.journal import record_of
from budget.storage.lists import Span
from budget.storage.reports import Filters, conditions

PAGE: Final = 1_000

_RECORD: Final = statements.columns_of(tables.usage_records)


class Place(NamedTuple):
    """The record after which a page begins."""

    booked_at: int
    seq: int


START: Final = Place(-1, -1)


def records(
    connection: Connection,
    booked: Span,
    budget_ids: tuple[str, ...] | None,
    filters: Filters,
    after: Place,
    *,
    superseded: bool,
) -> list[Record]:
    """The next records that were booked in a span; with `superseded` those that were replaced or voided, too."""
    where, given = conditions(filters, alias="", budget_ids=budget_ids)
    if not superseded:
        where += " AND status = 'current'"
    if booked.end is not None:
        where += " AND booked_at < ?"
        given.append(booked.end)
    first = max(after.booked_at, booked.start or 0)
    sql = (
        f"SELECT {_RECORD} FROM usage_records WHERE booked_at >= ? AND (booked_at, seq) > (?, ?){where} "
        "ORDER BY booked_at, seq LIMIT ?"
    )
    return [record_of(row) for row in statements.run(connection, sql, (first, *after, *given, PAGE))]
