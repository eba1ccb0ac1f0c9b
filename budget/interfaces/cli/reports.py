"""`budget report`: usage by fields and over time, with bars and sparklines, and how far the figures can be trusted."""

import argparse
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from budget.interfaces.cli import answers, columns, documents, exits, figures, options
from budget.interfaces.cli.parsers import Parser
from budget.interfaces.cli.session import Session
from budget.operations.catalogue import BY_NAME
from budget.settings import Settings

KINDS: Final = ("summary", "trend", "top", "forecast", "burn-down", "coverage")
SUMS: Final = ("input_tokens", "output_tokens", "total_tokens", "cost", "count")
WIDTH: Final = 20

Answer = dict[str, Any]


def add_commands(parser: Parser) -> None:
    """One command for each report of the catalogue."""
    commands = parser.commands()
    for kind in KINDS:
        operation = BY_NAME.get(f"report_{kind.replace('-', '_')}")
        if operation is not None:
            command = commands.add(kind, operation.description.split(". ")[0].rstrip("."))
            options.add(command, operation)
            command.set_defaults(run=run, kind=kind, parser=command)


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Ask for it, and draw it."""
    operation = BY_NAME[given.operation]
    request = options.asked(given)
    problem = options.wrong(operation, request)
    if problem is not None:
        given.parser.error(problem)
    with Session(settings, given) as session:
        if "budget_id" in request:
            request["budget_id"] = answers.budget_id(session, request["budget_id"])
        show(session, given.kind, session.ask(operation.name, **request))
    return exits.DONE


def show(session: Session, kind: str, answer: Answer) -> None:
    """JSON is the answer as it came, CSV and TSV are its rows, people get the rest as well."""
    out, rows = session.out, answer["rows"]
    fields = fields_of(answer)
    if out.shape in ("json", "csv", "tsv"):
        out.rows(rows, "", fields, whole=answer)
        return
    titles, cells, numeric = _DRAWN.get(kind, _plain_rows)(answer)
    out.table(cells, titles, numeric)
    if kind == "forecast" and answer["limits"]:
        out.text("\nlimits\n")
        titles, cells, numeric = _of_limits(answer)
        out.table(cells, titles, numeric)
    out.remark(trust(session, answer))


def fields_of(answer: Answer) -> tuple[str, ...]:
    """The columns for programs: those of the rows, or what they would be if there were any."""
    if answer["rows"]:
        return tuple(dict.fromkeys(name for row in answer["rows"] for name in row))
    return (*answer.get("by", ()), "start", "end", *SUMS)


def trust(session: Session, answer: Answer) -> str:
    """What stretch of time it is, and how far it can be trusted."""
    zone = answer.get("time_zone") or session.zone(None)
    stretch = " to ".join(figures.clock(answer[name], zone) for name in ("start", "end") if answer.get(name))
    said = (
        [f"{answer['totals']['total_tokens']:,} tokens, {figures.dollars(answer['totals']['cost'])}"]
        if answer.get("totals")
        else []
    )
    coverage = answer.get("coverage")
    if coverage:
        said.append(f"{_percent(coverage['priced_ratio'])} priced, {_percent(coverage['estimated_ratio'])} estimated")
        said.append(f"{coverage['held_tokens']:,} tokens and {figures.dollars(coverage['held_cost'])} held")
        said.append(
            f"{coverage['unresolved_count']:,} calls unresolved ({figures.dollars(coverage['unresolved_cost'])})"
        )
    if answer.get("zone_changes"):
        said.append("the time zone changed within it, old days stay as they were cut")
    return f"{stretch}: {'; '.join(said)}"


Drawn = tuple[list[str], list[list[str]], list[bool]]


def _summary(answer: Answer) -> Drawn:
    with_start = ("start",) if answer["bucket"] else ()
    return _grouped(answer, [*answer["rows"], _total(answer)], with_start, _most(answer["rows"]))


def _top(answer: Answer) -> Drawn:
    others = {**dict.fromkeys(answer["by"][:1], "others"), **answer["others"]} if answer["others"]["count"] else None
    rows = [*answer["rows"], *([others] if others else []), _total(answer)]
    measure = "cost" if answer["unit"] == "cost" else "total_tokens"
    return _grouped(answer, rows, (), Decimal(answer["totals"][measure]), measure)


def _grouped(
    answer: Answer, rows: Sequence[Answer], more: Sequence[str], most: Decimal, measure: str = "cost"
) -> Drawn:
    names = [*more, *_by(answer), *SUMS]
    cells = [[*(_cell(row, name, answer) for name in names), _bar(row, measure, most)] for row in rows]
    return [*map(columns.title, names), ""], cells, [name in SUMS for name in names]


def _trend(answer: Answer) -> Drawn:
    """One line for each group: how it went, from the first bucket to the last, and its sum."""
    starts = [bucket["start"] for bucket in answer["buckets"]]
    names = _by(answer)
    series: dict[tuple[Any, ...], dict[str, Answer]] = {}
    for row in answer["rows"]:
        series.setdefault(tuple(row.get(name) for name in names), {})[row["start"]] = row
    cells = []
    for key, points in series.items():
        costs = [points[start]["cost"] if start in points else Decimal(0) for start in starts]
        sums = {name: sum(point[name] for point in points.values()) for name in SUMS}
        cells.append([*map(_label, key), figures.sparkline(costs), *(_cell(sums, name, answer) for name in SUMS)])
    if names:
        total = _total(answer)
        cells.append(["total", *[""] * len(names), *(_cell(total, name, answer) for name in SUMS)])
    titles = [*map(columns.title, names), f"cost by {answer['bucket']}", *map(columns.title, SUMS)]
    return titles, cells, [*[False] * (len(names) + 1), *[True] * len(SUMS)]


def _burn_down(answer: Answer) -> Drawn:
    """One line for each limit: what was left after each bucket."""
    left: dict[tuple[Any, Any], list[Answer]] = {}
    for row in answer["rows"]:
        left.setdefault((row["policy_id"], row["unit"]), []).append(row)
    cells = []
    for limit in answer["limits"]:
        points = left.get((limit["policy_id"], limit["unit"]), [])
        shown = [columns.written(limit, name, lambda _: answer["time_zone"]) for name in _OF_LIMITS]
        pace = {"unit": limit["unit"], "limit": points[-1]["even_pace"]} if points else {}
        spark = figures.sparkline([max(point["remaining"], 0) for point in points])
        cells.append([*shown, spark, columns.written(pace, "limit", lambda _: "UTC")])
    titles = [*map(columns.title, _OF_LIMITS), "left, by bucket", "left at an even pace"]
    return titles, cells, [*(name in ("limit", "used", "held", "free") for name in _OF_LIMITS), False, True]


def _forecast(answer: Answer) -> Drawn:
    """What each will have come to at the end of the period, or why nobody can say."""
    measure = "cost" if answer["unit"] == "cost" else "total_tokens"
    rows = [*answer["rows"], *([_total(answer) | {"forecast": answer["forecast"]}] if answer["by"] else [])]
    cells = [
        [
            *(_cell(row, name, answer) for name in _by(answer)),
            _cell(row, measure, answer),
            *_ahead(row, measure, answer),
        ]
        for row in rows
    ]
    titles = [*map(columns.title, _by(answer)), f"{columns.title(measure)} so far", "projected", "at least", "at most"]
    return [*titles, "learnt from"], cells, [*[False] * len(_by(answer)), *[True] * 4, False]


def _ahead(row: Answer, measure: str, answer: Answer) -> list[str]:
    found = row["forecast"]
    if found["projected"] is None:
        return ["–", "–", "–", f"{found['learnt_from']} days: too few"]
    parts = [found[name] for name in ("projected", "projected_low", "projected_high")]
    return [
        *(_cell({measure: part}, measure, answer) for part in parts),
        f"{found['learnt_from']} days, {found['method']}",
    ]


def _of_limits(answer: Answer) -> Drawn:
    def zone(_: Any) -> str:
        return str(answer["time_zone"])

    cells = []
    for limit in answer["limits"]:
        found = limit["forecast"]
        ends = [columns.written(found, name, zone) for name in _ENDS]
        projected = columns.written({"unit": limit["unit"], "used": found["projected"]}, "used", zone)
        cells.append([*(columns.written(limit, name, zone) for name in ("period", *_OF_LIMITS[:5])), projected, *ends])
    titles = [columns.title(name) for name in ("period", *_OF_LIMITS[:5], "projected", "exhausts_at", *_ENDS[1:])]
    return titles, cells, [False] * 4 + [True] * 3 + [False] * 3


_ENDS: Final = ("exhausts_at", "exhausts_earliest", "exhausts_latest")


def _coverage(answer: Answer) -> Drawn:
    names = [*_by(answer), *_TRUST]
    cells = [
        [_percent(row[name]) if name.endswith("_ratio") else _cell(row, name, answer) for name in names]
        for row in answer["rows"]
    ]
    return [columns.title(name) for name in names], cells, [name in _TRUST for name in names]


def _plain_rows(answer: Answer) -> Drawn:
    names = fields_of(answer)
    cells = [[_cell(row, name, answer) for name in names] for row in answer["rows"]]
    numeric = [any(columns.is_number(row.get(name)) for row in answer["rows"]) for name in names]
    return [columns.title(name) for name in names], cells, numeric


_OF_LIMITS: Final = ("type", "applies_to", "unit", "limit", "used", "held", "free", "ratio")
_TRUST: Final = (
    "total_tokens",
    "cost",
    "count",
    "priced_ratio",
    "estimated_ratio",
    "unpriced_tokens",
    "unresolved_count",
    "unresolved_cost",
)
_DRAWN: Final[dict[str, Callable[[Answer], Drawn]]] = {
    "summary": _summary,
    "trend": _trend,
    "top": _top,
    "forecast": _forecast,
    "burn-down": _burn_down,
    "coverage": _coverage,
}


def _by(answer: Answer) -> list[str]:
    names = list(answer["by"])
    return [*names, "budget_name"] if "budget" in names else names


def _total(answer: Answer) -> Answer:
    return {**dict.fromkeys(answer["by"][:1], "total"), **answer["totals"]}


def _most(rows: Sequence[Answer]) -> Decimal:
    return max((Decimal(row["cost"]) for row in rows), default=Decimal(0))


def _bar(row: Answer, measure: str, most: Decimal) -> str:
    if "start" not in row and "share" not in row:
        return ""  # the total, and what stands for several
    return figures.bar(float(Decimal(row[measure]) / most) if most else 0, 0, WIDTH).replace("░", " ").rstrip()


def _cell(row: Answer, name: str, answer: Answer) -> str:
    if name in answer.get("by", ()) or name == "budget_name":
        return _label(row.get(name))
    return columns.written(row, name, lambda _: answer["time_zone"]) if name in row else ""


def _label(value: Any) -> str:
    return "–" if value is None else figures.visible(documents.plain(value))


def _percent(ratio: Any) -> str:
    return f"{float(ratio) * 100:.4g}%"
