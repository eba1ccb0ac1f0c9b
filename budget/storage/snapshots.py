"""Readings that take long: how they read, and how many there may be at once."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from sqlalchemy import Connection

LONG_READERS: Final = 2
"""Connections for snapshots that several readings share, beside those of single readings."""

Reader = Callable[[Callable[[Connection], Any]], Awaitable[Any]]
"""Runs a function on the snapshot."""
