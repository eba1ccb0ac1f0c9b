"""What a command that changes the rules will change, worked out before anything is (rules 1, 2, 8)."""

import dataclasses
from decimal import Decimal
from typing import Any

import msgspec

from budget.domain import commands, instants, models, periods, policies, pricing, vocabulary
from budget.domain.budgets import DEFAULT_BUDGET_NAME, Budget
from budget.domain.configuration import Configuration
from budget.domain.errors import Conflict, Invalid, NotFound
from budget.domain.policies import Opening, Policy
from budget.domain.state import State


class Change(msgspec.Struct, kw_only=True):
    """What a command will change, worked out before anything is."""

    budgets: list[Budget] = []
    policy_versions: list[Policy] = []
    opens: list[Policy] = []
    """Those of `policy_versions` whose windows must be opened: created, enabled, or in a new zone."""
    prices: list[pricing.Price] = []
    model_rows: list[models.Model] = []
    answer: Any = None


# Budgets


def create_budget(state: State, command: commands.CreateBudget) -> Change:
    """A new budget; `Invalid` for an unknown zone."""
    configuration, now = state.configuration, state.now
    zone = _zone(command.time_zone or configuration.rules.time_zone)
    budget = Budget(
        budget_id=state.new_id(),
        name=command.name,
        description=command.description,
        owner=command.owner,
        time_zone=zone,
        components=command.components,
        is_default=command.is_default,
        created_at=now,
        updated_at=now,
        metadata=command.metadata,
    )
    budgets = [budget, *(_no_longer_default(configuration, now) if command.is_default else ())]
    made = _defaults(state, budget) if command.default_policies else []
    return Change(budgets=budgets, policy_versions=made, answer=budget)


def first_budget(state: State) -> Change:
    """What an empty database starts with: the default budget, Tekton's policies and its table of models."""
    now = state.now
    budget = Budget(
        budget_id=state.new_id(),
        name=DEFAULT_BUDGET_NAME,
        time_zone=state.configuration.rules.time_zone,
        is_default=True,
        created_at=now,
        updated_at=now,
    )
    return Change(
        budgets=[budget],
        policy_versions=_defaults(state, budget),
        model_rows=list(models.default_models()),
        answer=budget,
    )


def update_budget(state: State, command: commands.UpdateBudget) -> Change:
    """A budget with other values; a new zone opens its policies' windows anew."""
    configuration, now = state.configuration, state.now
    budget = configuration.budgets.get(command.budget_id)
    if budget is None:
        raise NotFound(f"there is no budget {command.budget_id!r}", field="budget_id")
    values: dict[str, Any] = {
        field: value
        for field in ("name", "components", "is_active", "is_default", "metadata", "time_zone")
        if (value := getattr(command, field)) is not None
    }
    values |= {
        field: value for field in ("description", "owner") if (value := getattr(command, field)) is not msgspec.UNSET
    }
    if budget.is_default and values.get("is_default") is False:
        raise Conflict("make another budget the default instead", field="is_default")
    if values.get("is_active") is False and (budget.is_default or values.get("is_default")):
        raise Conflict("the default budget cannot be deactivated", field="is_active")
    if values.get("is_default") and not values.get("is_active", budget.is_active):
        raise Conflict("an inactive budget cannot be the default", field="is_default")
    if "time_zone" in values:
        _zone(values["time_zone"])
    changed = msgspec.structs.replace(budget, **values)
    if changed == budget:
        return Change(answer=budget)
    changed = msgspec.structs.replace(changed, updated_at=now)
    others = _no_longer_default(configuration, now) if changed.is_default and not budget.is_default else []
    moved = _moved(configuration, changed, now) if changed.time_zone != budget.time_zone else []
    return Change(budgets=[changed, *others], policy_versions=moved, opens=list(moved), answer=changed)


def _no_longer_default(configuration: Configuration, now: int) -> list[Budget]:
    return [
        msgspec.structs.replace(budget, is_default=False, updated_at=now)
        for budget in configuration.budgets.values()
        if budget.is_default
    ]


def _moved(configuration: Configuration, budget: Budget, now: int) -> list[Policy]:
    return [
        msgspec.structs.replace(
            policy,
            version=policy.version + 1,
            openings=(*policy.openings, Opening(now, budget.time_zone)),
            updated_at=now,
        )
        for policy in configuration.policies.values()
        if policy.budget_id == budget.budget_id and policy.enabled and not policy.keyed
    ]


def _defaults(state: State, budget: Budget) -> list[Policy]:
    now = state.now
    return [
        Policy(
            policy_id=state.new_id(),
            budget_id=budget.budget_id,
            openings=(Opening(now, budget.time_zone),),
            created_at=now,
            updated_at=now,
            **fields,
        )
        for fields in policies.default_policies()
    ]


