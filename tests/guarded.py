"""A service with keys on, on a real socket, and clients with keys of every kind."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from budget.domain import access_commands, instants
from budget.engine.clock import Clock
from budget.engine.ledger import Ledger
from tests.serving import Running, serving


class Held(Clock):
    """Time stands still until the test moves it."""

    def __init__(self) -> None:
        super().__init__()
        self.time = Clock().now()

    def now(self) -> int:
        return self.time

    def jump(self) -> int:
        return 0


class Guarded:
    """The service; `admin` is a client with a key that may do everything."""

    def __init__(self, running: Running, clock: Held, loop: Any) -> None:
        self.running = running
        self.clock = clock
        self._clients = contextlib.ExitStack()
        self._made: dict[Any, httpx.Client] = {}
        ledger: Ledger = running.app.state.ledger
        first = access_commands.CreateKey(name="first", scopes=("admin",))
        self.secret = asyncio.run_coroutine_threadsafe(ledger.submit(first), loop).result().answer.secret
        self.admin = self.client(self.secret)
        self.nobody = self.client(None)

    def client(self, secret: str | None) -> httpx.Client:
        headers = [] if secret is None else [(b"X-API-Key", secret.encode("latin-1"))]
        # Making a client takes 50 ms when it loads certificates.
        made = httpx.Client(base_url=self.running.address, headers=headers, trust_env=False, verify=False)
        return self._clients.enter_context(made)

    def key(self, *scopes: str, **fields: Any) -> dict[str, Any]:
        """A new key, with its secret."""
        answer = self.admin.post("/api/keys", json={"name": "k", "scopes": scopes, **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def with_key(self, *scopes: str, **fields: Any) -> httpx.Client:
        """A client with a key that has these scopes, the same for the same."""
        wanted = (scopes, str(fields))
        if wanted not in self._made:
            self._made[wanted] = self.client(self.key(*scopes, **fields)["key"])
        return self._made[wanted]

    def after(self, seconds: int) -> str:
        """The time in so many seconds."""
        return instants.iso(self.clock.time + seconds * 1_000_000)

    def close(self) -> None:
        self._clients.close()


@contextlib.contextmanager
def guarding(new_database: Path, folder: Path) -> Iterator[Guarded]:
    """A service with keys on, over a copy of a new database."""
    clock = Held()
    with serving(new_database, folder, clock, {"BUDGET_AUTH": "on"}) as running:
        guarded = Guarded(running, clock, running.app.state.ledger.bus._tasks[0].get_loop())
        try:
            yield guarded
        finally:
            guarded.close()
