"""Rhetor's words and Budget's, its count of tokens, and its numbers: the small things that everything here uses."""

import enum
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from budget.client.exchange import Reply

ALL: Final = "all"
"""The provider that stands for every provider."""

OUTPUT_CHARACTERS: Final = 500
"""How long an answer is expected to be."""


class BudgetPolicy(enum.StrEnum):
    """What a limit does."""

    IGNORE = "ignore"
    WARN = "warn"
    ENFORCE = "enforce"


class BudgetPeriod(enum.StrEnum):
    """When a limit starts anew."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


GROUPS: Final = ("provider", "model", "component", "task_type")

_TYPES: Final[Mapping[str, str]] = {"ignore": "ignore", "warn": "warn", "enforce": "hard_limit"}
_ENFORCEMENTS: Final[Mapping[str, str]] = {
    "ignore": "ignore",
    "warn": "warn",
    "soft_limit": "warn",
    "hard_limit": "enforce",
}


def period(word: str) -> str:
    """A period of Rhetor's; `ValueError` for any other word."""
    return BudgetPeriod(word).value


def policy_type(enforcement: str) -> str:
    """Budget's type for one of Rhetor's policies; `ValueError` for any other word."""
    return _TYPES[BudgetPolicy(enforcement).value]


def enforcement(kind: str) -> str:
    """Rhetor's word for one of Budget's types; a soft limit never refuses, so it warns."""
    return _ENFORCEMENTS[kind]


def group(word: str) -> str:
    """What a summary can be grouped by; `ValueError` for any other word."""
    if word not in GROUPS:
        raise ValueError(f"{word!r} is not one of {', '.join(GROUPS)}")
    return word


def provider_of(name: str | None) -> str | None:
    """A provider as a filter: none for all of them."""
    return None if name in (None, ALL) else name


def dollars(value: float | Decimal, name: str) -> Decimal:
    """An amount, exactly as it is written; `ValueError` for one that is no number."""
    amount = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    if not amount.is_finite():
        raise ValueError(f"{name} must be a finite number, not {value}")
    return amount


def count_tokens(text: str) -> int:
    """Rhetor's estimate where it had no tokenizer: the words and a quarter of the characters.

    >>> count_tokens(""), count_tokens("What is left?"), count_tokens("a" * OUTPUT_CHARACTERS)
    (0, 6, 126)
    """
    return len(text.split()) + math.floor(len(text) / 4)


EXPECTED_OUTPUT: Final = count_tokens("a" * OUTPUT_CHARACTERS)


def costs(calculated: Mapping[str, Any], input_tokens: int, output_tokens: int) -> dict[str, Any]:
    """The costs of a call as floats, beside its tokens."""
    return {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "input_cost": number(calculated["input_cost"]),
        "output_cost": number(calculated["output_cost"]),
        "total_cost": number(calculated["total_cost"]),
    }


def number(value: Any) -> float:
    """An exact amount at Rhetor's edge; none is 0."""
    return 0.0 if value is None else float(value)


NO_COST: Final[Reply] = {"input_cost": 0, "output_cost": 0, "total_cost": 0}
