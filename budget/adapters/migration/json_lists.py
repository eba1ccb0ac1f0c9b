"""JSON lists that Apollo may not have finished writing: every complete entry, and what was found where they end."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from budget.domain.migrations import SourceFailed

LARGEST = 256 * 1024 * 1024
"""Apollo wrote at most a thousand records into a file; anything near this is something else."""

_BLANK = re.compile(r"[ \t\r\n]*")
_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")
_decoder = json.JSONDecoder()  # takes NaN and Infinity, as Apollo wrote them


class Read(NamedTuple):
    """The entries of a list; `state` is `ok`, `empty` (nothing at all) or `cut`."""

    entries: list[Any]
    state: str


def read(path: Path) -> Read:
    """A file's list; `SourceFailed` when it is none."""
    try:
        if path.stat().st_size > LARGEST:
            raise SourceFailed(f"{path.name} is larger than {LARGEST:,} bytes: it is not Apollo's")
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        raise SourceFailed(f"{path.name} is no UTF-8 text") from None
    except OSError as error:
        raise SourceFailed(f"{path.name} cannot be read: {error.strerror}") from error
    return parse(text, path.name)


def parse(text: str, name: str) -> Read:
    """The list in a text.

    >>> parse('[{"a": 1}, {"b": 2}, {"c"', "x.json")
    Read(entries=[{'a': 1}, {'b': 2}], state='cut')
    """
    at = _after_blanks(text, 0)
    if at == len(text):
        return Read([], "empty")
    if text[at] != "[":
        raise SourceFailed(f"{name} does not begin as a list: it is not Apollo's")
    entries: list[Any] = []
    at = _after_blanks(text, at + 1)
    while at < len(text) and text[at] != "]":
        try:
            entry, at = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return Read(entries, "cut")
        at = _after_blanks(text, at)
        if text[at : at + 1] not in (",", "]"):  # a number at the very end may be half of one
            return Read(entries, "cut")
        entries.append(entry)
        if text[at] == ",":
            at = _after_blanks(text, at + 1)
    return Read(entries, "ok" if _after_blanks(text, at + 1) >= len(text) > at else "cut")


def _after_blanks(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()


def fields_of(entry: Any) -> Mapping[str, Any]:
    """An entry's fields under Apollo's own names; it also took them as `camelCase`."""
    if not isinstance(entry, dict):
        raise ValueError("is no object")  # noqa: TRY004 -- one kind of error, whatever is wrong with an entry
    return {_CAPITAL.sub(lambda found: f"_{found[1].lower()}", name): value for name, value in entry.items()}
