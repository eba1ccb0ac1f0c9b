"""The chain of hashes finds what was altered, in the database and in an export."""

import asyncio
import os
import random

import pytest

from budget.domain.access_commands import CreateKey
from budget.domain.errors import Invalid
from budget.engine import chain
from budget.engine.loading import Submission
from budget.storage import statements
from tests.engine.conftest import a_usage, an_allocation

ENTRIES, TRIALS = (100_000, 100) if os.environ.get("BUDGET_TEST_FULL") == "1" else (300, 60)


async def _filled(book):
    for start in range(0, ENTRIES, 2_000):
        count = min(2_000, ENTRIES - start)
        await book.ledger.submit_many([Submission(a_usage(context_id=f"cé-{start}")) for _ in range(count)])
    await book.do(an_allocation(), "key")
    await book.do(CreateKey(name="k", scopes=("read",)))


async def _altered(book, sql, *values):
    await book.ledger.database.write(lambda connection: statements.run(connection, sql, values))


async def _verified(book):
    return await asyncio.to_thread(chain.verify, book.ledger.database.url)


async def test_an_unaltered_chain_is_whole_and_its_export_too(book, tmp_path):
    await _filled(book)
    url = book.ledger.database.url
    found = await _verified(book)
    exported = await asyncio.to_thread(chain.export, url, tmp_path / "journal.ndjson")
    assert found == exported == chain.verify_file(tmp_path / "journal.ndjson")
    assert found["entries"] > ENTRIES
    assert "altered" not in found


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        (
            "UPDATE entries SET caller = 'somebody' WHERE seq = ?",
            "UPDATE entries SET caller = 'anonymous' WHERE seq = ?",
        ),
        ("UPDATE entries SET at = at + 1 WHERE seq = ?", "UPDATE entries SET at = at - 1 WHERE seq = ?"),
    ],
)
async def test_the_batch_of_an_altered_entry_is_named(book, change, undo):
    await _filled(book)
    seq = (await _verified(book))["entries"] - 2
    await _altered(book, change, seq)
    altered = (await _verified(book))["altered"]
    assert altered["first_seq"] <= seq <= altered["last_seq"]
    await _altered(book, undo, seq)
    assert "altered" not in (await _verified(book))


async def test_a_head_that_was_turned_back_is_found(book):
    await _filled(book)
    await _altered(book, "UPDATE journal_head SET seq = seq + 1 WHERE id = 1")
    assert "head" in (await _verified(book))["altered"]["reason"]
    await _altered(book, "UPDATE journal_head SET seq = seq - 1 WHERE id = 1")


async def test_any_byte_of_an_export_that_is_flipped_is_found_and_its_batch_named(book, tmp_path):
    await _filled(book)
    path = tmp_path / "journal.ndjson"
    await asyncio.to_thread(chain.export, book.ledger.database.url, path)
    whole, chance = path.read_bytes(), random.Random(8)
    for trial in range(TRIALS):
        at = chance.randrange(len(whole)) if trial else len(whole) - 1
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 1 << chance.randrange(8),)) + whole[at + 1 :])
        try:
            altered = chain.verify_file(path)["altered"]
        except Invalid:
            assert at < len(chain.HEADER)
            continue
        if at < whole.rindex(b"\n", 0, -1):
            batch = whole[: whole.index(b'{"first_seq"', at - 40)].count(b"\n[")
            assert altered["first_seq"] <= max(batch, 1), (at, altered)


async def test_an_export_that_ends_too_early_or_goes_on_is_found(book, tmp_path):
    await _filled(book)
    path = tmp_path / "journal.ndjson"
    await asyncio.to_thread(chain.export, book.ledger.database.url, path)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for part in (whole[:-1], b"".join(lines[:-1]), b"".join(lines[:-2]), whole + b"\n", whole + lines[1]):
        path.write_bytes(part)
        assert "altered" in chain.verify_file(path)
