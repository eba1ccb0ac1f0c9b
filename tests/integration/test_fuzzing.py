"""Whatever bytes come from outside, a parser gives a value or one clear error: it neither breaks nor hangs."""

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budget.domain import commands, keys
from budget.domain.errors import BudgetError
from budget.engine import chain
from budget.interfaces.mcp import messages, plain_calls, tool_calls
from budget.interfaces.rest import hot
from budget.interfaces.ws import incoming
from budget.operations import bodies, inputs, wire
from budget.operations.catalogue import CATALOGUE

EXAMPLES = 20_000 if os.environ.get("BUDGET_TEST_FULL") == "1" else 60

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = sorted({name for operation in CATALOGUE for name in operation.request.__struct_fields__})
OBJECTS = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), JSON, max_size=8)
FRAMES = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(incoming.TYPES)) | st.text(max_size=9), "topic": JSON, "payload": OBJECTS | JSON}
)


def _text(value):
    return json.dumps(value, allow_nan=True).encode("utf-8", "surrogatepass")


BYTES = (
    st.binary(max_size=200) | JSON.map(_text) | OBJECTS.map(_text) | st.just(b"[" * 5_000) | st.just(b'{"a":' * 5_000)
)


def _frame(data):
    frame = incoming.parse(data.decode("utf-8", "replace"))
    incoming.topics_of(frame.payload)
    incoming.events_request(frame.payload)


def _lines(data):
    for line in hot._split_lines(data):
        bodies.body_of(commands.RecordUsage).read(line)


def _call(data):
    call = tool_calls._call.parse(data, lenient=True)
    bodies.body_of(commands.Allocate).parse(call.payload)


SCOPE = {
    "headers": [
        (b"accept", b"application/json"),
        (b"content-type", b"application/json"),
        (b"mcp-protocol-version", plain_calls.BEFORE.encode()),
    ]
}

PARSERS: dict[str, Callable[[bytes], Any]] = {
    "allocation": bodies.body_of(commands.Allocate).parse,
    "usage": bodies.body_of(commands.RecordUsage).parse,
    "lines": _lines,
    "frame": _frame,
    "message": messages.parse,
    "tool call": _call,
    "model context": lambda data: plain_calls.recognised(SCOPE, data),
    "key": lambda data: keys.found({}, data.decode("latin-1"), 0),
    "idempotency key": wire.key_text,
}


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 1000)
@given(data=BYTES | FRAMES.map(_text))
def test_bytes_are_read_or_refused(name, data):
    with contextlib.suppress(BudgetError):
        PARSERS[name](data)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 1000)
@given(st.sampled_from(CATALOGUE), OBJECTS, st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=30), max_size=5))
def test_a_request_of_any_operation_is_read_or_refused(operation, fields, texts):
    for read in (lambda: inputs.from_body(operation, _text(fields)), lambda: inputs.from_texts(operation, texts)):
        with contextlib.suppress(BudgetError):
            read()


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 1000)
@given(st.binary(max_size=300))
def test_a_journal_of_any_bytes_is_altered_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "journal.ndjson"
    for content in (data, chain.HEADER + data):
        path.write_bytes(content)
        with contextlib.suppress(BudgetError):
            assert "altered" in chain.verify_file(path)
