"""What routes written by hand need of a key; those of operations are asked by `operations.access`."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends, Request

from budget.domain.entries import Caller
from budget.operations import access


def caller_of(request: Request) -> Caller:
    """Who asks, as the door found it."""
    caller: Caller = request.scope["caller"]
    return caller


def of_all(scope: str) -> Any:
    """A dependency: a key with this scope that is bound to nothing, because the route concerns everything."""
    return Depends(_of_all(scope))


def _of_all(scope: str) -> Callable[[Request], Awaitable[None]]:
    async def demanded(request: Request) -> None:
        access.demand_unbound(caller_of(request), scope)
        access.acting_for.set(caller_of(request))

    return demanded


async def _old_manager(request: Request) -> None:
    scope = "read" if request.method == "GET" else "admin"
    access.demand_unbound(caller_of(request), scope)
    access.acting_for.set(caller_of(request))


OLD_MANAGERS = Depends(_old_manager)
"""Reading needs `read`, setting a limit `admin`."""