def _zone(name: str) -> str:
    if not periods.zone_exists(name):
        raise Invalid("time_zone", f"{name[:60]!r} is not a time zone such as Europe/Berlin")
    return name


# Policies


def create_policy(state: State, command: commands.CreatePolicy) -> Change:
    """A new policy, or new limits for the one with the same identity (rule 2.3)."""
    configuration, now = state.configuration, state.now
    if command.token_limit is None and command.cost_limit is None:
        raise Invalid("token_limit", "give token_limit, cost_limit or both")
    if command.scope is not None and command.budget_id is not None:
        raise Invalid("scope", "a global policy has no budget_id")
    budget_id = None
    if command.scope is None:
        budget_id = configuration.budget_of(command.budget_id, None, "").budget_id
    wanted = Policy(
        policy_id=state.new_id(),
        budget_id=budget_id,
        type=vocabulary.policy_type(command.type),
        period=vocabulary.period(command.period),
        tier=None if command.tier is None else vocabulary.tier(command.tier),
        provider=None if command.provider is None else command.provider.lower(),
        model=command.model,
        component=command.component,
        task_type=command.task_type,
        user_id=command.user_id,
        key_id=command.key_id,
        token_limit=command.token_limit,
        cost_limit=_cost_limit(command.cost_limit),
        warning_threshold=vocabulary.threshold(command.warning_threshold, "warning_threshold"),
        action_threshold=vocabulary.threshold(command.action_threshold, "action_threshold"),
        thresholds=tuple(vocabulary.ratio_above_zero(ratio, "thresholds") for ratio in command.thresholds),
        enabled=command.enabled,
        openings=(Opening(now, configuration.zone_of(budget_id)),) if command.enabled else (),
        created_at=now,
        updated_at=now,
        metadata=command.metadata,
    )
    same = policies.same_identity(configuration.policies.values(), wanted)
    if same is None:
        return Change(policy_versions=[wanted], opens=[wanted] if wanted.enabled else [], answer=wanted)
    values = {
        field: getattr(wanted, field)
        for field in ("token_limit", "cost_limit", "warning_threshold", "action_threshold", "thresholds", "enabled")
    }
    return changed_policy(configuration, same, {**values, "metadata": command.metadata or same.metadata}, now)


def update_policy(state: State, command: commands.UpdatePolicy) -> Change:
    """A policy with other limits, thresholds, type or switch; null leaves a value as it is (rules 2.3, 2.4)."""
    configuration, now = state.configuration, state.now
    policy = configuration.policies.get(command.policy_id)
    if policy is None:
        raise NotFound(f"there is no policy {command.policy_id!r}", field="policy_id")
    _scope_stays(policy, command)
    values: dict[str, Any] = {
        field: value
        for field in ("token_limit", "enabled", "metadata")
        if (value := getattr(command, field)) is not None
    }
    if command.cost_limit is not None:
        values["cost_limit"] = _cost_limit(command.cost_limit)
    if command.type is not None:
        values["type"] = vocabulary.policy_type(command.type)
    for field in ("warning_threshold", "action_threshold"):
        if (ratio := getattr(command, field)) is not None:
            values[field] = vocabulary.threshold(ratio, field)
    if command.thresholds is not None:
        values["thresholds"] = tuple(vocabulary.ratio_above_zero(ratio, "thresholds") for ratio in command.thresholds)
    return changed_policy(configuration, policy, values, now)


def _scope_stays(policy: Policy, command: commands.UpdatePolicy) -> None:
    given = {field: getattr(command, field) for field in ("budget_id", "model", "component", "task_type")}
    given |= {"user_id": command.user_id, "key_id": command.key_id}
    given["provider"] = None if command.provider is None else command.provider.lower()
    given["period"] = None if command.period is None else vocabulary.period(command.period)
    given["tier"] = None if command.tier is None else vocabulary.tier(command.tier)
    for field, value in given.items():
        if value is not None and value != getattr(policy, field):
            raise Invalid(field, "a policy's scope, period and budget never change; make a new policy")


_OPENINGS = 100
"""How many times of being enabled are remembered; what was posted before can then be undone no more."""


def changed_policy(configuration: Configuration, policy: Policy, values: dict[str, Any], now: int) -> Change:
    """A policy with these values; `Conflict` when another one is that policy already."""
    changed = msgspec.structs.replace(policy, **values)
    if changed == policy:
        return Change(answer=policy)
    enabling = changed.enabled and not policy.enabled
    openings = policy.openings
    if enabling:
        openings = (*openings, Opening(now, configuration.zone_of(policy.budget_id)))[-_OPENINGS:]
    elif policy.enabled and not changed.enabled:
        openings = (*openings[:-1], openings[-1]._replace(closed_at=now))
    changed = msgspec.structs.replace(changed, version=policy.version + 1, openings=openings, updated_at=now)
    if changed.identity != policy.identity:
        taken = policies.same_identity(configuration.policies.values(), changed)
        if taken is not None and taken.policy_id != policy.policy_id:
            raise Conflict(f"policy {taken.policy_id} is that policy already", policy_id=taken.policy_id)
    return Change(policy_versions=[changed], opens=[changed] if enabling else [], answer=changed)


