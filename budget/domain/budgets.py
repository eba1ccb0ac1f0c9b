"""A budget: a named container with an owner, a time zone and policies (rules 1)."""

from typing import Any

import msgspec

DEFAULT_BUDGET_NAME = "Default Budget"


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """One budget as stored; instants are microseconds since 1970, UTC."""

    budget_id: str
    name: str
    description: str | None = None
    owner: str | None = None
    time_zone: str
    components: tuple[str, ...] = ()
    """Components whose usage belongs here when a request names no budget."""
    is_default: bool = False
    is_active: bool = True
    created_at: int
    updated_at: int
    metadata: dict[str, Any] = {}
