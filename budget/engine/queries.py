"""What Budget answers about its nouns: budgets, policies, allocations, usage, alerts, models, decisions (design 5).

Nothing here writes. Each query reads one snapshot; what changes rarely comes from the configuration in memory.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

import msgspec

from budget.domain import instants, models, money, periods, policies
from budget.domain.budgets import Budget
from budget.domain.configuration import CONTEXT_WINDOW, TASK_WINDOW, Configuration
from budget.domain.entries import Entry, encode
from budget.domain.errors import Invalid, NotFound
from budget.domain.policies import SCOPE_FIELDS, Policy
from budget.domain.records import Alert, Decision, Hold, Record
from budget.storage import alerts as alerts_storage
from budget.storage import configuration as configuration_storage
from budget.storage import holdings, journal, lists
from budget.storage.database import Connection, Database
from budget.storage.lists import EVER, Listed, Span

Filters = Mapping[str, str | None]
Item = TypeVar("Item")


class Source(Protocol):
    """What queries need of the ledger."""

    database: Database
    default_limit: Decimal

    async def refresh(self) -> Configuration:
        """The configuration as it is now."""

    def now(self) -> int:
        """The time in µs."""


# Budgets and policies


async def list_budgets(
    ledger: Source,
    page: int = 1,
    limit: int = 20,
    *,
    is_active: bool | None = None,
    owner: str | None = None,
    name: str | None = None,
    only: Collection[str] = (),
) -> tuple[Listed[Budget], Configuration]:
    """Budgets, the default one first, then as they were made; with the configuration they stand in.

    `only` are the ids of those that may be seen; without any, all may.
    """
    configuration = await ledger.refresh()
    found = [
        budget
        for budget in sorted(
            configuration.budgets.values(), key=lambda each: (not each.is_default, each.created_at, each.budget_id)
        )
        if is_active in (None, budget.is_active)
        and owner in (None, budget.owner)
        and name in (None, budget.name)
        and (not only or budget.budget_id in only)
    ]
    return listed(found, page, limit), configuration


async def get_budget(ledger: Source, budget_id: str) -> tuple[Budget, Configuration]:
    """One budget, and the configuration it stands in."""
    configuration = await ledger.refresh()
    return budget_in(configuration, budget_id), configuration


def budget_in(configuration: Configuration, budget_id: str) -> Budget:
    """A budget by id."""
    budget = configuration.budgets.get(budget_id)
    if budget is None:
        raise NotFound(f"there is no budget {budget_id!r}", field="budget_id")
    return budget


def policy_ids(configuration: Configuration, budget_id: str) -> list[str]:
    """The policies of a budget, oldest first."""
    found = (policy for policy in configuration.policies.values() if policy.budget_id == budget_id)
    return [policy.policy_id for policy in sorted(found, key=_made)]


async def list_policies(
    ledger: Source, filters: Filters, page: int = 1, limit: int = 20, *, enabled: bool | None = None
) -> Listed[Policy]:
    """Policies as they were made; filters are fields that must be equal."""
    configuration = await ledger.refresh()
    if (budget_id := filters.get("budget_id")) is not None:
        budget_in(configuration, budget_id)
    given = {field: value for field, value in filters.items() if value is not None}
    found = [
        policy
        for policy in sorted(configuration.policies.values(), key=_made)
        if enabled in (None, policy.enabled) and all(getattr(policy, field) == value for field, value in given.items())
    ]
    return listed(found, page, limit)


async def get_policy(ledger: Source, policy_id: str) -> Policy:
    """One policy as it stands."""
    policy = (await ledger.refresh()).policies.get(policy_id)
    if policy is None:
        raise NotFound(f"there is no policy {policy_id!r}", field="policy_id")
    return policy


def _made(policy: Policy) -> tuple[int, str]:
    return policy.created_at, policy.policy_id


# Allocations and usage


async def list_allocations(
    ledger: Source, filters: Filters, page: int = 1, limit: int = 20, *, is_active: bool | None = None
) -> Listed[Hold]:
    """Allocations, newest first."""
    if (budget_id := filters.get("budget_id")) is not None:
        budget_in(await ledger.refresh(), budget_id)
    return await ledger.database.read(lists.holds, filters, page, limit, ledger.now(), is_active=is_active)


async def get_allocation(ledger: Source, allocation_id: str) -> Hold:
    """One allocation."""
    return _only(await ledger.database.read(holdings.holds, [allocation_id]), "allocation", allocation_id)


async def get_context_allocation(ledger: Source, context_id: str) -> Hold:
    """The newest active allocation of a context."""
    now = ledger.now()
    found = await ledger.database.read(lambda rows: holdings.holds(rows, holdings.active_of(rows, [context_id])))
    active = [hold for hold in found if hold.expires_at > now]
    if not active:
        raise NotFound(f"there is no active allocation for context {context_id!r}", field="context_id")
    return max(active, key=lambda hold: (hold.created_at, hold.allocation_id))


RECORD_ORDERS: Final = tuple(lists.RECORD_ORDERS)


async def list_records(
    ledger: Source,
    filters: Filters,
    page: int = 1,
    limit: int = 20,
    *,
    start: str | None = None,
    end: str | None = None,
    order: str = "newest",
    include_superseded: bool = False,
) -> Listed[Record]:
    """Usage records, by default newest first; `start` and `end` are ISO text in the budget's zone, a date is a day."""
    occurred = EVER
    if start is not None or end is not None:
        zone = zone_for(await ledger.refresh(), filters.get("budget_id"))
        occurred = span_of(zone, start, end, ("start_date", "end_date"))
    return await ledger.database.read(
        lists.records, filters, page, limit, occurred, order=order, include_superseded=include_superseded
    )


