"""Usage as files: CSV, JSON or NDJSON, as Budget's own records or as FOCUS; written piece by piece."""

import contextlib
import csv
import io
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from budget.domain import focus
from budget.domain.errors import NotFound
from budget.domain.exports import cell, pseudonym
from budget.domain.records import Record
from budget.engine.exports import Asked, Export, Exports
from budget.operations import bodies, views
from budget.operations.requests import Overlap, Query, Text, When, Word

KINDS: Final = ("usage", "focus")

Row = dict[str, Any]
Rows = Callable[[Record], Iterable[Row]]


class Form(NamedTuple):
    """How a file of one format is written."""

    media_type: str
    begin: Callable[[tuple[str, ...]], bytes]
    page: Callable[[list[Row], tuple[str, ...]], bytes]
    between: bytes
    """What stands between two pages."""
    end: bytes


class UnknownFormat(bodies.Malformed):
    """Exports have other formats."""

    code = "invalid_request"


class ExportUsage(Query, frozen=True, kw_only=True):
    """Which usage, by the time for which it was booked, and in what form; without a stretch of time all of it."""

    format: Word = "csv"
    start: When | None = msgspec.field(name="from", default=None)
    end: When | None = msgspec.field(name="to", default=None)
    budget_id: Text | None = None
    component: Text | None = None
    include_overlap: Overlap = False
    include_superseded: bool = False
    """Of Budget's own records those too that were corrected or voided; FOCUS always has them, with their reversals."""
    pseudonymise_users: Annotated[
        bool, Meta(description="users under names that no other export has, and no metadata")
    ] = False


class File(NamedTuple):
    """What goes out: its media type, its name, and its pieces."""

    media_type: str
    name: str
    pieces: AsyncGenerator[bytes]


async def export(exports: Exports, kind: str, asked: ExportUsage) -> File:
    """A file of usage, whose pieces are read as they are taken; what is wrong with a request is said before."""
    if kind not in KINDS:
        raise NotFound(f"there is no export {kind[:40]!r}; there are {', '.join(KINDS)}", field="kind")
    name = asked.format.lower()
    form = FORMS.get(name)
    if form is None:
        raise UnknownFormat(f"exports have no format {asked.format!r}; they have {', '.join(FORMS)}", field="format")
    planned = await exports.plan(
        Asked(
            asked.start,
            asked.end,
            asked.budget_id,
            asked.component,
            include_overlap=asked.include_overlap,
            superseded=asked.include_superseded or kind == "focus",
        )
    )
    rows = _focus_rows(planned) if kind == "focus" else _usage_rows
    key = secrets.token_bytes(32) if asked.pseudonymise_users else None
    pieces = _pieces(exports.pages(planned), rows, _columns(kind), key, form)
    return File(form.media_type, f"budget-{kind}.{name}", pieces)


# Rows


def _usage_rows(record: Record) -> Iterable[Row]:
    yield views.usage_record_view(record)


def _focus_rows(planned: Export) -> Rows:
    names = {budget.budget_id: budget.name for budget in planned.configuration.budgets.values()}
    return lambda record: focus.rows_of(record, names.get(record.budget_id, record.budget_id))


def _columns(kind: str) -> tuple[str, ...]:
    return focus.COLUMNS if kind == "focus" else tuple(views.usage_record_view(_NOTHING))


async def _pieces(
    pages: AsyncGenerator[list[Record]], rows: Rows, columns: tuple[str, ...], key: bytes | None, form: Form
) -> AsyncGenerator[bytes]:
    """The first piece comes with the first page: what fails until then fails before anything is sent."""
    before, between = form.begin(columns), b""
    async with contextlib.aclosing(pages):
        async for page in pages:
            found = [row for record in page for row in rows(record if key is None else _unnamed(record, key))]
            if found:
                yield before + between + form.page(found, columns)
                before, between = b"", form.between
    yield before + form.end


def _unnamed(record: Record, key: bytes) -> Record:
    user_id = None if record.user_id is None else pseudonym(key, record.user_id)
    return msgspec.structs.replace(record, user_id=user_id, metadata="{}")


_NOTHING: Final = Record(
    0, "", None, "", None, None, "", None, None, "", "", None, None, None, None, 0, 0, "{}", None, 0, 0, 0, 0, 0, 0
)
"""Its view has the columns that every record's has."""


# Forms


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _csv_page(rows: list[Row], columns: tuple[str, ...]) -> bytes:
    return _lines([cell(row[name]) for name in columns] for row in rows)


def _json_page(rows: list[Row], _: tuple[str, ...]) -> bytes:
    return b",\n".join(bodies.encode(row) for row in rows)


def _ndjson_page(rows: list[Row], _: tuple[str, ...]) -> bytes:
    return b"".join(bodies.encode(row) + b"\n" for row in rows)


FORMS: Final[Mapping[str, Form]] = {
    "csv": Form("text/csv; charset=utf-8", lambda columns: _lines([columns]), _csv_page, b"", b""),
    "json": Form("application/json", lambda _: b"[", _json_page, b",\n", b"]\n"),
    "ndjson": Form("application/x-ndjson", lambda _: b"", _ndjson_page, b"", b""),
}
