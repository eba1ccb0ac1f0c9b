"""`budget serve`: the service on one port, until it is told to stop; what was accepted is finished first."""

import argparse
import asyncio
import gc
import logging
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.importer import import_from_string

from budget import log
from budget.interfaces.cli.parsers import Parser
from budget.settings import Settings, SettingsError
from budget.variables import KNOWN, Treatment

BACKLOG = 2048
GRACE_SECONDS = 8
"""How long requests that run may take after the signal to stop; containers are killed after ten."""


OPEN_FILES = 16_384
"""Enough for 10,000 listeners and as many requests as the queue has room for; many systems give 1,024 unless asked."""

SOCKETS: Mapping[str, Any] = {
    "http": "budget.interfaces.rest.protocol:Protocol",  # by name: interfaces do not know each other
    "ws": "budget.interfaces.ws.protocol:Protocol",
    "ws_max_size": 64 * 1024,
    "ws_per_message_deflate": False,  # it would compress each event once for each listener
    "ws_ping_interval": None,  # frames come often enough; an unanswered ping would give code 1011 a second cause
}
"""How connections are served."""


class Server(uvicorn.Server):
    """A server that tells those who listen to events to go, before it closes their connections."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say goodbye, then stop."""
        await self.config.app.state.ledger.bus.stop()  # type: ignore[union-attr]  # it is ours
        await super().shutdown(sockets)


def add_commands(parser: Parser) -> None:
    """It takes nothing: the variables that its help lists say what it does."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    rows = (
        f"  {variable.name:<38} {variable.meaning} (default: {variable.default or 'none'})"
        for variable in KNOWN
        if variable.treatment is Treatment.HONOURED
    )
    parser.epilog = "environment variables:\n" + "\n".join(rows)
    parser.set_defaults(run=run)


def run(settings: Settings, _: argparse.Namespace | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit status is 0 when it stopped as told."""
    log.configure(settings)
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)  # it tells of each part it loads
    _allow_open_files()
    listening = _listen(settings)
    # Asked for by name, as any server would: interfaces do not know the wiring.
    app = import_from_string("budget.app:create_app")(settings)
    config = uvicorn.Config(
        app,
        host=settings.bind,
        port=settings.port,
        **SOCKETS,
        lifespan="off",  # opened here, so that what is wrong at the start is said in one line
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here depends on the address of a client
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
    )
    server = Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True  # before it serves; then uvicorn has its own handlers, and afterwards raises again

    app.state.stop = stop
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(app, server, listening, settings))
    return 0


async def _serve(app: Any, server: uvicorn.Server, listening: socket.socket, settings: Settings) -> None:
    async with app.router.lifespan_context(app):
        _settle_memory()
        _say_where(settings)
        await server.serve(sockets=[listening])


def _settle_memory() -> None:
    """What is loaded now stays: the collector need not walk it again, nor look at every few hundred new objects.

    Without this, collections take half the time of decoding a batch of 10,000 records.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _allow_open_files() -> None:
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.bind, settings.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"cannot listen on {settings.bind} port {settings.port} ({error.strerror}): "
            "does Budget run already? BUDGET_PORT chooses another port"
        ) from None
    return listening


def _say_where(settings: Settings) -> None:
    for warning in settings.warnings:
        log.get_logger("api").warning(warning)
    beside = Path(sys.executable).with_name("budget")
    command = beside if beside.is_file() else f"{sys.executable} -m budget"
    print(f"Budget {settings.version} runs.")
    print(f"  dashboard  {settings.endpoint}/")
    print(f"  API        {settings.endpoint}/api")
    print(f"  docs       {settings.endpoint}/docs")
    print(f"  data       {settings.database_path or 'PostgreSQL'}")
    print(f"  command    {command}", flush=True)
