"""Old texts as the ledger can keep them: names, ids, metadata, each with a note of what could not stay as it was."""

import os
import re
from typing import Any

import msgspec

LONGEST_ID = 200
NULL = "(null)"
"""Stands for a component or task type that was NULL; `imported` in the record's metadata then says so."""

_ODD = re.compile("[\x00\ud800-\udfff]")
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def clean(text: str) -> str:
    """Without what no database and no JSON takes: U+0000, and halves of characters."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode() if _is_odd(text) else text


def _is_odd(text: str) -> bool:
    return _ODD.search(text) is not None


def real_path(text: str) -> str:
    """The place that a path names, whatever was written; unlike those of `Path` these functions take any text."""
    return os.path.realpath(os.path.expanduser(text))  # noqa: PTH111


def identifier(value: Any) -> str | None:
    """An id that can be looked up by, or None: not a text, or longer than ids are."""
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ID and not _is_odd(value) else None


def with_origin(text: str | None, origin: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Metadata as JSON, with where it came from under `imported`; and its fields.

    What is no object, no strict JSON, or has a field `imported` of its own, is kept as text under `original`.
    """
    stamp = _encode(origin).decode()
    if text is None or text == "{}":
        return f'{{"imported":{stamp}}}', {}
    try:
        fields = _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        fields = None
    if not isinstance(fields, dict) or "imported" in fields:
        kept = _encode({"original": clean(text), "imported": origin}).decode()
        return kept, fields if isinstance(fields, dict) else {}
    if not fields:
        return f'{{"imported":{stamp}}}', {}
    return f'{text.rstrip()[:-1]},"imported":{stamp}}}', fields
