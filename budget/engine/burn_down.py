"""What was left of each limit after each bucket of its window, beside what an even pace would have left."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from budget.domain import instants, money
from budget.domain import reports as rules
from budget.domain.configuration import Configuration
from budget.domain.periods import Window
from budget.domain.policies import Policy
from budget.domain.reports import Cut, Question
from budget.engine import limits, report_sources, reports
from budget.engine.limits import Standing
from budget.engine.queries import Source
from budget.storage import holdings
from budget.storage.database import Connection

_BUCKETS: Final = {"hourly": "hour", "daily": "hour", "weekly": "day", "monthly": "day"}
"""What a window of a period is cut into unless the caller says."""

Used = tuple[int, int]
"""Tokens and nanocents."""


class Course(NamedTuple):
    """How a policy stands, and what was used in each bucket of its window that has begun."""

    standing: Standing
    windows: tuple[Window, ...]
    used: list[Used]


async def burn_down(
    ledger: Source, period: str, bucket: str | None, *, budget_id: str | None = None, unit: str | None = None
) -> dict[str, Any]:
    """The limits of a budget (by default the default one) and the global ones; `limits` has them as they stand."""
    configuration = await ledger.refresh()
    now = ledger.now()
    default = configuration.default_budget
    owner = budget_id or (None if default is None else default.budget_id)
    wanted = limits.wanted_by(configuration, {"budget_id": owner, "period": period})
    courses = await ledger.database.read(_read, configuration, wanted, bucket or _BUCKETS[period], now)
    rows = [row for course in courses for row in _rows(course) if unit in (None, row["unit"])]
    shown = await ledger.database.read(limits.rows_of, configuration, limits.limits_of(wanted, unit), {}, now)
    whole = await reports.read(ledger, reports.Asked(period=period, budget_id=owner))
    return {
        **reports.view(whole, rows),
        "period": period,
        "bucket": bucket or _BUCKETS[period],
        "limits": shown,
    }


def _read(
    connection: Connection, configuration: Configuration, wanted: list[Policy], bucket: str, now: int
) -> list[Course]:
    return [
        _course(connection, configuration, standing, bucket, now)
        for standing in limits.read(connection, configuration, wanted, {}, now)
    ]


def _course(connection: Connection, configuration: Configuration, standing: Standing, bucket: str, now: int) -> Course:
    policy = standing.policy
    zone = limits.zone_of(configuration, policy)
    windows = rules.windows_of(bucket, zone, Window(standing.start, standing.end))
    begun = tuple(window for window in windows if window.start <= now)
    if policy.user_id is not None or policy.key_id is not None:  # rollups do not know whose key it was
        return Course(standing, begun, [holdings.window_sums(connection, policy, *each)[::2] for each in begun])
    fields = ("provider", "model", "component", "task_type", "tier")
    filters = {field: value for field in fields if (value := getattr(policy, field)) is not None}
    question = Question(Window(begun[0].start, begun[-1].end), policy.budget_id, filters, include_overlap=True)
    groups = report_sources.read(connection, configuration, question, Cut((), begun)).groups
    sums = [groups.get((at,)) for at in range(len(begun))]
    return Course(standing, begun, [(0, 0) if each is None else (each.total_tokens, each.cost) for each in sums])


def _rows(course: Course) -> Iterable[dict[str, Any]]:
    policy = course.standing.policy
    if policy.token_limit is not None:
        yield from _points(course, "tokens", policy.token_limit, [used[0] for used in course.used])
    if policy.cost_limit_nanocents is not None:
        yield from _points(course, "cost", policy.cost_limit_nanocents, [used[1] for used in course.used])


def _points(course: Course, unit: str, limit: int, used: list[int]) -> Iterable[dict[str, Any]]:
    start, end = course.standing.start, course.standing.end
    show = int if unit == "tokens" else money.to_dollars
    total = 0
    for window, amount in zip(course.windows, used, strict=True):
        total += amount
        yield {
            "policy_id": course.standing.policy.policy_id,
            "unit": unit,
            "start": instants.iso(window.start),
            "end": instants.iso(window.end),
            "used": show(amount),
            "used_so_far": show(total),
            "remaining": show(limit - total),
            "even_pace": show(limit * (end - window.end) // (end - start)),
        }
