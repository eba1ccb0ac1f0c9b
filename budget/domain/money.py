"""Dollars outside, whole nanocents inside: the only conversion between the two.

A nanocent is 10⁻¹¹ dollars. It keeps nearly every price per token whole, so that sums need no rounding.
"""

from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

NANOCENTS_PER_DOLLAR = 10**11
"""Nanocents in one dollar."""

MAX_NANOCENTS = 2**63 - 1
"""The most one stored sum may hold: a signed 64-bit integer, about 92 million dollars."""

_PLACES = 11
_NANOCENT = Decimal(1).scaleb(-_PLACES)
# Wide enough that nothing below the nanocent is lost before the one rounding, narrow enough to bound the work.
_EXACT = Context(prec=100)


def to_nanocents(dollars: Decimal) -> int:
    """Give `dollars` in nanocents, rounded once, half to even.

    Raises ValueError when `dollars` is not finite or has more than 89 digits before the point.

    >>> to_nanocents(Decimal("0.0001")) * 10_000 == NANOCENTS_PER_DOLLAR
    True
    """
    return _whole_nanocents(dollars, ROUND_HALF_EVEN)


def limit_nanocents(dollars: Decimal) -> int:
    """Give a limit of `dollars` in whole nanocents, rounded down: an integer exceeds a number iff it exceeds its floor.

    Raises ValueError as `to_nanocents` does.

    >>> limit_nanocents(Decimal("0.000000000019"))
    1
    """
    return _whole_nanocents(dollars, ROUND_FLOOR)


def to_dollars(nanocents: int) -> Decimal:
    """Give `nanocents` in dollars, exactly, without trailing zeros or a positive exponent.

    The standard library prints a Decimal below 0.000001 with an exponent; `dollars_text` does not.

    >>> to_dollars(250_000_000_000)
    Decimal('2.5')
    """
    if nanocents % NANOCENTS_PER_DOLLAR == 0:
        return Decimal(nanocents // NANOCENTS_PER_DOLLAR)
    return _EXACT.normalize(_EXACT.scaleb(Decimal(nanocents), -_PLACES))


def dollars_text(nanocents: int) -> str:
    """Give `nanocents` as plain dollar text for the wire: exact, no exponent, no trailing zeros.

    >>> dollars_text(1)
    '0.00000000001'
    """
    whole, rest = divmod(abs(nanocents), NANOCENTS_PER_DOLLAR)
    sign = "-" if nanocents < 0 else ""
    if not rest:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{rest:011d}".rstrip("0")


def _whole_nanocents(dollars: Decimal, rounding: str) -> int:
    try:
        rounded = dollars.quantize(_NANOCENT, rounding, _EXACT)
        return int(_EXACT.scaleb(rounded, _PLACES))
    except (InvalidOperation, ValueError, OverflowError):
        message = "an amount of dollars must be finite and have at most 89 digits before the point"
        raise ValueError(message) from None
