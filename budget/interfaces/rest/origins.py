"""Web pages of other origins may not write: a browser would send some of their requests without asking (CSRF)."""

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from budget.domain.errors import NotAllowed
from budget.operations import sending

POLICY_VIOLATION: Final = 1008

_READING: Final = ("GET", "HEAD", "OPTIONS")


class Middleware:
    """Refuses writes that carry an `Origin` which is neither listed nor the service's own; programs send none."""

    def __init__(self, app: ASGIApp, allowed: Collection[str], host: str) -> None:
        self.app = app
        self._allowed = allowed
        self._host = host.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket" and not self._may_write(scope["headers"]):
            await _refuse_socket(receive, send)
        elif scope["type"] == "http" and scope["method"] not in _READING and not self._may_write(scope["headers"]):
            error = NotAllowed(
                "pages of this origin may not change anything here; BUDGET_CORS_ORIGINS lists those that may"
            )
            await sending.send_error(error, scope, send)
        else:
            await self.app(scope, receive, send)

    def _may_write(self, headers: list[tuple[bytes, bytes]]) -> bool:
        origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        return all("*" in self._allowed or origin in self._allowed or self._is_own(origin, hosts) for origin in origins)

    def _is_own(self, origin: str, hosts: list[str]) -> bool:
        """Whether a page came from this service: its host and port are those of the request, and not just a name.

        Any name can be made to lead here (DNS rebinding); an address, `localhost` and our own name cannot be borrowed.
        """
        try:
            page = urlsplit(origin)
            name = (page.hostname or "").lower()
        except ValueError:
            return False
        return [page.netloc.lower()] == [host.lower() for host in hosts] and (
            name in ("localhost", self._host) or _is_address(name)
        )


async def _refuse_socket(receive: Receive, send: Send) -> None:
    """Open it only to close it: a page learns the code and the reason of no other refusal."""
    await receive()
    await send({"type": "websocket.accept"})
    reason = "pages of this origin may not listen here; see BUDGET_CORS_ORIGINS"
    await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
