"""Every limit with what is used, held and free in it, when it starts anew, and where it is heading (rule 11.3)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from budget.domain import instants, money, periods, policies
from budget.domain.configuration import FOREVER, Configuration, Line
from budget.domain.policies import SCOPE_FIELDS, Amounts, Policy
from budget.domain.records import Hold
from budget.engine.queries import Filters, Source, budget_in, listed
from budget.storage import events, holdings
from budget.storage.database import Connection
from budget.storage.lists import Listed

DUE = 5_000
"""The most holds that are due and not yet swept which one reading looks at."""

LEAST_ELAPSED = 20
"""A forecast needs this part of its window behind it: one twentieth."""

Place = tuple[str, str]


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
    now = ledger.now()
    wanted = wanted_by(configuration, filters)
    ids = {"per_session": context_id and f"c:{context_id}", "per_task": task_id and f"t:{task_id}"}
    standings = await ledger.database.read(read, configuration, wanted, ids, now)
    rows = [
        row for standing in standings for row in rows_of(standing, now) if filters.get("unit") in (None, row["unit"])
    ]
    return listed(rows, page, limit)


async def snapshot(ledger: Source, filters: Filters) -> dict[str, Any]:
    """Every limit as it stands, and the number of the last event that these figures contain: go on after it."""
    configuration = await ledger.refresh()
    now = ledger.now()
    wanted = [policy for policy in wanted_by(configuration, filters) if not policy.keyed]
    seq, standings = await ledger.database.read(
        lambda connection: (events.newest(connection), read(connection, configuration, wanted, {}, now))
    )
    return {"as_of_seq": seq, "limits": [row for standing in standings for row in rows_of(standing, now)]}


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
        return Standing(policy, ids[policy.period], 0, FOREVER, None)
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


def rows_of(standing: Standing, now: int) -> list[dict[str, Any]]:
    """A row for each of a policy's two limits."""
    policy = standing.policy
    rows = []
    if policy.token_limit is not None:
        rows.append(_row(standing, "tokens", policy.token_limit, policy.token_limit, now))
    if policy.cost_limit is not None and policy.cost_limit_nanocents is not None:
        rows.append(_row(standing, "cost", policy.cost_limit, policy.cost_limit_nanocents, now))
    return rows


def _row(standing: Standing, unit: str, shown_limit: int | Decimal, limit: int, now: int) -> dict[str, Any]:
    policy, amounts = standing.policy, standing.amounts
    show = _as_tokens if unit == "tokens" else money.to_dollars
    used = held = None
    if amounts is not None:
        used, held = (amounts[0], amounts[1]) if unit == "tokens" else (amounts[2], amounts[3])
    known = used is not None and held is not None
    ends = standing.end < FOREVER
    return {
        "policy_id": policy.policy_id,
        "budget_id": policy.budget_id,
        "type": policy.type,
        "period": policy.period,
        **{field: getattr(policy, field) for field in SCOPE_FIELDS},
        "unit": unit,
        "limit": shown_limit,
        "used": show(used) if used is not None else None,
        "held": show(held) if held is not None else None,
        "free": show(limit - used - held) if used is not None and held is not None else None,
        "ratio": round(used / limit, 6) if used is not None and limit else None,
        "exceeded": used is not None and used >= max(limit, 1),
        "window": standing.window_key,
        "start": instants.iso(standing.start) if ends else None,
        "end": instants.iso(standing.end) if ends else None,
        "resets_at": instants.iso(standing.end) if ends else None,
        "forecast": forecast(standing, unit, limit, now) if known and ends else _NO_FORECAST,
    }


_NO_FORECAST: dict[str, Any] = {"projected": None, "exhausts_at": None}


def forecast(standing: Standing, unit: str, limit: int, now: int) -> dict[str, Any]:
    """Where the window's usage ends at the pace so far, and when the limit is reached; null where that says nothing.

    It says nothing in the first twentieth of a window. `exhausts_at` is null, too, when the limit outlasts the window.
    """
    if standing.amounts is None:
        return _NO_FORECAST
    used, held = standing.amounts[:2] if unit == "tokens" else standing.amounts[2:]
    length, elapsed = standing.end - standing.start, now - standing.start
    if used + held >= limit:
        exhausts_at: int | None = now
    elif elapsed * LEAST_ELAPSED < length or used <= 0:
        exhausts_at = None
    else:
        reached = now + -(-(limit - used - held) * elapsed // used)
        exhausts_at = reached if reached < standing.end else None
    early = elapsed * LEAST_ELAPSED < length
    projected = None if early else used + used * (standing.end - now) // elapsed
    show = _as_tokens if unit == "tokens" else money.to_dollars
    return {
        "projected": None if projected is None else show(projected),
        "exhausts_at": None if exhausts_at is None else instants.iso(exhausts_at),
    }


def _as_tokens(amount: int) -> int:
    return amount
