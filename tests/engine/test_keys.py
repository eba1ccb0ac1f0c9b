"""API keys in the ledger: shown once, stored as hashes, in the journal without them (rules 6.1 and 7.2)."""

import pytest

from budget.domain import keys
from budget.domain.access_commands import CreateKey, RevokeKey, RotateKey
from budget.domain.entries import Caller
from budget.domain.errors import Conflict, Invalid, KeyReused, NotFound
from budget.engine import keys as engine
from budget.storage import keys as stored
from tests.engine.conftest import DAY, MINUTE, an_allocation


def _opened_by(book, secret):
    found = keys.found(book.ledger.configuration().keys_by_prefix, secret, book.ledger.now())
    return None if found is None else found.key_id


async def _made(book, key=None, **fields):
    return await book.do(CreateKey(**{"name": "k", "scopes": ("read",), **fields}), key)


async def test_a_secret_opens_its_key_and_a_near_one_does_not(book):
    made = await _made(book)
    assert _opened_by(book, made.secret) == made.key.key_id
    near = made.secret[:-1] + chr(ord(made.secret[-1]) ^ 1)
    assert [_opened_by(book, text) for text in (near, made.key.prefix, "", made.secret + "x")] == [None] * 4
    assert len(made.secret) == keys.SECRET_LENGTH


async def test_a_secret_is_neither_in_the_journal_nor_in_the_table(book):
    made = await _made(book)
    entry = (await book.entries())[-1]
    rows = await book.ledger.database.read(stored.load)
    digest = keys.digest_of(made.secret)
    assert (entry.kind, entry.subject) == ("key_changed", made.key.key_id)
    for text in (str(entry.data), str(rows)):
        assert made.secret not in text
        assert made.secret.rpartition("_")[2] not in text
    assert digest.hex() not in str(entry.data)


async def test_a_repeat_gives_the_first_answer_without_the_secret(book):
    first = await book.outcome(CreateKey(name="k", scopes=("read",)), "once")
    again = await book.outcome(CreateKey(name="k", scopes=("read",)), "once")
    assert (again.replayed, again.answer.key, again.answer.secret) == (True, first.answer.key, None)
    assert isinstance(await book.error(CreateKey(name="other", scopes=("read",)), "once"), KeyReused)


async def test_rotation_keeps_the_key_and_lets_the_old_secret_live_on_for_the_overlap(book):
    first = await _made(book)
    second = await book.do(RotateKey(key_id=first.key.key_id, overlap_seconds=60))
    assert second.key.key_id == first.key.key_id
    assert _opened_by(book, first.secret) == _opened_by(book, second.secret) == first.key.key_id
    book.clock.time += MINUTE + 1000
    assert (_opened_by(book, first.secret), _opened_by(book, second.secret)) == (None, first.key.key_id)
    third = await book.do(RotateKey(key_id=first.key.key_id))
    assert (_opened_by(book, second.secret), _opened_by(book, third.secret)) == (None, first.key.key_id)


async def test_a_key_that_is_revoked_or_over_opens_nothing(book):
    revoked = await _made(book)
    over = await _made(book, expires_at="2026-11-25T10:30:00Z")
    await book.do(RevokeKey(key_id=revoked.key.key_id))
    book.clock.time += DAY
    assert (_opened_by(book, revoked.secret), _opened_by(book, over.secret)) == (None, None)
    for key in (revoked, over):
        assert isinstance(await book.error(RotateKey(key_id=key.key.key_id)), Conflict)
    entries = len(await book.entries())
    await book.do(RevokeKey(key_id=revoked.key.key_id))
    assert len(await book.entries()) == entries


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scopes": ("read", "write")}, "scopes[1]"),
        ({"budgets": ("no-budget",)}, "budgets[0]"),
        ({"expires_at": "2026-11-24T10:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
    ],
)
async def test_what_is_wrong_with_a_new_key_is_named(book, fields, field):
    error = await book.error(CreateKey(**{"name": "k", "scopes": ("read",), **fields}))
    assert isinstance(error, Invalid)
    assert error.field == field


async def test_an_unknown_key_is_not_found(book):
    assert isinstance(await book.error(RevokeKey(key_id="none")), NotFound)
    assert isinstance(await book.error(RotateKey(key_id="none")), NotFound)


async def test_the_last_use_is_known_to_the_minute_and_stands_beside_the_journal(book):
    made = await _made(book)
    entries = len(await book.entries())
    uses, used_at = engine.Uses(), book.clock.time
    for later in (0, 1, 59):
        uses.note(made.key.key_id, used_at + later * 1_000_000)
        await uses.save(book.ledger.database, used_at + later * 1_000_000)
    assert (await engine.get_key(book.ledger, made.key.key_id))[1] == used_at
    await uses.save(book.ledger.database, used_at + MINUTE)
    assert [used for _, used in await engine.list_keys(book.ledger)] == [used_at + 59_000_000]
    assert len(await book.entries()) == entries


async def test_an_entry_says_where_it_was_asked_from(book):
    await book.do(an_allocation(), caller=Caller(key_id="k", address="192.0.2.7"))
    entry = (await book.entries())[-1]
    assert '"from":"192.0.2.7"' in str(entry.data)
    assert entry.caller == "k"
