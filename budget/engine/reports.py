"""Reports: usage grouped by any two fields over time, to the unit what the ledger says, each with its coverage."""

from typing import Any, Final, NamedTuple

from budget.domain import instants, periods
from budget.domain import reports as rules
from budget.domain.configuration import Configuration
from budget.domain.errors import Invalid
from budget.domain.periods import Window
from budget.domain.reports import Cut, Question
from budget.engine import buckets, report_sources
from budget.engine.queries import Source, moment, span_of, zone_for
from budget.engine.summaries import coverage
from budget.storage import reports
from budget.storage.database import Connection
from budget.storage.reports import Groups, Held, Sums

MOST_ROWS: Final = 10_000

Answer = dict[str, Any]


class Asked(NamedTuple):
    """What a report is of, as the caller said it."""

    by: tuple[str, ...] = ()
    bucket: str | None = None
    period: str | None = None
    start: str | None = None
    end: str | None = None
    time_zone: str | None = None
    budget_id: str | None = None
    filters: dict[str, str] = {}  # noqa: RUF012 -- only read
    include_overlap: bool = False
    known_on: str | None = None


class Plan(NamedTuple):
    """What has to be added up, and by which clock it is cut."""

    question: Question
    cut: Cut
    zone: str
    bucket: str | None


class Report(NamedTuple):
    """The sums, and what they are of."""

    question: Question
    cut: Cut
    zone: str
    bucket: str | None
    found: report_sources.Found
    held: Held
    names: dict[str, str]

    @property
    def total(self) -> Sums:
        """All of it."""
        return buckets.total_of(self.found.groups)


async def summary(ledger: Source, asked: Asked) -> Answer:
    """What was used, by fields, and in buckets if one is given; what cost most comes first in each bucket."""
    report = await read(ledger, asked)
    return view(report, _rows(report))


async def trend(ledger: Source, asked: Asked) -> Answer:
    """What was used in each bucket, oldest first, and all buckets, those without usage included."""
    return series(await read(ledger, asked._replace(bucket=asked.bucket or "day")))


async def top(ledger: Source, asked: Asked, unit: str, limit: int) -> Answer:
    """What was used most, with its share of all; and what all the others come to."""
    report = await read(ledger, asked)
    return {**view(report, ranked(report, unit, limit)), "unit": unit, "others": others(report, unit, limit)}


async def how_far(ledger: Source, asked: Asked) -> Answer:
    """How far the figures can be trusted, by fields; what has most tokens without a price comes first."""
    report = await read(ledger, asked)
    groups = report.found.groups
    order = sorted(groups, key=lambda key: (key[0], -groups[key].unpriced_tokens, _sortable(key)))
    return view(report, [{**row(report, key, groups[key]), **_trust(groups[key])} for key in order])


# Reading


async def read(ledger: Source, asked: Asked) -> Report:
    """The sums that answer a question, on a snapshot of their own."""
    configuration = await ledger.refresh()
    now = ledger.now()
    return await ledger.database.read(answer, configuration, plan(configuration, asked, now), now)


def plan(configuration: Configuration, asked: Asked, now: int) -> Plan:
    """What has to be added up."""
    zone = zone_of(configuration, asked.budget_id, asked.time_zone)
    window = window_of(zone, now, asked.period, asked.start, asked.end)
    known_at = None if asked.known_on is None else span_of(zone, None, asked.known_on, ("", "as_known_on")).end
    question = Question(window, asked.budget_id, asked.filters, asked.include_overlap, known_at)
    cut = Cut(rules.fields_of(asked.by), rules.windows_of(asked.bucket, zone, window))
    return Plan(question, cut, zone, asked.bucket)


def answer(connection: Connection, configuration: Configuration, wanted: Plan, now: int) -> Report:
    """The sums, on a snapshot that others read too."""
    found = report_sources.read(connection, configuration, wanted.question, wanted.cut)
    held = reports.held(connection, now, wanted.question.conditions, *wanted.question.window)
    return Report(*wanted, found, held, {budget.budget_id: budget.name for budget in configuration.budgets.values()})


