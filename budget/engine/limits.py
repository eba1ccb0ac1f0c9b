"""Every limit with what is used, held and free in it, when it starts anew, and where it is heading (rule 11.3)."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from budget.domain import forecast, instants, money, periods, policies
from budget.domain.configuration import FOREVER, Configuration, Line
from budget.domain.forecast import Forecast
from budget.domain.policies import SCOPE_FIELDS, Amounts, Policy
from budget.domain.records import Hold
from budget.engine import outlook
from budget.engine.outlook import Outlook
from budget.engine.queries import Filters, Source, budget_in, listed
from budget.storage import events, holdings
from budget.storage.database import Connection
from budget.storage.lists import Listed

DUE = 5_000
"""The most holds that are due and not yet swept which one reading looks at."""

Place = tuple[str, str]

Limit = tuple[Policy, str]
"""A policy, and which of its two limits: `tokens` or `cost`."""


class Standing(NamedTuple):
    """A policy, its window now, and the balance in it; a session's or task's has neither without its id."""

    policy: Policy
    window_key: str | None
    start: int
    end: int
    amounts: Amounts | None


async def list_limits(
    ledger: Source,
    filters: Filters,
    page: int = 1,
    limit: int = 100,
    *,
    context_id: str | None = None,
    task_id: str | None = None,
) -> Listed[dict[str, Any]]:
    """A row for each enabled limit, tokens and cost apart; a budget's include the global ones."""
    configuration = await ledger.refresh()
    found = limits_of(wanted_by(configuration, filters), filters.get("unit"))
    shown = listed(found, page, limit)
    ids = {"per_session": context_id and f"c:{context_id}", "per_task": task_id and f"t:{task_id}"}
    rows = await ledger.database.read(rows_of, configuration, shown.items, ids, ledger.now())
    return Listed(rows, shown.total, total_exact=True)


async def snapshot(ledger: Source, filters: Filters) -> dict[str, Any]:
    """Every limit as it stands, and the number of the last event that these figures contain: go on after it."""
    configuration = await ledger.refresh()
    now = ledger.now()
    found = limits_of(of_the_clock(wanted_by(configuration, filters)))
    seq, rows = await ledger.database.read(
        lambda connection: (events.newest(connection), rows_of(connection, configuration, found, {}, now))
    )
    return {"as_of_seq": seq, "limits": rows}


def of_the_clock(wanted: list[Policy]) -> list[Policy]:
    """Those whose window is a stretch of time, not a session or a task."""
    return [policy for policy in wanted if not policy.keyed]


def limits_of(wanted: list[Policy], unit: str | None = None) -> list[Limit]:
    """The limits that policies set, each with its unit."""
    return [
        (policy, each)
        for policy in wanted
        for each, limit in (("tokens", policy.token_limit), ("cost", policy.cost_limit))
        if limit is not None and unit in (None, each)
    ]


def rows_of(
    connection: Connection, configuration: Configuration, found: list[Limit], ids: Mapping[str, str | None], now: int
) -> list[dict[str, Any]]:
    """These limits as they stand, and where each is heading."""
    policies = list({policy.policy_id: policy for policy, _ in found}.values())
    standings = {each.policy.policy_id: each for each in read(connection, configuration, policies, ids, now)}
    places = [
        (policy, zone_of(configuration, policy), standings[policy.policy_id].end)
        for policy in policies
        if not policy.keyed
    ]
    expected = outlook.outlooks(connection, configuration, places, now)
    return [_row(standings[policy.policy_id], unit, now, expected.get(policy.policy_id)) for policy, unit in found]


def wanted_by(configuration: Configuration, filters: Filters) -> list[Policy]:
    """The enabled policies that fit; those of a budget include the global ones."""
    budget_id = filters.get("budget_id")
    if budget_id is not None:
        budget_in(configuration, budget_id)
    fields = {field: value for field in ("period", "type", *SCOPE_FIELDS) if (value := filters.get(field)) is not None}
    found = [
        policy
        for policy in configuration.policies.values()
        if policy.enabled
        and (budget_id is None or policy.budget_id in (None, budget_id))
        and all(getattr(policy, field) == value for field, value in fields.items())
    ]
    order = {period: at for at, period in enumerate(policies.PERIODS)}
    return sorted(
        found, key=lambda policy: (policy.budget_id or "", order[policy.period], policy.created_at, policy.policy_id)
    )


def read(
    connection: Connection,
    configuration: Configuration,
    wanted: list[Policy],
    ids: Mapping[str, str | None],
    now: int,
) -> list[Standing]:
    """How these policies stand, holds that are due counted as ended."""
    places = [_place(configuration, policy, ids, now) for policy in wanted]
    keys = [(place.policy.policy_id, place.window_key) for place in places if place.window_key is not None]
    found = holdings.balances(connection, keys)
    for key, amounts in _dropped(connection, [place for place in places if place.policy.keyed], found).items():
        found[key] = amounts
    changes = due_changes(configuration, holdings.holds(connection, holdings.due(connection, now, DUE)), now)
    standings = []
    for place in places:
        if place.window_key is None:
            standings.append(place)
            continue
        key = (place.policy.policy_id, place.window_key)
        used_tokens, held_tokens, used_cost, held_cost = found.get(key, (0, 0, 0, 0))
        change = changes.get(key, (0, 0, 0, 0))
        amounts = used_tokens + change[0], held_tokens + change[1], used_cost + change[2], held_cost + change[3]
        standings.append(place._replace(amounts=amounts))
    return standings


