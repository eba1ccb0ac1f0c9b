"""One row of Rhetor's table `usage` as an imported record (contract 4.2): exact names, exact cost, nothing invented."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from budget.adapters.migration import rhetor_prices
from budget.adapters.migration.local_times import LocalTimes
from budget.adapters.migration.old_texts import NULL, clean, identifier, with_origin
from budget.domain import commands, money
from budget.domain.importing import ImportedUsage
from budget.domain.migrations import Rejected, Usage
from budget.domain.records import COST_REPORTED, PRICE_UNKNOWN

COLUMNS = (
    "id",
    "timestamp",
    "provider",
    "model",
    "component",
    "task_type",
    "input_tokens",
    "output_tokens",
    "cost",
    "metadata",
)
_NAMES = ("provider", "model", "component", "task_type")

_encode = msgspec.json.Encoder().encode


class Translator:
    """Translates rows, and counts what a reader of the report should know."""

    def __init__(self, zone: str) -> None:
        self._times = LocalTimes(zone)
        self._seen: Counter[str] = Counter()

    def translate(self, row: Sequence[Any]) -> Usage:
        """One row; `Rejected` when it has no time, no counts or no amount that a ledger can hold."""
        try:
            return self._translate(row)
        except ValueError as error:
            return Rejected(f"usage row {row[0]}", str(error))

    def notes(self) -> Iterator[str]:
        """What was noticed, with how often."""
        return (f"{count:,} {'row' if count == 1 else 'rows'}: {what}" for what, count in sorted(self._seen.items()))

    def _translate(self, row: Sequence[Any]) -> ImportedUsage:
        number, timestamp, provider, model, component, task_type, given, made, stored, metadata = row
        encoded, names, odd = _checked(row)
        if odd:
            provider, model, component, task_type = names
            self._seen["a name held what no text may hold; U+FFFD stands there now"] += 1
        at, month = _time(self._times, timestamp)
        if given.__class__ is not int:
            given = self._count(given, "input_tokens")
        if made.__class__ is not int:
            made = self._count(made, "output_tokens")
        dollars, nanocents = _amount(stored)
        rates = rhetor_prices.RATES.get((provider, model))
        flags, shares = self._judged(rates, given, made, stored, nanocents)
        origin = {"origin": "rhetor", "id": number, "timestamp": timestamp}
        if component is None or task_type is None:
            origin["null"] = [name for name in ("component", "task_type") if row[COLUMNS.index(name)] is None]
        if odd:
            origin["altered"] = odd
        text = metadata if metadata is None or isinstance(metadata, str) else repr(metadata)
        kept, fields = with_origin(text, origin)
        digest = hashlib.blake2b(encoded, digest_size=16)
        return ImportedUsage(  # by place: by name it costs twice as much
            f"rhetor:usage:{number:010d}:{digest.hexdigest()}", digest.digest(), at, month, provider, model,
            NULL if component is None else component, NULL if task_type is None else task_type,
            identifier(fields.get("context_id")), None, None, given, made, 0, 1, nanocents, *shares, dollars, flags,
            kept,
        )  # fmt: skip

    def _count(self, value: Any, field: str) -> int | None:
        if value is None:
            self._seen[f"{field} is NULL: not known, and counted as none"] += 1
            return None
        if isinstance(value, float) and value.is_integer():
            return int(value)
        raise ValueError(f"{field} is {value!r:.40}, no whole number")

    def _judged(
        self, rates: rhetor_prices.Rates | None, given: int | None, made: int | None, stored: Any, nanocents: int
    ) -> tuple[int, tuple[int, int]]:
        """The flags of a record, and what is known of the split of its cost."""
        for field, count in (("input_tokens", given), ("output_tokens", made)):
            if count is not None and not -commands.MAX_COUNT <= count <= commands.MAX_COUNT:
                raise ValueError(f"{field} is beyond 2**53 - 1")
        if stored is None:
            self._seen["cost is NULL: not known, and counted as none"] += 1
            return PRICE_UNKNOWN, (0, 0)
        if stored < 0:
            self._seen["cost is below 0: a credit, kept as one"] += 1
        if rates is None:
            if stored == 0:
                self._seen["cost 0 of a model that Rhetor had no price for: price unknown, not free"] += 1
                return PRICE_UNKNOWN, (0, 0)
            return COST_REPORTED, (0, 0)
        return COST_REPORTED, rhetor_prices.split(rates, given or 0, made or 0, stored, nanocents)


def _checked(row: Sequence[Any]) -> tuple[bytes, list[str | None], dict[str, str]]:
    """The row's bytes for its key; its names as a ledger can keep them; the originals of those that changed."""
    try:
        encoded = _encode(row)
        if b"\\u0000" not in encoded and bytes not in map(type, row):
            return encoded, [], {}
    except UnicodeEncodeError:
        encoded = repr(tuple(row)).encode("ascii", "backslashreplace")
    names = [_as_text(name) for name in row[2:6]]
    cleaned = [None if name is None else clean(name) for name in names]
    odd = {
        field: repr(stored)[:400]
        for field, stored, kept in zip(_NAMES, row[2:6], cleaned, strict=True)
        if stored != kept
    }
    return encoded, cleaned, odd


def _as_text(name: Any) -> str | None:
    if isinstance(name, bytes):
        return name.decode("utf-8", "replace")
    return None if name is None else str(name)


def _time(times: LocalTimes, timestamp: Any) -> tuple[int, str]:
    try:
        return times.read(timestamp)
    except ValueError as error:
        raise ValueError(f"timestamp: {error}") from None


@lru_cache(1 << 14, typed=True)
def _amount(stored: Any) -> tuple[Decimal | None, int]:
    """A cost exactly as it was stored, and in nanocents."""
    if stored is None:
        return None, 0
    if not isinstance(stored, float | int):
        raise ValueError(f"cost is {stored!r:.40}, no number")  # noqa: TRY004 -- one kind of error
    if not math.isfinite(stored):
        raise ValueError("cost is infinite")
    dollars = Decimal(repr(stored))
    nanocents = money.to_nanocents(dollars) if abs(stored) < 1e9 else money.MAX_NANOCENTS + 1  # noqa: PLR2004 -- beyond any
    if abs(nanocents) > money.MAX_NANOCENTS:
        raise ValueError("cost is beyond 92 million dollars, more than a ledger's sum can hold")
    return dollars, nanocents