def zone_of(configuration: Configuration, budget_id: str | None, asked: str | None) -> str:
    """The zone asked for, else the budget's."""
    own = zone_for(configuration, budget_id)
    if asked is None:
        return own
    if not periods.zone_exists(asked):
        raise Invalid("time_zone", f"{asked[:60]!r} is not the name of an IANA time zone, such as UTC or Europe/Berlin")
    return asked


def window_of(zone: str, now: int, period: str | None, start: str | None, end: str | None) -> Window:
    """The whole hours asked for, else the current window of a period, else the last 30 days."""
    if start is None and end is None:
        if period is None:
            return buckets.last_days(zone, now, buckets.DEFAULT_DAYS)
        return periods.window_at(period, zone, now)
    if period is not None:
        raise Invalid("period", "is the current one: leave it out beside from and to")
    if start is not None and moment(zone, start, "from") > now:
        raise Invalid("from", "is yet to come")
    return buckets.between(zone, now, start, end, ("from", "to"))


# Showing


def series(report: Report) -> Answer:
    """A report with every one of its buckets."""
    windows = [{"start": instants.iso(each.start), "end": instants.iso(each.end)} for each in report.cut.windows]
    return {**view(report, _rows(report)), "buckets": windows}


def ranked(report: Report, unit: str, limit: int) -> list[Answer]:
    """The groups with most, each with its share of all."""
    rows = most_first(report.found.groups, unit)[:limit]
    return [{**row(report, key, sums), "share": _share(report, unit, sums)} for key, sums in rows]


def others(report: Report, unit: str, limit: int) -> Answer:
    """What all groups after those come to."""
    rest = buckets.total_of(dict(most_first(report.found.groups, unit)[limit:]))
    return {**buckets.shown(rest), "share": _share(report, unit, rest)}


def _share(report: Report, unit: str, sums: Sums) -> float:
    whole = measure(unit, report.total)
    return round(measure(unit, sums) / whole, 6) if whole else 0.0


def view(report: Report, rows: list[Answer]) -> Answer:
    """What all reports have in common."""
    if len(rows) > MOST_ROWS:
        raise Invalid("by", f"more than {MOST_ROWS:,} rows; ask for fewer days, longer buckets, or for `top`")
    window, total = report.question.window, report.total
    return {
        "start": instants.iso(window.start),
        "end": instants.iso(window.end),
        "time_zone": report.zone,
        "budget_id": report.question.budget_id,
        "by": list(report.cut.by),
        "bucket": report.bucket,
        "rows": rows,
        "totals": buckets.shown(total),
        "coverage": coverage(total, report.held),
        "source": report.found.source,
        "zone_changes": [{**change._asdict(), "at": instants.iso(change.at)} for change in report.found.zone_changes],
    }


def _rows(report: Report) -> list[Answer]:
    groups = report.found.groups
    order = sorted(groups, key=lambda key: (key[0], -groups[key].cost, -groups[key].total_tokens, _sortable(key)))
    return [row(report, key, groups[key]) for key in order]


def most_first(groups: Groups, unit: str) -> list[tuple[tuple[Any, ...], Sums]]:
    """The groups, those with most first."""
    return sorted(groups.items(), key=lambda item: (-measure(unit, item[1]), _sortable(item[0])))


def row(report: Report, key: tuple[Any, ...], sums: Sums) -> Answer:
    """A row: the fields it is grouped by, its bucket, its usage."""
    at, *values = key
    fields = dict(zip(report.cut.by, values, strict=True))
    if "budget" in fields:
        fields["budget_name"] = report.names.get(fields["budget"])
    window = report.cut.windows[at]
    return {**fields, "start": instants.iso(window.start), "end": instants.iso(window.end), **buckets.shown(sums)}


def _trust(sums: Sums) -> Answer:
    said = coverage(sums, Held(0, 0, 0, 0))
    names = ("priced_ratio", "estimated_ratio", "unresolved_count", "unresolved_cost")
    counters = ("unpriced_count", "unpriced_tokens", "estimated_count", "estimated_tokens")
    return {name: said[name] for name in names} | {name: getattr(sums, name) for name in counters}


def measure(unit: str, sums: Sums) -> int:
    """How much it is, in `tokens` or (`cost`) nanocents."""
    return sums.total_tokens if unit == "tokens" else sums.cost


def _sortable(key: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is None, value or "") for value in key[1:])
