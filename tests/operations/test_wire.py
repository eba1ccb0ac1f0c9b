"""Bodies are read within their limit, and a key is a header or a field."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from budget.domain import commands
from budget.domain.errors import Invalid
from budget.operations import wire

ALLOCATE: dict[str, Any] = {"context_id": "c", "component": "apollo", "tokens_allocated": 10}


@pytest.mark.parametrize("value", [b"", b"k" * 256])
def test_a_key_has_1_to_255_characters(value):
    with pytest.raises(Invalid, match="1 to 255"):
        wire.key_text(value)


def test_a_key_may_be_any_text():
    assert wire.key_text("schlüssel".encode()) == "schlüssel"
    assert wire.key_text(b"\xff") == "ÿ"


def test_the_header_comes_before_the_request_id():
    command = commands.Allocate(**ALLOCATE, request_id="body")
    assert wire.idempotency_key({"headers": [(b"idempotency-key", b"header")]}, command) == "header"
    assert wire.idempotency_key({"headers": []}, command) == "body"
    assert wire.idempotency_key({"headers": []}, commands.Initialise()) is None


async def chunks(*parts):
    for part in parts:
        yield {"type": "http.request", "body": part, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}


async def test_a_body_in_pieces_is_put_together():
    messages = chunks(b"ab", b"cd")
    assert await wire.read({"headers": []}, messages.__anext__, 4) == b"abcd"


async def test_reading_stops_where_a_body_is_too_large():
    messages = chunks(*[b"x" * 10] * 100)
    with pytest.raises(wire.TooLarge):
        await wire.read({"headers": []}, messages.__anext__, 25)
    assert len([message async for message in messages]) == 98  # three were read, 97 and the end were not


async def test_an_announced_size_is_enough_to_refuse():
    messages = chunks(*[b"x" * 10] * 100)
    with pytest.raises(wire.TooLarge):
        await wire.read({"headers": [(b"content-length", b"1000")]}, messages.__anext__, 25)
    assert len([message async for message in messages]) == 100


async def test_a_body_that_does_not_come_to_its_end_is_given_up(monkeypatch):
    monkeypatch.setattr(wire, "BODY_SECONDS", 0.01)

    first = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive():
        return first.pop() if first else await asyncio.Event().wait()

    with pytest.raises(wire.TooSlow):
        await wire.read({"headers": []}, receive, 25)


async def test_a_client_that_goes_away_is_noticed():
    async def gone():
        return {"type": "http.disconnect"}

    with pytest.raises(wire.ClientGone):
        await wire.read({"headers": []}, gone, 25)


def test_answers_carry_decimals_as_numbers():
    assert msgspec.json.decode(wire.reply({"cost": Decimal("0.10")}).body) == {"cost": 0.1}
    assert wire.reply({"cost": Decimal("0.10")}).body == b'{"cost":0.10}'
