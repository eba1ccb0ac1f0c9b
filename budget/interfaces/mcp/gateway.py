"""The door to the Model Context Protocol: its SDK is loaded, and its server started, when someone first knocks.

The SDK takes more than a second to import and 30 MB to keep, which a service whose clients do not use it need not pay.
"""

import asyncio
import importlib
from typing import Any

from starlette.types import Receive, Scope, Send

from budget.domain.errors import Unavailable
from budget.engine.ledger import Ledger
from budget.log import get_logger
from budget.operations.identity import Identity
from budget.operations.sending import send_error

log = get_logger("mcp_endpoints")


class Gateway:
    """One server for the life of the application; its sessions live in a task of their own."""

    def __init__(self, ledger: Ledger, identity: Identity) -> None:
        self._ledger = ledger
        self._identity = identity
        self._opening = asyncio.Lock()
        self._manager: Any = None
        self._running: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        manager = await self._opened()
        if manager is None:
            await send_error(Unavailable("the service is stopping"), scope, send)
        else:
            await manager.handle_request(scope, receive, send)

    async def stop(self) -> None:
        """End what runs."""
        self._stop.set()
        if self._running is not None:
            await self._running

    async def _opened(self) -> Any:
        """The running session manager; None once the service stops."""
        async with self._opening:
            if self._manager is None and not self._stop.is_set():
                self._manager = await self._open()
        return None if self._stop.is_set() else self._manager

    async def _open(self) -> Any:
        log.info("loading the Model Context Protocol")
        module = await asyncio.to_thread(importlib.import_module, "budget.interfaces.mcp.server")
        manager = module.ModelContext(self._ledger, self._identity).manager
        ready = asyncio.Event()
        # The manager's task group must be entered and left by one task, and requests are many.
        self._running = asyncio.create_task(self._run(manager, ready), name="mcp-sessions")
        await ready.wait()
        return manager

    async def _run(self, manager: Any, ready: asyncio.Event) -> None:
        async with manager.run():
            ready.set()
            await self._stop.wait()