def _place(configuration: Configuration, policy: Policy, ids: Mapping[str, str | None], now: int) -> Standing:
    if policy.keyed:
        return Standing(policy, ids.get(policy.period), 0, FOREVER, None)
    window = periods.window_at(policy.period, zone_of(configuration, policy), now)
    return Standing(policy, window.key, window.start, window.end, None)


def zone_of(configuration: Configuration, policy: Policy) -> str:
    """The zone in which a policy's windows lie now."""
    return policy.openings[-1].time_zone if policy.openings else configuration.zone_of(policy.budget_id)


def _dropped(connection: Connection, places: list[Standing], found: Mapping[Place, Amounts]) -> dict[Place, Amounts]:
    """Balances of a session or task that were dropped for idleness, from what it contains (rule 2.6)."""
    sums: dict[Place, Amounts] = {}
    for place in places:
        if place.window_key is None or (place.policy.policy_id, place.window_key) in found:
            continue
        column = "context_id" if place.window_key.startswith("c:") else "task_id"
        contents = holdings.keyed_contents(connection, column, [place.window_key[2:]])
        by_scope = ((scope, amounts) for _, scope, amounts in contents)
        sums[place.policy.policy_id, place.window_key] = policies.matching_sum(by_scope, place.policy)
    return sums


def due_changes(configuration: Configuration, due: list[Hold], now: int) -> dict[Place, Amounts]:
    """What balances become when these holds end: freed, or charged where a started call went silent (rule 4.3)."""
    changes: dict[Place, Amounts] = {}

    def add(lines: list[tuple[Line, str]], amounts: Amounts) -> None:
        for line, window in lines:
            key = (line.policy.policy_id, window)
            known = changes.get(key, (0, 0, 0, 0))
            changes[key] = (known[0] + amounts[0], known[1] + amounts[1], known[2] + amounts[2], known[3] + amounts[3])

    for hold in due:
        context, task = hold.context_id, hold.task_id
        held = configuration.posting_set(hold.scope, hold.created_at, hold.created_at)
        add(list(held.keys(context, task)), (0, -hold.held_tokens, 0, -hold.held_cost))
        if hold.state == "started" and hold.records == 0:
            used = configuration.posting_set(hold.scope, hold.created_at, now)
            add(list(used.keys(context, task)), (hold.held_tokens, 0, hold.held_cost, 0))
    return changes


def _row(standing: Standing, unit: str, now: int, expected: Outlook | None) -> dict[str, Any]:
    policy, amounts = standing.policy, standing.amounts
    in_tokens = unit == "tokens"
    limit = (policy.token_limit if in_tokens else policy.cost_limit_nanocents) or 0
    show: Callable[[int], Any] = int if in_tokens else money.to_dollars
    used = held = None
    if amounts is not None:
        used, held = (amounts[0], amounts[1]) if in_tokens else (amounts[2], amounts[3])
    ends = standing.end < FOREVER
    return {
        "policy_id": policy.policy_id,
        "budget_id": policy.budget_id,
        "type": policy.type,
        "period": policy.period,
        **{field: getattr(policy, field) for field in SCOPE_FIELDS},
        "unit": unit,
        "limit": policy.token_limit if in_tokens else policy.cost_limit,
        "used": show(used) if used is not None else None,
        "held": show(held) if held is not None else None,
        "free": show(limit - used - held) if used is not None and held is not None else None,
        "ratio": round(used / limit, 6) if used is not None and limit else None,
        "exceeded": used is not None and used >= max(limit, 1),
        "window": standing.window_key,
        "start": instants.iso(standing.start) if ends else None,
        "end": instants.iso(standing.end) if ends else None,
        "resets_at": instants.iso(standing.end) if ends else None,
        "forecast": _forecast(unit, limit, used, held, now, expected),
    }


def _forecast(
    unit: str, limit: int, used: int | None, held: int | None, now: int, expected: Outlook | None
) -> dict[str, Any]:
    """What is used up already is so, whatever is known of the past."""
    room = None if used is None or held is None else limit - used - held
    if expected is None:
        gone = now if room is not None and room <= 0 else None
        return outlook.view(Forecast(exhausts_at=gone, earliest=gone, latest=gone), None, 0, unit)
    pace = expected.tokens if unit == "tokens" else expected.cost
    return outlook.view(forecast.forecast(pace, expected.steps, used or 0, room), pace, expected.known, unit)
