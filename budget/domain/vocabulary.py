"""The words a caller may use for tiers, periods and policy types, and the canonical ones they stand for.

Source: wire contract, section 10 (aliases) and 15.6. Input in any case; output always canonical.
"""

from decimal import Context, Decimal

from budget.domain.errors import Invalid
from budget.domain.policies import PERIODS, TIERS, TYPES

_TIER_ALIASES = {
    "lightweight": "local_lightweight",
    "midweight": "local_midweight",
    "heavyweight": "remote_heavyweight",
}
_TYPE_ALIASES = {"warning": "warn", "enforce": "hard_limit", "log": "ignore", "downgrade": "soft_limit"}

_HIGHEST = 1000
_DIGITS = 30
_WIDE = Context(prec=2 * _DIGITS)


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
    return normalised(value, field)


def normalised(value: Decimal, field: str) -> Decimal:
    """A number in its one form, without exponent and trailing zeros: 1.00 is the same limit as 1 (rule 2.10).

    >>> normalised(Decimal("1E+2"), "cost_limit"), normalised(Decimal("0.80"), "thresholds")
    (Decimal('100'), Decimal('0.8'))
    """
    shortest = _WIDE.normalize(value)
    if shortest != value or len(shortest.as_tuple().digits) > _DIGITS or abs(shortest.adjusted()) > _DIGITS:
        raise Invalid(field, f"has more than {_DIGITS} digits")
    return shortest.quantize(Decimal(1), context=_WIDE) if shortest == shortest.to_integral_value() else shortest


def _canonical(word: str, field: str, words: tuple[str, ...], aliases: dict[str, str]) -> str:
    lower = word.lower()
    found = aliases.get(lower, lower)
    if found not in words:
        raise Invalid(field, f"{word[:40]!r} is not one of {', '.join((*words, *aliases))}")
    return found
