"""What leaves in an export: text that no spreadsheet runs, and users whom only the owner of the key can name."""

import hashlib
import hmac
from decimal import Decimal
from typing import Any

import msgspec

_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: Any) -> str:
    """A value in a CSV file: numbers exact, objects as JSON, text so that a spreadsheet takes it for text.

    >>> print(cell("=1+1"), cell(Decimal("-1E-9")), cell(True), cell({"a": 1}))
    '=1+1 -0.000000001 true {"a":1}
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_STARTS_FORMULA) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int | float):
        return str(value)
    return msgspec.json.encode(value).decode()


def pseudonym(key: bytes, user_id: str) -> str:
    """The same name for the same user and key, from which without the key nobody learns who it is.

    >>> pseudonym(b"k", "ada") == pseudonym(b"k", "ada") != pseudonym(b"l", "ada")
    True
    """
    return f"user-{hmac.digest(key, user_id.encode(), hashlib.sha256).hex()[:32]}"
