"""Stopping by request: finish what was accepted, then end; only for those on this machine who may do everything."""

import asyncio
import ipaddress
from typing import Any, Final

from budget.domain import instants
from budget.domain.entries import Caller
from budget.domain.errors import Conflict, NotAllowed
from budget.engine.ledger import Ledger
from budget.log import get_logger

log = get_logger("api")

PAUSE_SECONDS: Final = 0.5
"""Between the answer to a shutdown and its beginning."""


def check_near(address: str | None) -> None:
    """Refuse whoever is not on this machine."""
    try:
        near = ipaddress.ip_address((address or "").split("%")[0]).is_loopback
    except ValueError:
        near = False
    if not near:
        raise NotAllowed("only from the machine that Budget runs on")


def stop(state: Any, caller: Caller, address: str | None) -> dict[str, Any]:
    """Stop the server that `state` is an application's of, in a moment; gives what the asker is told."""
    check_near(address)
    if not caller.may("admin"):
        raise NotAllowed("this needs a key with the scope 'admin'")
    end = getattr(state, "stop", None)
    if end is None:
        raise Conflict("the server that runs Budget does not stop by request")
    log.warning("asked to stop", by=address)
    asyncio.get_running_loop().call_later(PAUSE_SECONDS, end)
    ledger: Ledger = state.ledger
    return {"status": "accepted", "message": "Budget stops", "timestamp": instants.iso(ledger.now())}
