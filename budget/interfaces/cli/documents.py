"""Answers for programs: JSON as the service sent it, CSV and TSV with stable columns, Markdown."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

_encode = msgspec.json.Encoder(decimal_format="number").encode


def as_json(value: Any) -> str:
    """JSON with two spaces of indent; decimals are numbers with all their digits."""
    return msgspec.json.format(_encode(value), indent=2).decode()


def as_line(value: Any) -> str:
    """JSON in one line."""
    return _encode(value).decode()


def separated(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], delimiter: str, *, header: bool = True) -> str:
    """CSV, or TSV where the delimiter is a tab."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows([plain(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def markdown(rows: Iterable[Sequence[str]], titles: Sequence[str]) -> str:
    """A table as Markdown writes it."""
    return "".join(markdown_row(line) for line in (titles, ["---"] * len(titles), *rows))


def markdown_row(cells: Sequence[str]) -> str:
    """One line of it."""
    return "| " + " | ".join(_cell(text) for text in cells) + " |\n"


def plain(value: Any) -> str:
    """A value as text, exactly; nothing for null, JSON for what is nested."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case Decimal():
            return f"{value:f}"
        case int():
            return str(value)
        case _:
            return as_line(value)


def _cell(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
