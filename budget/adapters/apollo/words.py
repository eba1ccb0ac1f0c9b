"""Apollo's words: tiers, periods, types, priorities, and how many tokens a call gets that asks for none."""

import datetime as dt
import enum
from collections.abc import Callable, Mapping
from typing import Final

from budget.domain import vocabulary
from budget.domain.errors import Invalid
from budget.domain.policies import TIERS


class Tier(enum.StrEnum):
    """How heavy a model is."""

    LOCAL_LIGHTWEIGHT = "local_lightweight"
    LOCAL_MIDWEIGHT = "local_midweight"
    REMOTE_HEAVYWEIGHT = "remote_heavyweight"


class Period(enum.StrEnum):
    """When a limit starts anew."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    PER_SESSION = "per_session"
    PER_TASK = "per_task"


class PolicyType(enum.StrEnum):
    """What a limit does."""

    IGNORE = "ignore"
    WARN = "warn"
    SOFT_LIMIT = "soft_limit"
    HARD_LIMIT = "hard_limit"


class TaskPriority(enum.IntEnum):
    """Named priorities; every number from 1 to 10 is one."""

    LOW = 1
    NORMAL = 5
    HIGH = 8
    CRITICAL = 10


SHORT: Final[Mapping[str, str]] = {tier: tier.partition("_")[2] for tier in TIERS}
"""The names of tiers that callers of the combined service read."""

_SIZES: Final[Mapping[str, tuple[int, int, int, int]]] = {
    "default": (1000, 2000, 4000, 8000),
    "chat": (2000, 4000, 8000, 16000),
    "coding": (4000, 8000, 16000, 32000),
    "analysis": (4000, 8000, 16000, 32000),
}
_ANYTHING_ELSE: Final = (2000, 2000, 2000, 2000)
_PRIORITIES: Final = tuple(TaskPriority)


def tier(word: str) -> str:
    """A tier's whole name, from that or the short one; `ValueError` for any other word."""
    return _value(vocabulary.tier, word)


def period(word: str) -> str:
    """A period's name, in any case; `ValueError` for any other word."""
    return _value(vocabulary.period, word)


def policy_type(word: str) -> str:
    """A type's name, in any case; `ValueError` for any other word."""
    return _value(vocabulary.policy_type, word)


def priority(number: int) -> int:
    """A priority; `ValueError` outside 1 to 10."""
    if not TaskPriority.LOW <= number <= TaskPriority.CRITICAL:
        raise ValueError(f"priority must be from 1 to 10, not {number}")
    return int(number)


def default_tokens(task_type: str, number: int) -> int:
    """What a call gets that asks for no number of tokens.

    >>> default_tokens("coding", 8), default_tokens("chat", 7), default_tokens("poetry", 10)
    (16000, 4000, 2000)
    """
    sizes = _SIZES.get(task_type, _ANYTHING_ELSE)
    known = number if number in _PRIORITIES else TaskPriority.NORMAL
    return sizes[_PRIORITIES.index(TaskPriority(known))]


def instant(moment: dt.datetime | str | None) -> str | None:
    """A time as text; one without a zone is in the budget's."""
    return moment.isoformat() if isinstance(moment, dt.datetime) else moment


def _value(word_of: Callable[[str], str], word: str) -> str:
    try:
        return word_of(str(word))
    except Invalid as error:
        raise ValueError(error.message) from None
