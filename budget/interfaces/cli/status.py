"""`budget status`: one screen of how things stand: limits, holds that end soon, alerts, neighbours."""

import argparse
import sys
from datetime import datetime
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from budget.client import exchange
from budget.domain import instants
from budget.interfaces.cli import answers, columns, exits, figures, output
from budget.interfaces.cli.parsers import Parser
from budget.interfaces.cli.session import Session
from budget.interfaces.cli.values import reader
from budget.settings import Settings

NARROWS: Final = ("period", "tier", "provider", "component")
MOST: Final = 8
"""Holds and alerts on the screen; the others are counted."""
WIDTH: Final = 20
NARROW: Final = 6
"""Cells of a bar where a terminal is too narrow for the figures in words."""
LONGEST_NAME: Final = 24


def add_commands(parser: Parser) -> None:
    """What narrows the limits; Tekton's names."""
    parser.add_argument("--budget-id", "--budget", metavar="ID", help="of this budget, and the global limits")
    for name in NARROWS:
        parser.add_argument(f"--{name}", type=reader("status", name, {"type": "string"}), metavar="TEXT")
    parser.set_defaults(run=run)


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Show it once."""
    with Session(settings, given) as session:
        found = read(session, given)
        shape = session.out.shape
        if shape == "json":
            session.out.json(found)
        elif shape == "table" and not session.out.quiet:
            output.draw(screen(session, found))
        else:
            session.out.rows(found["limits"], "Limit", answers.fields_of("Limit"))
    return exits.DONE


def read(session: Session, given: argparse.Namespace) -> dict[str, Any]:
    """What the screen shows, as the service says it."""
    narrowed = {name: getattr(given, name) for name in ("budget_id", *NARROWS) if getattr(given, name, None)}
    if "budget_id" in narrowed:
        narrowed["budget_id"] = answers.budget_id(session, narrowed["budget_id"])
    budget = {name: value for name, value in narrowed.items() if name == "budget_id"}
    limits = list(session.each("list_limits", **narrowed))
    holds = session.ask("list_allocations", is_active=True, limit=100, **budget)
    alerts = session.ask("list_alerts", limit=MOST, **budget)
    service = session.health() or {}
    return {
        "service": {name: service.get(name) for name in ("status", "version", "uptime", "dependencies")},
        "limits": limits,
        "holds": sorted(holds["items"], key=lambda hold: str(hold["expiration_time"])),
        "holds_total": holds["total"],
        "alerts": alerts["items"],
        "alerts_total": alerts["total"],
    }


def screen(session: Session, found: dict[str, Any], *, brief: bool = False) -> RenderableType:
    """All of it below each other; where it is brief, the limits that nothing counts on are only counted."""
    now = exchange.now()
    limits = [row for row in found["limits"] if row["used"] or row["held"]] if brief else found["limits"]
    empty = "nothing is used or held" if brief else "no limit is set: `budget limits create` sets one"
    parts = [
        Text(_heading(session, found["service"]), style="bold"),
        *_section("limits", _and_more(_limits(session, limits, now), len(found["limits"]), "untouched"), empty),
        *_section("holds", _holds(session, found, now), "nothing is held"),
        *_section("alerts", _alerts(session, found), "none that nobody has seen"),
        *_section("neighbours", _neighbours(found["service"]), "none"),
    ]
    return Group(*parts)


def _heading(session: Session, service: dict[str, Any]) -> str:
    up = f", up {figures.span(service['uptime'])}" if service["uptime"] is not None else ""
    return f"Budget {service['version']} at {session.url}: {service['status']}{up}"


def _section(title: str, rows: list[list[str]], nothing: str) -> list[RenderableType]:
    content = output.table(rows, [""] * len(rows[0]), bare=True) if rows else Text(nothing, style="dim")
    return [Text(f"\n{title}", style="bold"), output.indented(content)]


def _limits(session: Session, limits: list[dict[str, Any]], now: int) -> list[list[str]]:
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    whose = _whose(session, limits)
    rows = [[whose.get(row["budget_id"], "") + _name(row), *_figures(row, now, plain=plain)] for row in limits]
    room = output.console().width - 2
    if sum(max(map(cell_len, column)) + 2 for column in zip(*rows, strict=True)) <= room:
        return rows
    return [[whose.get(row["budget_id"], "") + _name(row), *_short(row, plain=plain)] for row in limits]


def _whose(session: Session, limits: list[dict[str, Any]]) -> dict[Any, str]:
    """Before each limit the name of its budget, where they are of several."""
    if len({row["budget_id"] for row in limits} - {None}) < 2:  # noqa: PLR2004 -- two are several
        return {}
    budgets = session.each("list_budgets")
    return {each["budget_id"]: f"{figures.visible(each['name'])[:LONGEST_NAME]}: " for each in budgets}


def _name(row: dict[str, Any]) -> str:
    return f"{row['period']} {row['unit']}, {row['type']}, {_said(row, 'applies_to')}"


def _said(row: dict[str, Any], field: str) -> str:
    return columns.written(row, field, lambda _: "UTC")


def _figures(row: dict[str, Any], now: int, *, plain: bool) -> list[str]:
    if row["used"] is None:
        return ["", f"of {_said(row, 'limit')}", "its figures need a --context-id or --task-id of `limits list`"]
    text = f"{_said(row, 'used')} used + {_said(row, 'held')} held of {_said(row, 'limit')}, {_said(row, 'free')} free"
    resets = f"resets in {_until(row['resets_at'], now)}" if row["resets_at"] else ""
    return [_bar(row, WIDTH, plain=plain), _said(row, "ratio"), f"{text}; {resets}".rstrip("; ")]


def _short(row: dict[str, Any], *, plain: bool) -> list[str]:
    """The same without words: used + held of the limit."""
    if row["used"] is None:
        return ["", f"of {_said(row, 'limit')}"]
    return [_bar(row, NARROW, plain=plain), f"{_said(row, 'used')} + {_said(row, 'held')} of {_said(row, 'limit')}"]


def _bar(row: dict[str, Any], width: int, *, plain: bool) -> str:
    whole = float(row["limit"])
    used, held = (float(row[field]) / whole if whole else 1.0 for field in ("used", "held"))
    return figures.bar(used, held, width, plain=plain)


def _holds(session: Session, found: dict[str, Any], now: int) -> list[list[str]]:
    rows = [
        [
            hold["allocation_id"],
            columns.written(hold, "component", session.zone),
            f"{hold['remaining_tokens']:,} tokens, {figures.dollars(hold['held_cost'])}",
            f"{hold['state']}, expires in {_until(hold['expiration_time'], now)}",
        ]
        for hold in found["holds"][:MOST]
    ]
    return _and_more(rows, found["holds_total"])


def _alerts(session: Session, found: dict[str, Any]) -> list[list[str]]:
    names = ("severity", "timestamp", "message", "alert_id")
    rows = [[columns.written(alert, name, session.zone) for name in names] for alert in found["alerts"]]
    return _and_more(rows, found["alerts_total"])


def _neighbours(service: dict[str, Any]) -> list[list[str]]:
    return [
        [figures.visible(str(each.get("name"))), figures.visible(str(each.get("status")))]
        for each in service["dependencies"] or ()
    ]


def _and_more(rows: list[list[str]], total: int, what: str = "more") -> list[list[str]]:
    more = total - len(rows)
    return [*rows, [f"… and {more:,} {what}", *[""] * (len(rows[0]) - 1)]] if rows and more > 0 else rows


def _until(text: str, now: int) -> str:
    left = instants.from_datetime(datetime.fromisoformat(text)) - now
    return figures.span(left / instants.MICROSECONDS_PER_SECOND)
