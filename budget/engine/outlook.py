"""What limits and reports learn about the future from the days (and hours) that are over: read once for all of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from budget.domain import forecast, instants, money, periods
from budget.domain.configuration import Configuration
from budget.domain.forecast import LEAST_DAYS, LEAST_HOURS, MOST_DAYS, Forecast, Pace, Past, Step
from budget.domain.policies import Policy
from budget.engine.buckets import DAY, owner_zone
from budget.storage import reports
from budget.storage.database import Connection
from budget.storage.reports import START, Stretch

HOUR: Final = DAY // 24

_SCOPE: Final = ("tier", "provider", "model", "component", "task_type")
"""Fields of a policy that rollups keep apart. A user's or a key's limit has no forecast."""

Amount = tuple[int, int]
"""Tokens and nanocents."""

Rows = Mapping[str, list[tuple[tuple[Any, ...], int, Amount]]]
"""By budget: the scope fields, where the bucket begins, what was used in it."""


class Outlook(NamedTuple):
    """What a policy's usage was like until now, tokens and money, and what is left of its window."""

    tokens: Pace | None
    cost: Pace | None
    known: int
    """Whole days since the first usage, or hours."""
    steps: Sequence[Step]


def outlooks(
    connection: Connection, configuration: Configuration, places: Iterable[tuple[Policy, str, int]], now: int
) -> dict[str, Outlook]:
    """By policy, from the policies with a window of the clock, each with its zone and the window's end."""
    asked = [place for place in places if place[0].user_id is None and place[0].key_id is None]
    found: dict[str, Outlook] = {}
    steps: dict[tuple[str, str], list[Step]] = {}
    for hourly in (False, True):
        wanted = [place for place in asked if (place[0].period == "hourly") is hourly]
        if not wanted:
            continue
        fields = [field for field in _SCOPE if any(getattr(policy, field) is not None for policy, *_ in wanted)]
        rows = _rows(connection, fields, now, hourly=hourly)
        for policy, zone, end in wanted:
            past = _past(configuration, rows, fields, policy, zone, now)
            least = LEAST_HOURS if hourly else LEAST_DAYS
            if (policy.period, zone) not in steps:
                steps[policy.period, zone] = forecast.steps_of(policy.period, zone, now, end)
            tokens, cost = ([Past(day, amount[unit]) for day, amount in past] for unit in (0, 1))
            found[policy.policy_id] = Outlook(
                forecast.pace_of(tokens, least), forecast.pace_of(cost, least), len(past), steps[policy.period, zone]
            )
    return found


def view(made: Forecast, pace: Pace | None, known: int, unit: str) -> dict[str, Any]:
    """A forecast as it goes out. `known` is how many whole days (or hours) it could learn from."""
    show = int if unit == "tokens" else money.to_dollars
    amounts = {"projected": made.projected, "projected_low": made.low, "projected_high": made.high}
    moments = {
        "exhausts_at": made.exhausts_at,
        "exhausts_earliest": made.earliest,
        "exhausts_latest": made.latest,
    }
    return {
        **{name: None if amount is None else show(amount) for name, amount in amounts.items()},
        **{name: None if at is None else instants.iso(at) for name, at in moments.items()},
        "method": None if pace is None else pace.method,
        "learnt_from": known,
        "insufficient_history": pace is None,
    }


def _rows(connection: Connection, fields: list[str], now: int, *, hourly: bool) -> Rows:
    length, grain = (LEAST_HOURS * HOUR, "hour") if hourly else ((MOST_DAYS + 1) * DAY, "day")
    stretch = Stretch(grain, now - length - DAY, now + 1)
    found: dict[str, list[tuple[tuple[Any, ...], int, Amount]]] = {}
    for (at, budget_id, *scope), sums in reports.sums(connection, [stretch], (START, "budget_id", *fields), {}).items():
        found.setdefault(budget_id, []).append((tuple(scope), at, (sums.total_tokens, sums.cost)))
    return found


def _past(
    configuration: Configuration, rows: Rows, fields: list[str], policy: Policy, zone: str, now: int
) -> list[tuple[int, Amount]]:
    """The days (or hours) that are over since the first usage of what a policy matches, the last first."""
    used: dict[int, list[int]] = {}
    wanted = [(at, value) for at, field in enumerate(fields) if (value := getattr(policy, field)) is not None]
    hourly = policy.period == "hourly"
    for budget_id in rows if policy.budget_id is None else (policy.budget_id,):
        own_zone = owner_zone(configuration, budget_id)
        for scope, start, amount in rows.get(budget_id, ()):
            if all(scope[at] == value for at, value in wanted):
                day = start // HOUR if hourly else _ordinal(own_zone, start)
                sums = used.setdefault(day, [0, 0])
                sums[0] += amount[0]
                sums[1] += amount[1]
    if hourly:
        today, most = periods.window_at("hourly", zone, now).start // HOUR, LEAST_HOURS
    else:
        today, most = _ordinal(zone, periods.window_at("daily", zone, now).start), MOST_DAYS
    first = max(min((day for day in used if day < today), default=today), today - most)
    # An ordinal's first day was a Monday.
    return [
        (0 if hourly else (day - 1) % 7, (amount[0], amount[1]))
        for day in range(first, today)
        for amount in [used.get(day, (0, 0))]
    ]


def _ordinal(zone: str, day_start: int) -> int:
    return instants.local_time(day_start, instants.time_zone(zone)).date().toordinal()
