"""Apollo's fields, which early versions did not check, read as what was meant; `ValueError` names the field."""

import hashlib
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from budget.adapters.migration.old_texts import LONGEST_ID, clean, identifier

_MOST_DIGITS = 400

Fields = Mapping[str, Any]


def fingerprint(fields: Fields) -> bytes:
    """What makes an entry the same in each file that repeats it."""
    return hashlib.blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=16).digest()


def key(kind: str, entry_id: str) -> str:
    """The key of an entry, whatever its id looks like."""
    if identifier(entry_id) is None or "\x1f" in entry_id:
        entry_id = hashlib.blake2b(entry_id.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
    return f"apollo:{kind}:{entry_id}"


def required(fields: Fields, name: str) -> str:
    """A text that must be there."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r:.40}, no text" if name in fields else f"{name} is missing")
    return value


def short(fields: Fields, name: str) -> str:
    """An id that can be looked up by."""
    value = required(fields, name)
    if identifier(value) is None:
        raise ValueError(f"{name} is longer than {LONGEST_ID} characters, or holds what no id may hold")
    return value


def optional(fields: Fields, name: str) -> str | None:
    """A text, or nothing: null and empty text mean the same here."""
    value = fields.get(name)
    return None if value in (None, "") else clean(value if isinstance(value, str) else json.dumps(value))


def known(fields: Fields, name: str) -> str | None:
    """A provider or a model; `unknown` is Apollo's word for none."""
    value = optional(fields, name)
    return None if value == "unknown" else value


def whole(fields: Fields, name: str) -> int:
    """A whole number, also where it was stored as a fraction or as text."""
    value = fields.get(name)
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{name} is {value!r}, no number")
    try:
        exact = Decimal(value)
        is_whole = exact.is_finite() and exact.adjusted() < _MOST_DIGITS and exact == exact.to_integral_value()
    except (ArithmeticError, ValueError, TypeError):
        is_whole, exact = False, Decimal(0)
    if not is_whole:
        raise ValueError(f"{name} is {value!r:.40}, no whole number")
    return int(exact)


def number(fields: Fields, name: str) -> float | None:
    """A finite number, also as text; None for anything else."""
    value = fields.get(name)
    try:
        found = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def truth(fields: Fields, name: str, *, default: bool) -> bool:
    """A truth, also as text or as 0 and 1."""
    value = fields.get(name, default)
    if isinstance(value, str):
        value = _TRUTHS.get(value.lower())
    if value in (0, 1):
        return bool(value)
    raise ValueError(f"{name} is {fields.get(name)!r:.40}, neither true nor false")


_TRUTHS = {
    **dict.fromkeys(("true", "1", "yes", "on", "t", "y"), True),
    **dict.fromkeys(("false", "0", "no", "off", "f", "n"), False),
}
