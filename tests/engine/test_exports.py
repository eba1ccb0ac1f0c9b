"""Exports are of one moment, few at once, and hold nothing when they are left."""

import pytest

from budget.domain.errors import Unavailable
from budget.engine import exports
from budget.engine.exports import Asked, Exports
from budget.storage import exports as storage
from budget.storage.snapshots import LONG_READERS


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(storage, "PAGE", 2)


async def taken(pages):
    return [[record.input_tokens for record in page] async for page in pages]


async def test_what_happens_while_it_is_read_is_not_in_it(book, small_pages):
    for tokens in range(3):
        await book.record(tokens, 0)
    made = Exports(book.ledger)
    pages = made.pages(await made.plan(Asked(None, None)))
    first = await anext(pages)
    await book.record(99, 0)
    assert [len(first), *map(len, await taken(pages))] == [2, 1]
    assert await taken(made.pages(await made.plan(Asked(None, None)))) == [[0, 1], [2, 99]]


async def test_only_a_few_are_read_at_once_and_one_that_is_left_gives_its_place_back(book, small_pages, monkeypatch):
    monkeypatch.setattr(exports, "WAIT_SECONDS", 0.01)
    await book.record(1, 0)
    made = Exports(book.ledger)
    export = await made.plan(Asked(None, None))
    begun = [made.pages(export) for _ in range(LONG_READERS)]
    for pages in begun:
        await anext(pages)
    with pytest.raises(Unavailable, match="under way"):
        await anext(made.pages(export))
    for pages in begun:
        await pages.aclose()
    assert await taken(made.pages(export)) == [[1]]


async def test_a_stretch_a_budget_and_a_component_narrow_it(book, small_pages):
    budget = await book.budget()
    await book.record(1, 0, occurred_at="2026-11-20T12:00:00Z")
    await book.record(2, 0, occurred_at="2026-11-21T23:59:59Z", component="terma")
    await book.record(3, 0, budget_id=budget.budget_id)
    made = Exports(book.ledger)
    for asked, expected in (
        (Asked("2026-11-21", "2026-11-21"), [[2]]),
        (Asked(None, None, budget.budget_id), [[3]]),
        (Asked(None, None, component="terma"), [[2]]),
        (Asked("2026-11-22", None), [[3]]),
    ):
        assert await taken(made.pages(await made.plan(asked))) == expected
