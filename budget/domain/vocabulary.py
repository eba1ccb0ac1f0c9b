"""The words a caller may use for tiers, periods and policy types, and the canonical ones they stand for.

Source: wire contract, section 10 (aliases) and 15.6. Input in any case; output always canonical.
"""

from decimal import Decimal

from budget.domain.errors import Invalid
from budget.domain.policies import PERIODS, TIERS, TYPES

_TIER_ALIASES = {
    "lightweight": "local_lightweight",
    "midweight": "local_midweight",
    "heavyweight": "remote_heavyweight",
}
_TYPE_ALIASES = {"warning": "warn", "enforce": "hard_limit", "log": "ignore", "downgrade": "soft_limit"}


_HIGHEST = 1000


def tier(word: str, field: str = "tier") -> str:
    """A tier's canonical name; `Invalid` for an unknown one."""
    return _canonical(word, field, TIERS, _TIER_ALIASES)


def period(word: str, field: str = "period") -> str:
    """A period's canonical name; `Invalid` for an unknown one."""
    return _canonical(word, field, PERIODS, {})


def policy_type(word: str, field: str = "type") -> str:
    """A policy type's canonical name; `Invalid` for an unknown one."""
    return _canonical(word, field, TYPES, _TYPE_ALIASES)


def threshold(value: Decimal, field: str) -> Decimal:
    """One of the two named thresholds as a ratio: Tekton's page sends 80 for 0.8 (15.5)."""
    ratio = value / 100 if value.is_finite() and value > 1 else value
    return ratio_above_zero(ratio, field)


def ratio_above_zero(value: Decimal, field: str) -> Decimal:
    """A further alert level, taken as it is."""
    if not value.is_finite() or not 0 < value <= _HIGHEST:
        raise Invalid(field, "must be a ratio above 0, such as 0.8")
    return value


def _canonical(word: str, field: str, words: tuple[str, ...], aliases: dict[str, str]) -> str:
    lower = word.lower()
    found = aliases.get(lower, lower)
    if found not in words:
        raise Invalid(field, f"{word[:40]!r} is not one of {', '.join((*words, *aliases))}")
    return found
