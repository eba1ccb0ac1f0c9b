"""A service on a real socket, in a thread of its own, for clients that speak HTTP by themselves."""

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import uvicorn

from budget import app as wiring
from budget import settings
from budget.engine.clock import Clock
from budget.interfaces.cli.serve import SOCKETS, Server


class Running:
    """A service that answers; `stop` begins to stop it."""

    def __init__(self, server: Server, app: wiring.Application) -> None:
        self._server = server
        self.app = app
        self.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        self._server.should_exit = True


@contextlib.contextmanager
def serving(
    new_database: Path, folder: Path, clock: Clock | None = None, variables: Mapping[str, str] = {}, port: int = 0
) -> Iterator[Running]:
    """A service over a copy of a new database."""
    shutil.copytree(new_database, folder, dirs_exist_ok=True)
    own = {"BUDGET_DB_PATH": str(folder / "budget.db"), "HOME": str(folder), "BUDGET_HERMES": "off"}
    app = wiring.create_app(settings.load({**own, **variables}), clock=clock)
    server = Server(uvicorn.Config(app, port=port, log_config=None, access_log=False, **SOCKETS))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        thread.join(0.02)
    try:
        yield Running(server, app)
    finally:
        server.should_exit = True
        thread.join()
