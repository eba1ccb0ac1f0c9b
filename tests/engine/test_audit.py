"""The audit trail: who changed what, from what to what, from where, with which key."""

from budget.domain.access_commands import CreateKey, RevokeKey
from budget.domain.commands import CreatePolicy, UpdatePolicy, Void
from budget.domain.entries import Caller
from budget.engine import audit
from tests.engine.conftest import a_usage, an_allocation

ANY = {"kind": None, "subject": None, "caller": None}


async def _changes(book, before=None, start=None, end=None, limit=100, **filters):
    asked = {**ANY, **filters}
    return await audit.changes(book.ledger, asked, before=before, start=start, end=end, limit=limit)


async def test_a_change_says_who_what_before_after_when_and_from_where(book):
    made = await book.do(CreateKey(name="ann", scopes=("admin",)))
    ann = Caller(key_id=made.key.key_id, address="192.0.2.7")
    policy = await book.do(CreatePolicy(type="warn", period="daily", token_limit=5), caller=ann)
    await book.do(UpdatePolicy(policy_id=policy.policy_id, token_limit=7), caller=ann)
    last = (await _changes(book))[0]
    assert (last["who"], last["key_name"], last["where"]) == (made.key.key_id, "ann", "192.0.2.7")
    assert (last["what"], last["subject"]) == ("policy_changed", policy.policy_id)
    assert (last["before"]["token_limit"], last["after"]["token_limit"]) == (5, 7)
    assert {"token_limit", "version"} <= set(last["changed"])


async def test_usage_and_what_the_service_does_by_itself_are_not_among_the_changes(book):
    before = await _changes(book)
    await book.do(a_usage())
    await book.do(an_allocation())
    assert await _changes(book) == before == []


async def test_changes_are_paged_and_narrowed(book):
    made = [await book.do(CreateKey(name=name, scopes=("read",))) for name in "abc"]
    await book.do(RevokeKey(key_id=made[0].key.key_id))
    record = await book.do(a_usage())
    await book.do(Void(record_id=record.record_id, reason="sent twice"))
    assert [change["what"] for change in await _changes(book)] == ["corrected", *["key_changed"] * 4]
    assert [change["reason"] for change in await _changes(book, kind="corrected")] == ["sent twice"]
    assert len(await _changes(book, subject=made[0].key.key_id)) == 2
    page = await _changes(book, limit=2)
    rest = await _changes(book, before=page[-1]["seq"])
    assert [change["seq"] for change in [*page, *rest]] == [change["seq"] for change in await _changes(book)]
    assert await _changes(book, end="2020-01-01") == []
    assert "secret" not in str(await _changes(book))


async def test_sqlite_asks_its_index_of_changes(book):
    if not book.ledger.database.is_shared:
        from budget.storage import tables

        sql = f"EXPLAIN QUERY PLAN SELECT seq FROM entries WHERE {tables.AUDITED_SQL} ORDER BY seq DESC LIMIT 5"
        assert "ix_entries_audit" in str(await book.rows(sql))