async def get_record(ledger: Source, record_id: str) -> Record:
    """One usage record, whatever became of it."""
    return _only(await ledger.database.read(holdings.records, [record_id]), "usage record", record_id)


# Alerts, models, decisions


async def list_alerts(
    ledger: Source, filters: Filters, page: int = 1, limit: int = 20, *, acknowledged: bool | None = False
) -> Listed[Alert]:
    """Alerts, newest first; by default those nobody has acknowledged."""
    return await ledger.database.read(lists.alerts, filters, page, limit, acknowledged=acknowledged)


async def get_alert(ledger: Source, alert_id: str) -> Alert:
    """One alert."""
    alert = await ledger.database.read(alerts_storage.alert, alert_id)
    if alert is None:
        raise NotFound(f"there is no alert {alert_id!r}", field="alert_id")
    return alert


async def list_models(ledger: Source, page: int = 1, limit: int = 20) -> Listed[models.Model]:
    """The table that says which tier a model belongs to."""
    table = (await ledger.refresh()).table
    return listed([table[key] for key in sorted(table)], page, limit)


async def get_model(ledger: Source, provider: str, model: str) -> models.Model:
    """What the table says of a model; without a row of its own, the tier it gets and nothing else."""
    configuration = await ledger.refresh()
    provider = provider.lower()
    known = configuration.table.get((provider, model.lower()))
    if known is not None and known.tier is not None:
        return known
    tier = configuration.tier_of("", provider, model, None)
    if known is not None:
        return msgspec.structs.replace(known, tier=tier)
    return models.Model(provider=provider, model=model, tier=tier)


async def list_decisions(
    ledger: Source,
    filters: Filters,
    page: int = 1,
    limit: int = 20,
    *,
    start: str | None = None,
    end: str | None = None,
) -> Listed[Decision]:
    """Stored refusals, newest first (rule 10.4)."""
    zone = zone_for(await ledger.refresh(), None)
    decided = span_of(zone, start, end, ("start_date", "end_date"))
    return await ledger.database.read(lists.decisions, filters, page, limit, decided)


async def get_decision(ledger: Source, decision_id: str) -> Decision:
    """A stored refusal, or a grant explained from its entry: its decision id is the allocation's (P14)."""
    return await ledger.database.read(_decision, decision_id)


def _decision(connection: Connection, decision_id: str) -> Decision:
    stored = alerts_storage.decision(connection, decision_id)
    if stored is not None:
        return stored
    granted = journal.entries_of(connection, decision_id, ("held",))
    if not granted:
        raise NotFound(f"there is no decision {decision_id!r}", field="decision_id")
    return _granted(connection, granted[0])