def end_policies(state: State) -> Change:
    """Switch off what was to end by now; only imported policies have such a date."""
    ended = [
        policy
        for policy in state.configuration.policies.values()
        if policy.enabled and policy.end_date is not None and policy.end_date <= state.now
    ]
    made = (changed_policy(state.configuration, policy, {"enabled": False}, state.now) for policy in ended)
    return Change(policy_versions=[version for change in made for version in change.policy_versions])


def _cost_limit(limit: Decimal | None) -> Decimal | None:
    if limit is None:
        return None
    if not limit.is_finite() or limit < 0:
        raise Invalid("cost_limit", "must be an amount in dollars, 0 or more")
    return vocabulary.normalised(abs(limit), "cost_limit")


# Prices and models

_RATES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_cost_per_token": "cache_read",
    "cache_write_cost_per_token": "cache_write",
    "reasoning_cost_per_token": "reasoning",
    "cost_per_image": "images",
    "fixed_cost_per_request": "requests",
}
_DEAREST = Decimal(1000)
_DIGITS = 30


def set_price(state: State, command: commands.SetPrice, earliest_unpriced: int | None) -> Change:
    """A dated price that outranks the lists; a model's first price dates from its earliest unpriced usage (8.2)."""
    configuration, now = state.configuration, state.now
    rates = {
        part: _rate(getattr(command, field), field)
        for field, part in _RATES.items()
        if getattr(command, field) is not None
    }
    if command.cost_per_second is not None:
        rates["milliseconds"] = _rate(command.cost_per_second, "cost_per_second") / 1000
    if not rates:
        raise Invalid("input_cost_per_token", "give at least one price; 0 says that the model is free")
    provider = command.provider.lower()
    zone = configuration.rules.time_zone
    first = not configuration.price_lists(provider, command.model)
    if command.effective_date is not None:
        effective_at = _instant(command.effective_date, "effective_date", zone)
    else:
        effective_at = earliest_unpriced if first and earliest_unpriced is not None else now
    end_at = None if command.end_date is None else _instant(command.end_date, "end_date", zone)
    if end_at is not None and end_at <= effective_at:
        raise Invalid("end_date", "must lie after effective_date")
    price = pricing.Price(
        price_id=state.new_id(),
        provider=provider,
        model=command.model,
        rates=rates,
        context_tiers=(),
        effective_at=effective_at,
        end_at=end_at,
        rank=pricing.SOURCE_RANKS["manual"],
        source="manual",
        source_url=command.source_url,
        version="manual",
        created_at=now,
        metadata=command.metadata,
    )
    return Change(prices=[price], answer=price)


def _rate(rate: Decimal, field: str) -> Decimal:
    if not rate.is_finite() or not 0 <= rate <= _DEAREST:
        raise Invalid(field, f"must be an amount in dollars from 0 to {_DEAREST}")
    if len(rate.as_tuple().digits) > _DIGITS or rate.normalize().adjusted() < -_DIGITS:
        raise Invalid(field, f"has more than {_DIGITS} digits")
    return rate


def _instant(text: str, field: str, zone: str) -> int:
    try:
        return instants.parse_instant(text, zone)
    except ValueError as error:
        raise Invalid(field, str(error)) from None


def load_prices(configuration: Configuration, command: commands.LoadPrices, now: int) -> Change:
    """Add what a list says anew: known prices stay, and an undated one that changed is dated from now (P8)."""
    added = []
    for price in command.prices:
        known = [
            old
            for old in configuration.prices.get((price.provider, price.model.lower()), ())
            if old.source == price.source
        ]
        if any((old.rates, old.context_tiers) == (price.rates, price.context_tiers) for old in known):
            continue
        effective_at = now if known and price.effective_at == 0 else price.effective_at
        added.append(dataclasses.replace(price, effective_at=effective_at, created_at=now))
    return Change(prices=added, answer=len(added))


def set_model(configuration: Configuration, command: commands.SetModel) -> Change:
    """A row of the model table with other values."""
    key = (command.provider.lower(), command.model.lower())
    row = configuration.table.get(key, models.Model(provider=key[0], model=key[1]))
    values: dict[str, Any] = {}
    if command.tier is not None:
        values["tier"] = vocabulary.tier(command.tier)
    if command.capabilities is not None:
        values["capabilities"] = command.capabilities
    if command.equivalents is not None:
        values["equivalents"] = tuple((provider.lower(), model) for provider, model in command.equivalents)
    changed = msgspec.structs.replace(row, **values)
    return Change(model_rows=[] if changed == row else [changed], answer=changed)
