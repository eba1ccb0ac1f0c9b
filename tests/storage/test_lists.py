"""Lists: order, pages, filters, totals, and that a first page costs the same however long the table is."""

from typing import Any

import msgspec
import pytest

from budget.domain.records import Alert, Decision, Hold, Record
from budget.storage import lists, statements, tables
from budget.storage.database import Database
from budget.storage.lists import Span

DAY = 86_400_000_000


def blank(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return dict.fromkeys(kind.__struct_fields__)


def a_record(number: int, **fields: Any) -> Record:
    values: dict[str, Any] = {
        "seq": number,
        "record_id": f"r{number}",
        "budget_id": "b",
        "component": "x",
        "tier": "remote_heavyweight",
        "task_type": "default",
        "tags": "{}",
        "total_tokens": 10,
        "cost": 5,
        "parts": '{"other":[10,5]}',
        "flags": 0,
        "status": "current",
        "occurred_at": number,
        "recorded_at": number,
        "booked_at": number,
        "hour_start": 0,
        "day_start": 0,
        "metadata": "{}",
    }
    return Record(**blank(Record) | values | fields)


def a_hold(number: int, **fields: Any) -> Hold:
    values: dict[str, Any] = {
        "allocation_id": f"h{number}",
        "budget_id": "b",
        "context_id": "c",
        "component": "x",
        "tier": "remote_heavyweight",
        "task_type": "default",
        "tags": "{}",
        "state": "open",
        "created_at": number,
        "expires_at": number + DAY,
        "updated_at": number,
        "metadata": "{}",
        **dict.fromkeys(
            (
                "priority",
                "tokens_allocated",
                "tokens_used",
                "input_tokens_used",
                "output_tokens_used",
                "held_tokens",
                "held_cost",
                "estimated_cost",
                "actual_cost",
                "flags",
                "records",
            ),
            1,
        ),
    }
    return Hold(**blank(Hold) | values | fields)


def an_alert(number: int, **fields: Any) -> Alert:
    values: dict[str, Any] = {
        "alert_id": f"a{number}",
        "seq": number,
        "budget_id": "b",
        "policy_id": f"p{number}",
        "unit": "cost",
        "limit_value": "5",
        "window_key": "w",
        "threshold": "0.8",
        "severity": "warning",
        "type": "cost_limit_approaching",
        "message": "m",
        "details": "{}",
        "raised_at": number,
    }
    return Alert(**blank(Alert) | values | fields)


def a_decision(number: int, **fields: Any) -> Decision:
    values: dict[str, Any] = {
        "decision_id": f"d{number}",
        "decided_at": number,
        "operation": "allocate",
        "verdict": "refused",
        "caller": "anonymous",
        "repeats": 0,
        "explanation": "{}",
    }
    return Decision(**blank(Decision) | values | fields)


@pytest.fixture
def database(database_url):
    made = Database(database_url, synchronous="OFF")
    yield made
    made.close()


def store(database: Database, table: Any, items: list[Any]) -> None:
    rows = [tuple(getattr(item, name) for name in item.__struct_fields__) for item in items]
    database.write_now(statements.insert_rows, table, rows)


def sums(database: Database, counts: dict[tuple[str, str], int]) -> None:
    """Day rollups that count records by component and model, as the writer would have left them."""
    keys, rows = [], []
    for number, ((component, model), count) in enumerate(counts.items()):
        keys.append((number, "b", "acme", model, component, "default", "remote_heavyweight", "", ""))
        rows.append(("day", 0, number, count, *[0] * (len(tables.MEASURES) - 1)))
    database.write_now(statements.insert_rows, tables.rollup_keys, keys)
    database.write_now(statements.insert_rows, tables.rollups, rows)


def test_records_come_newest_first_and_the_later_entry_before_the_earlier(database):
    store(database, tables.usage_records, [a_record(1), a_record(2, occurred_at=9), a_record(3, occurred_at=9)])
    sums(database, {("x", "m"): 3})
    found = database.read_now(lists.records, {}, 1, 20)
    assert [record.record_id for record in found.items] == ["r3", "r2", "r1"]


@pytest.mark.parametrize(
    ("order", "ids"), [("oldest", ["r1", "r2", "r3"]), ("cost", ["r2", "r3", "r1"]), ("tokens", ["r3", "r1", "r2"])]
)
def test_records_come_in_the_order_that_is_asked_for(database, order, ids):
    amounts = [(1, 5, 20), (2, 9, 10), (3, 7, 30)]
    store(
        database,
        tables.usage_records,
        [a_record(number, occurred_at=number, cost=cost, total_tokens=tokens) for number, cost, tokens in amounts],
    )
    sums(database, {("x", "m"): 3})
    found = database.read_now(lists.records, {}, 1, 20, order=order)
    assert [record.record_id for record in found.items] == ids


def test_pages_cover_all_records_once_and_the_page_after_the_last_is_empty(database):
    store(database, tables.usage_records, [a_record(number) for number in range(7)])
    sums(database, {("x", "m"): 7})
    pages = [database.read_now(lists.records, {}, page, 3) for page in (1, 2, 3, 4)]
    assert [len(page.items) for page in pages] == [3, 3, 1, 0]
    assert len({record.record_id for page in pages for record in page.items}) == 7
    assert {page.total for page in pages} == {7}


def test_the_total_of_a_filter_that_the_sums_know_is_theirs(database):
    store(database, tables.usage_records, [a_record(1), a_record(2, component="y")])
    sums(database, {("x", "m"): 40_000, ("y", "m"): 1})
    assert database.read_now(lists.records, {"component": "x"}, 1, 1)[1:] == (40_000, True)
    assert database.read_now(lists.records, {}, 1, 1)[1:] == (40_001, True)


def test_any_other_total_is_counted_as_far_as_it_pays(database, monkeypatch):
    monkeypatch.setattr(lists, "COUNTED", 5)
    store(database, tables.usage_records, [a_record(number, context_id="c") for number in range(8)])
    sums(database, {("x", "m"): 8})
    assert database.read_now(lists.records, {"context_id": "c"}, 1, 2)[1:] == (5, False)
    assert database.read_now(lists.records, {}, 1, 2, Span(3, 6))[1:] == (3, True)


def test_superseded_and_void_records_are_shown_on_request_only(database):
    store(
        database,
        tables.usage_records,
        [a_record(1, status="superseded"), a_record(2, status="void"), a_record(3)],
    )
    sums(database, {("x", "m"): 1})
    assert [record.seq for record in database.read_now(lists.records, {}, 1, 9).items] == [3]
    everything = database.read_now(lists.records, {}, 1, 9, include_superseded=True)
    assert [record.seq for record in everything.items] == [3, 2, 1]
    assert everything.total == 3


def test_a_span_includes_its_start_and_not_its_end(database):
    store(database, tables.usage_records, [a_record(number) for number in range(5)])
    sums(database, {("x", "m"): 5})
    found = database.read_now(lists.records, {}, 1, 20, Span(1, 3))
    assert [record.seq for record in found.items] == [2, 1]


@pytest.mark.parametrize("filters", [{}, {"component": "x"}, {"context_id": "c"}, {"allocation_id": "a"}], ids=str)
def test_a_first_page_walks_an_index_and_sorts_no_table(database, filters):
    where = " AND ".join([*(f"{name} = ?" for name in filters), "status = 'current'"])
    sql = f"SELECT * FROM usage_records WHERE {where} ORDER BY occurred_at DESC, seq DESC LIMIT 20"
    steps = explained(database, sql, tuple(filters.values()))
    assert "usage_records_" in steps
    if "context_id" not in filters and "allocation_id" not in filters:
        assert "ix_usage_records_occurred" in steps
        assert "TEMP B-TREE" not in steps


def explained(database: Database, sql: str, parameters: tuple[str, ...]) -> str:
    """The plan of a statement, where reading a whole table is not worth considering, as it is not when it is big."""

    def explain(connection):
        if statements.shares(connection):
            statements.run(connection, "SET LOCAL enable_seqscan = off")
        return statements.run(
            connection, f"EXPLAIN {'' if statements.shares(connection) else 'QUERY PLAN '}{sql}", parameters
        )

    return " / ".join(str(row[-1]) for row in database.read_now(explain))


def test_a_hold_that_is_due_is_not_active_although_nobody_swept_it(database):
    store(
        database,
        tables.holds,
        [a_hold(1), a_hold(2, expires_at=50), a_hold(3, state="released"), a_hold(4, context_id="other")],
    )
    active = database.read_now(lists.holds, {}, 1, 20, 60, is_active=True)
    ended = database.read_now(lists.holds, {}, 1, 20, 60, is_active=False)
    assert [hold.allocation_id for hold in active.items] == ["h4", "h1"]
    assert [hold.allocation_id for hold in ended.items] == ["h3", "h2"]
    assert database.read_now(lists.holds, {"context_id": "c"}, 1, 20, 60).total == 3


def test_alerts_are_listed_by_who_has_seen_them(database):
    store(
        database,
        tables.alerts,
        [an_alert(1), an_alert(2, acknowledged_at=5), an_alert(3, severity="error")],
    )
    assert [alert.seq for alert in database.read_now(lists.alerts, {}, 1, 20, acknowledged=False).items] == [3, 1]
    assert [alert.seq for alert in database.read_now(lists.alerts, {}, 1, 20, acknowledged=True).items] == [2]
    assert [alert.seq for alert in database.read_now(lists.alerts, {"severity": "error"}, 1, 20).items] == [3]


def test_decisions_are_listed_newest_first(database):
    store(database, tables.decisions, [a_decision(1), a_decision(2, component="x")])
    assert [each.decision_id for each in database.read_now(lists.decisions, {}, 1, 20).items] == ["d2", "d1"]
    assert database.read_now(lists.decisions, {"component": "x"}, 1, 20).total == 1