def _granted(connection: Connection, entry: Entry) -> Decision:
    (hold,) = holdings.holds(connection, [entry.subject])
    data = msgspec.json.decode(entry.data or "{}")
    set_id, _, tokens, _, cost = msgspec.json.decode(entry.postings)[0]
    keys = {
        CONTEXT_WINDOW: entry.context_id and f"c:{entry.context_id}",
        TASK_WINDOW: entry.task_id and f"t:{entry.task_id}",
    }
    places = [
        (configuration_storage.policy_version(connection, policy_id, version), keys.get(key, key))
        for policy_id, version, key in journal.posting_set(connection, set_id)
    ]
    applied = [(policy, window) for policy, window in places if window is not None]
    limits = [
        row
        for (policy, window), amounts in zip(applied, data.get("before", ()), strict=False)
        if policy is not None
        for row in _arithmetic(policy, window, amounts, tokens, cost)
    ]
    explanation = {
        "code": "granted",
        "message": "it fits every hard limit that applies",
        "tier": hold.tier,
        "estimated_tokens": tokens,
        "estimated_cost": money.to_dollars(cost),
        "price": data.get("price"),
        "limits": limits,
        "not_applied": [policies.not_applied(policy) for policy, window in places if window is None and policy],
        "warnings": data.get("warnings", []),
        "as_of_seq": entry.seq - 1,
    }
    return Decision(
        decision_id=entry.subject,
        decided_at=entry.at,
        operation="allocate",
        verdict="granted",
        caller=entry.caller,
        policy_id=None,
        budget_id=hold.budget_id,
        component=hold.component,
        repeats=0,
        explanation=encode(explanation).decode(),
    )


def _arithmetic(
    policy: Policy, window: str, amounts: Sequence[int], tokens: int, cost: int
) -> Iterable[dict[str, Any]]:
    used_tokens, held_tokens, used_cost, held_cost = amounts
    shared = {
        "policy_id": policy.policy_id,
        "version": policy.version,
        "type": policy.type,
        "period": policy.period,
        "window": window,
    }
    if policy.token_limit is not None:
        figures: dict[str, Any] = {"used": used_tokens, "held": held_tokens, "asked": tokens}
        yield {**shared, "unit": "tokens", "limit": policy.token_limit, **figures}
    if policy.cost_limit is not None:
        figures = {"used": used_cost, "held": held_cost, "asked": cost}
        in_dollars = {name: money.to_dollars(amount) for name, amount in figures.items()}
        yield {**shared, "unit": "cost", "limit": policy.cost_limit, **in_dollars}


# Shared by all queries


def listed(items: Sequence[Item], page: int, limit: int) -> Listed[Item]:
    """A page of what is in memory anyway."""
    start = (page - 1) * limit
    return Listed(list(items[start : start + limit]), len(items), total_exact=True)


def zone_for(configuration: Configuration, budget_id: str | None) -> str:
    """The zone of a budget; without one the default budget's."""
    if budget_id is not None:
        return budget_in(configuration, budget_id).time_zone
    default = configuration.default_budget
    return configuration.rules.time_zone if default is None else default.time_zone


def span_of(zone: str, start: str | None, end: str | None, names: tuple[str, str]) -> Span:
    """From the text of `start` up to that of `end`; a date as end includes that day, a time does not."""
    first = None if start is None else moment(zone, start, names[0])
    if end is None:
        return Span(first, None)
    last = moment(zone, end, names[1])
    is_date = len(end) == len("YYYY-MM-DD")
    if is_date:
        last = periods.window_at("daily", zone, last).end
    if first is not None and last < first + is_date:
        raise Invalid(names[1], f"must not be before {names[0]}")
    return Span(first, last)


def moment(zone: str, text: str, name: str) -> int:
    """An instant from ISO text, read in a zone; `Invalid` names the field."""
    try:
        return instants.parse_instant(text, zone)
    except ValueError as error:
        raise Invalid(name, str(error)) from None


def scope_filters(values: Mapping[str, str | None]) -> dict[str, str]:
    """Those of the given fields that narrow a scope."""
    return {field: value for field in SCOPE_FIELDS if (value := values.get(field)) is not None}


def _only(found: Sequence[Item], what: str, item_id: str) -> Item:
    if not found:
        field = "allocation_id" if what == "allocation" else "record_id"
        raise NotFound(f"there is no {what} {item_id!r}", field=field)
    return found[0]
