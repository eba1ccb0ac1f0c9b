"""Rhetor's table `budget_settings` as limits (contract 4.1): a scope's lowest active row counts, others are history."""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from budget.adapters.migration.old_texts import clean
from budget.domain import vocabulary
from budget.domain.errors import Invalid
from budget.domain.imported_policies import ImportedPolicy
from budget.domain.migrations import FoundPolicy, Rejected

COLUMNS = ("id", "period", "provider", "limit_amount", "enforcement", "start_date", "active")
PERIODS = ("daily", "weekly", "monthly")
EVERYONE = "all"
TYPES = {"ignore": "ignore", "warn": "warn", "enforce": "hard_limit"}
NOT_CHECKED = "Rhetor never checked a request against a limit for all providers; Budget does"


def translate(rows: Sequence[Sequence[Any]]) -> Iterator[FoundPolicy | Rejected]:
    """All rows, in the order of their ids."""
    standing: dict[tuple[Any, Any], int] = {}
    for row in rows:
        number, period, provider = row[:3]
        identity = f"budget_settings row {number}"
        if row[6] != 1:
            yield Rejected(identity, "inactive: history", skipped=True)
        elif period not in PERIODS:
            yield Rejected(identity, f"period is {period!r:.40}, none of Rhetor's")
        elif not isinstance(provider, str):
            yield Rejected(identity, "it names no provider")
        elif (period, provider) in standing:
            reason = "active, but another row of the same scope comes first: history"
            yield Rejected(identity, reason, skipped=True)
        else:
            standing[period, provider] = number
            yield _limit(row, identity)


def _limit(row: Sequence[Any], identity: str) -> FoundPolicy | Rejected:
    number, period, provider, stored, enforcement, start_date, _ = row
    notes = []
    try:
        limit = _amount(stored)
    except ValueError as error:
        return Rejected(identity, f"limit_amount {error}")
    if limit is None:
        notes.append("it has no limit: kept so that its enforcement can be read back")
    if enforcement not in TYPES:
        notes.append(f"enforcement {enforcement!r:.40} did nothing in Rhetor, and becomes `ignore`")
    if provider != EVERYONE and provider != provider.lower():
        notes.append("it holds for just this spelling; Budget keeps the providers of new usage in lower case")
    blocks = enforcement == "enforce" and limit is not None
    if blocks and provider == EVERYONE:
        notes.append(NOT_CHECKED)
    shown = {
        "id": number,
        "period": period,
        "provider": provider,
        "limit_amount": None if stored is None else str(Decimal(repr(stored))),
        "enforcement": enforcement,
        "start_date": start_date,
    }
    policy = ImportedPolicy(
        key=f"rhetor:policy:{period}:{clean(provider)}",
        type=TYPES.get(enforcement, "ignore"),
        period=period,
        provider=None if provider == EVERYONE else clean(provider),
        cost_limit=limit,
        start_date=start_date if isinstance(start_date, str) else "",
        metadata={"imported": {"origin": "rhetor", "id": number, "enforcement": enforcement}},
    )
    return FoundPolicy(policy=policy, shown=shown, enforced=blocks and provider != EVERYONE, notes=tuple(notes))


def _amount(stored: Any) -> Decimal | None:
    """A limit in dollars, exact; None for none: nothing, 0, below 0, or more than anyone can spend."""
    if stored is None:
        return None
    if not isinstance(stored, float | int):
        raise ValueError(f"is {stored!r:.40}, no number")  # noqa: TRY004 -- one kind of error
    if stored <= 0 or not math.isfinite(stored):
        return None
    try:
        return vocabulary.normalised(Decimal(repr(stored)), "limit_amount")
    except Invalid as error:
        raise ValueError(error.message) from None
