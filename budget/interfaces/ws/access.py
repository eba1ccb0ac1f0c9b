"""Who is at the other end of a socket."""

from collections.abc import Mapping
from typing import Any


def authenticate(payload: Mapping[str, Any]) -> bool:
    """Whether the key that an `authentication` frame brings is good: as long as keys are off, any is."""
    key = payload.get("api_key")
    return isinstance(key, str) and bool(key)
