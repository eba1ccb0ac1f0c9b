"""Pages of records, holds, alerts and decisions, newest first, each with how many there are in all."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Connection

from budget.domain.records import Alert, Decision, Hold, Record
from budget.storage import reports, statements, tables
from budget.storage.journal import alert_of, decision_of, hold_of, record_of

COUNTED = 10_000
"""A total that no rollup gives is counted this far (rule 11.2)."""

RECORD_FILTERS = ("budget_id", "context_id", "allocation_id", "component", "provider", "model", "task_type", "tier")
HOLD_FILTERS = ("budget_id", "context_id", "component", "tier", "provider", "model", "task_type")
ALERT_FILTERS = ("budget_id", "severity", "type")
DECISION_FILTERS = ("budget_id", "policy_id", "component", "operation", "caller")

_RECORD = statements.columns_of(tables.usage_records)
_HOLD = statements.columns_of(tables.holds)
_ALERT = statements.columns_of(tables.alerts)
_DECISION = statements.columns_of(tables.decisions)

Item = TypeVar("Item")
Filters = Mapping[str, str | None]


class Listed(NamedTuple, Generic[Item]):
    """One page, and how many items there are; not exact means: that many or more."""

    items: list[Item]
    total: int
    total_exact: bool


class Span(NamedTuple):
    """Instants from `start` up to, not including, `end`; None is open."""

    start: int | None = None
    end: int | None = None


EVER = Span()

RECORD_ORDERS = {
    "newest": "occurred_at DESC, seq DESC",
    "oldest": "occurred_at, seq",
    "cost": "cost DESC, seq DESC",
    "tokens": "total_tokens DESC, seq DESC",
}
"""In which orders records are listed; by time they are found by an index, else all that fit are looked at."""


def records(
    connection: Connection,
    filters: Filters,
    page: int,
    limit: int,
    occurred: Span = EVER,
    *,
    order: str = "newest",
    include_superseded: bool = False,
) -> Listed[Record]:
    """Usage records in one of `RECORD_ORDERS`; without `include_superseded` the newest, unvoided versions (rule 9)."""
    where = _equal(filters, RECORD_FILTERS)
    where.between("occurred_at", occurred)
    if not include_superseded:
        where.add("status = 'current'")
    known = None
    if not include_superseded and (where.fields or occurred == EVER):
        # The sums know how many there are of a budget, model, component …: all of the answer, or at least whether any.
        most = reports.record_count(connection, filters)
        known = most if occurred == EVER and reports.DIMENSIONS.issuperset(where.fields) else None
        if most == 0 or (known is not None and known <= (page - 1) * limit):
            return Listed([], most, total_exact=True)
    return _page(connection, ("usage_records", _RECORD, RECORD_ORDERS[order]), where, (page, limit), record_of, known)


def holds(
    connection: Connection, filters: Filters, page: int, limit: int, now: int, *, is_active: bool | None = None
) -> Listed[Hold]:
    """Allocations by creation; one that is due counts as ended, whether it was swept or not."""
    where = _equal(filters, HOLD_FILTERS)
    if is_active is True:
        where.add("state IN ('open', 'started') AND expires_at > ?", now)
    elif is_active is False:
        where.add("(state NOT IN ('open', 'started') OR expires_at <= ?)", now)
    order = "created_at DESC, allocation_id DESC"
    return _page(connection, ("holds", _HOLD, order), where, (page, limit), hold_of)


def alerts(
    connection: Connection, filters: Filters, page: int, limit: int, *, acknowledged: bool | None = None
) -> Listed[Alert]:
    """Alerts by the time they were raised."""
    where = _equal(filters, ALERT_FILTERS)
    if acknowledged is not None:
        where.add(f"acknowledged_at IS {'NOT ' if acknowledged else ''}NULL")
    order = "raised_at DESC, alert_id DESC"
    return _page(connection, ("alerts", _ALERT, order), where, (page, limit), alert_of)


def decisions(
    connection: Connection, filters: Filters, page: int, limit: int, decided: Span = EVER
) -> Listed[Decision]:
    """Stored refusals by the time they were decided."""
    where = _equal(filters, DECISION_FILTERS)
    where.between("decided_at", decided)
    order = "decided_at DESC, decision_id DESC"
    return _page(connection, ("decisions", _DECISION, order), where, (page, limit), decision_of)


class _Where:
    """Conditions that must all hold, and their parameters."""

    def __init__(self) -> None:
        self.fields: list[str] = []
        self._conditions: list[str] = []
        self.parameters: list[Any] = []

    def add(self, condition: str, *parameters: int | str) -> None:
        self._conditions.append(condition)
        self.parameters.extend(parameters)

    def between(self, column: str, span: Span) -> None:
        if span.start is not None:
            self.add(f"{column} >= ?", span.start)
        if span.end is not None:
            self.add(f"{column} < ?", span.end)

    @property
    def text(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""


def _equal(filters: Filters, allowed: tuple[str, ...]) -> _Where:
    where = _Where()
    for field in allowed:
        value = filters.get(field)
        if value is not None:
            where.fields.append(field)
            where.add(f"{field} = ?", value)
    return where


def _page(
    connection: Connection,
    source: tuple[str, str, str],
    where: _Where,
    place: tuple[int, int],
    read: Callable[[Any], Item],
    known_total: int | None = None,
) -> Listed[Item]:
    table, columns, order = source
    page, limit = place
    offset = (page - 1) * limit
    sql = f"SELECT {columns} FROM {table} {where.text} ORDER BY {order} LIMIT ? OFFSET ?"
    rows = statements.run(connection, sql, (*where.parameters, limit, offset))
    items = [read(row) for row in rows]
    if known_total is not None:
        return Listed(items, known_total, total_exact=True)
    if len(items) < limit and (items or offset == 0):  # the last page says how many there are
        return Listed(items, offset + len(items), total_exact=True)
    sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {table} {where.text} LIMIT ?) AS found"
    found = statements.value(connection, sql, (*where.parameters, COUNTED + 1))
    return Listed(items, min(found, COUNTED), total_exact=found <= COUNTED)
