"""`budget watch`: the status, live: drawn again whenever something happens, told by the service's WebSocket."""

import argparse
import asyncio
from collections import deque
from typing import Any, Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from budget.client import BudgetError, subscribe
from budget.interfaces.cli import exits, following, output, status
from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import Parser
from budget.interfaces.cli.session import Session
from budget.settings import Settings

EVENTS: Final = 10
LEAST_SECONDS: Final = 0.5
"""Between two readings of the limits, however much happens."""
MOST_SECONDS: Final = 15.0
"""Between two readings when nothing happens: time passes all the same."""


def add_commands(parser: Parser) -> None:
    """The same as `budget status`."""
    status.add_commands(parser)
    parser.set_defaults(run=run)


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    with Session(settings, given) as session:
        newest = session.newest_event()
        if not output.console().is_terminal:
            raise Failed(
                "a live screen needs a terminal; `budget events follow` and `budget status` do without", exits.USAGE
            )
        try:
            asyncio.run(_watch(session, given, newest))
        except KeyboardInterrupt:
            return exits.DONE  # it is how one ends it
    return exits.DONE


async def _watch(session: Session, given: argparse.Namespace, newest: int) -> None:
    recent: deque[str] = deque(maxlen=EVENTS)
    happened = asyncio.Event()
    listening = asyncio.create_task(_listen(session, newest, recent, happened))
    with Live(console=output.console(), screen=True, auto_refresh=False) as live:
        while not listening.done():
            happened.clear()
            live.update(await asyncio.to_thread(_drawn, session, given, recent), refresh=True)
            await asyncio.sleep(LEAST_SECONDS)
            try:
                await asyncio.wait_for(happened.wait(), MOST_SECONDS)
            except TimeoutError:
                continue
    await listening  # raises what ended it


async def _listen(session: Session, newest: int, recent: deque[str], happened: asyncio.Event) -> None:
    try:
        async for event in subscribe(session.url, after=newest, api_key=session.api_key):
            recent.append(following.line(session.out, event).rstrip())
            happened.set()
    finally:
        happened.set()


def _drawn(session: Session, given: argparse.Namespace, recent: deque[str]) -> Any:
    try:
        shown = status.screen(session, status.read(session, given), brief=True)
    except BudgetError as error:
        # It may be restarting; the events wait for it, too.
        shown = Text(error.message, style="bold red")
    lines = Text("\n".join(recent) or "nothing yet", no_wrap=True, overflow="ellipsis")
    return Group(shown, Text("\nevents", style="bold"), output.indented(lines), Text("\nCtrl-C ends", style="dim"))
