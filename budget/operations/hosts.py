"""By which names the service may be called: a page can make any public name lead here, and be its own origin then."""

import ipaddress
from collections.abc import Iterable
from typing import Final

from starlette.types import Scope

_MOST_REMEMBERED: Final = 1_000


class Hosts:
    """Knows the names in `Host` that cannot be borrowed: addresses, names without a dot, and those that are listed."""

    def __init__(self, listed: Iterable[str]) -> None:
        self._listed = frozenset(name.lower() for name in listed)
        self._known: set[bytes] = set()

    def knows(self, scope: Scope) -> bool:
        """Whether a request came by a name that is ours; one without any is from no browser."""
        return all(self._is_ours(value) for name, value in scope["headers"] if name == b"host")

    def _is_ours(self, value: bytes) -> bool:
        if value in self._known:
            return True
        name = _name(value.decode("latin-1").lower())
        ours = "*" in self._listed or name in self._listed or "." not in name or _is_address(name)
        if ours and len(self._known) < _MOST_REMEMBERED:
            self._known.add(value)
        return ours


def _name(host: str) -> str:
    """Without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
