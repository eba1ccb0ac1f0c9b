"""`budget events follow`, `budget alerts follow`: what happens, a line for each, until Ctrl-C."""

import argparse
import asyncio
from typing import Any, Final

from budget.interfaces.cli import documents, exits, figures
from budget.interfaces.cli.parsers import Commands
from budget.interfaces.cli.values import SEVERITIES, texts, whole
from budget.settings import Settings

ALERTS: Final = ("limit.*", "clock.jumped")
COLUMNS: Final = ("seq", "time", "type", "severity", "subject", "budget_id", "component", "caller", "data")


def add_to(commands: Commands) -> None:
    """The command; what it follows depends on the group it stands in."""
    about = "alerts" if commands.group == "alerts" else "what happens"
    parser = commands.add("follow", f"{about}, as it happens, each event once and in order; Ctrl-C ends it")
    parser.add_argument("--after", type=lambda text: whole(text, 0), metavar="SEQ", help="begin after this event")
    if commands.group != "alerts":
        parser.add_argument("--types", type=texts, metavar="A,B", help="types or families such as usage.*")
    parser.add_argument("--budget-id", "--budget", metavar="ID", help="of this budget alone")
    parser.add_argument("--component", metavar="NAME", help="of this component alone")
    parser.add_argument("--severity", choices=SEVERITIES, help="of this severity alone")
    parser.add_argument("--count", type=lambda text: whole(text, 1), metavar="N", help="end after so many")
    parser.set_defaults(run=run, types=ALERTS if commands.group == "alerts" else ())


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Follow until it is enough."""
    from budget.interfaces.cli.session import Session  # noqa: PLC0415 -- slow to import

    with Session(settings, given) as session:
        newest = session.newest_event()
        try:
            asyncio.run(_follow(session, given, newest if given.after is None else given.after))
        except KeyboardInterrupt:
            return exits.DONE  # it is how one ends it
    return exits.DONE


async def _follow(session: Any, given: argparse.Namespace, after: int) -> None:
    from budget.client import subscribe  # noqa: PLC0415 -- slow to import
    from budget.interfaces.cli import answers  # noqa: PLC0415 -- likewise

    budget = given.budget_id and answers.budget_id(session, given.budget_id)
    left = given.count
    severity = (given.severity,) if given.severity else ()
    events = subscribe(
        session.url, after=after, types=given.types, budget_id=budget, component=given.component,
        severity=severity, api_key=session.api_key,
    )  # fmt: skip
    _head(session.out)
    async for event in events:
        session.out.text(line(session.out, event))
        session.out.flush()
        left = None if left is None else left - 1
        if left == 0:
            await events.aclose()
            return


def _head(out: Any) -> None:
    if out.shape in ("csv", "tsv"):
        out.text(documents.separated((), COLUMNS, "," if out.shape == "csv" else "\t"))
    elif out.shape == "markdown":
        out.text(documents.markdown((), ("seq", "time", "type", "what")))
    out.flush()


def line(out: Any, event: dict[str, Any]) -> str:
    """One event, as the format writes it."""
    if out.quiet:
        return f"{event['seq']}\n"
    if out.shape == "json":
        return documents.as_line(event) + "\n"
    if out.shape in ("csv", "tsv"):
        return documents.separated([event], COLUMNS, "," if out.shape == "csv" else "\t", header=False)
    cells = (str(event["seq"]), figures.clock(event["time"], out.zone(event["budget_id"])), event["type"], what(event))
    if out.shape == "markdown":
        return documents.markdown_row(cells)
    return "  ".join((cells[0].rjust(6), cells[1], cells[2].ljust(20), cells[3])) + "\n"


def what(event: dict[str, Any]) -> str:
    """The gist of an event in a few words."""
    data = event["data"]
    parts = [data.get("message") or data.get("name"), event["component"], data.get("model")]
    tokens = data.get("total_tokens", data.get("tokens_allocated"))
    if isinstance(tokens, int):
        parts.append(f"{tokens:,} tokens")
    cost = data.get("total_cost", data.get("estimated_cost"))
    if cost is not None:
        parts.append(figures.dollars(cost))
    return figures.visible(" ".join(str(part) for part in parts if part)) or event["subject"]
