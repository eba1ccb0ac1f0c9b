"""Commands that change what a batch decides by; each runs alone in its batch and may ask storage (rule 6.2)."""

from collections.abc import Callable, Iterable
from typing import Any

from budget.domain import administration, changes, commands, corrections, policies, repricing
from budget.domain.balances import Balance
from budget.domain.entries import Caller
from budget.domain.policies import Policy
from budget.domain.records import Record
from budget.domain.state import State
from budget.engine.loading import EXPIRIES, Touched, load_balances, touch_scope
from budget.storage import alerts, configuration, holdings
from budget.storage.database import Connection

DECISIONS_KEPT = 90 * 86400 * 1_000_000
"""For how long a refusal can be explained, in µs (rule 10.4)."""

IDLE = 30 * 86400 * 1_000_000
"""After how long without use a session's or task's balance is dropped, in µs (rule 2.6)."""


def carry_out(connection: Connection, state: State, change: changes.Change, caller: Caller) -> Any:
    """Ask storage what the policies that open contain, load what stands, then write the change."""
    targets: dict[tuple[str, str], tuple[int, int, int, int]] = {}
    last_booked = holdings.last_booked(connection) if change.opens else 0
    opening = {policy.policy_id for policy in change.opens}
    wanted: Touched = {}
    for policy in change.policy_versions:
        if not policy.enabled:
            continue
        if policy.keyed:
            for key, amounts in holdings.balances_of(connection, policy.policy_id).items():
                state.balances[key] = Balance(*key, amounts, policy)
                if policy.policy_id in opening:
                    targets[key] = _keyed_target(connection, policy, key[1])
            continue
        for window in administration.windows_to_open(policy, state.now, last_booked):
            key = (policy.policy_id, window.key)
            wanted[key] = policy
            if policy.policy_id in opening:
                targets[key] = holdings.window_sums(connection, policy, window.start, window.end)
    found = holdings.balances(connection, wanted) if wanted else {}
    for key, policy in wanted.items():
        if key in found:
            state.balances[key] = Balance(*key, found[key], policy)
    administration.apply(state, change, caller, targets)
    return change.answer


def _keyed_target(connection: Connection, policy: Policy, key: str) -> policies.Amounts:
    column = "context_id" if key.startswith("c:") else "task_id"
    contents = holdings.keyed_contents(connection, column, [key[2:]])
    return policies.matching_sum(((scope, amounts) for _, scope, amounts in contents), policy)


def _create_budget(connection: Connection, state: State, command: commands.CreateBudget, caller: Caller) -> Any:
    return carry_out(connection, state, changes.create_budget(state, command), caller)


def _update_budget(connection: Connection, state: State, command: commands.UpdateBudget, caller: Caller) -> Any:
    return carry_out(connection, state, changes.update_budget(state, command), caller)


def _create_policy(connection: Connection, state: State, command: commands.CreatePolicy, caller: Caller) -> Any:
    return carry_out(connection, state, changes.create_policy(state, command), caller)


def _update_policy(connection: Connection, state: State, command: commands.UpdatePolicy, caller: Caller) -> Any:
    return carry_out(connection, state, changes.update_policy(state, command), caller)


def _set_model(connection: Connection, state: State, command: commands.SetModel, caller: Caller) -> Any:
    return carry_out(connection, state, changes.set_model(state.configuration, command), caller)


def _initialise(connection: Connection, state: State, __: Any, caller: Caller) -> Any:
    if state.configuration.budgets:
        return None
    return carry_out(connection, state, changes.first_budget(state), caller)


def _set_price(connection: Connection, state: State, command: commands.SetPrice, caller: Caller) -> Any:
    provider = command.provider.lower()
    earliest = [
        first
        for known, model, first in holdings.unpriced_models(connection)
        if known == provider and model.lower() == command.model.lower()
    ]
    change = changes.set_price(state, command, min(earliest, default=None))
    administration.apply(state, change, caller, {})
    administration.note_prices(state, change.answer.price_id, caller, after=configuration.stored_price(change.answer))
    return change.answer


def _load_prices(connection: Connection, state: State, command: commands.LoadPrices, caller: Caller) -> Any:
    if configuration.price_list_loaded(connection, command.source, command.version):
        return 0
    change = changes.load_prices(state.configuration, command, state.now)
    administration.apply(state, change, caller, {})
    administration.note_prices(
        state, f"{command.source}:{command.version}", caller, source=command.source, added=change.answer
    )
    configuration.note_price_list(connection, command.source, command.version, state.now, change.answer)
    return change.answer


def _price_usage(connection: Connection, state: State, command: commands.PriceUsage, caller: Caller) -> Any:
    """Price the next records that a price has come for; gives the last one's number, or None when none is left."""
    priceable = [
        (provider, model)
        for provider, model, _ in holdings.unpriced_models(connection)
        if state.configuration.price_lists(provider, model)
    ]
    records = holdings.unpriced(connection, corrections.CHUNK, command.after, priceable) if priceable else []
    if not records:
        return None
    _touch(connection, state, records)
    state.facts["unpriced"] = records
    corrections.price_usage(state, caller)
    return records[-1].seq


def _reprice_usage(connection: Connection, state: State, command: commands.RepriceUsage, caller: Caller) -> Any:
    """Price the next records anew; gives the last one's number, None when none is left, and what changed."""
    records = holdings.priced(connection, corrections.CHUNK, command, command.after)
    _touch(connection, state, records)
    changed = repricing.reprice_usage(state, records, caller)
    return (records[-1].seq if records else None), changed


def _touch(connection: Connection, state: State, records: Iterable[Record]) -> None:
    touched: Touched = {}
    for record in records:
        state.records[record.record_id] = record
        touch_scope(
            state, record.scope, record.booked_at, record.recorded_at, record.context_id, record.task_id, touched
        )
    load_balances(connection, state, touched)


def find_standing(connection: Connection, state: State, command: commands.RaiseAlerts) -> None:
    """Note what stands past a level in the current windows, whenever it was crossed."""
    for policy in state.configuration.policies.values():
        wanted = command.budget_id in (None, policy.budget_id) and command.period in (None, policy.period)
        if not wanted or not policy.enabled or policy.keyed:
            continue
        windows = administration.windows_to_open(policy, state.now, state.now)
        load_balances(connection, state, {(policy.policy_id, window.key): policy for window in windows})
        for line, balance in list(administration.standing(state, policy)):
            administration.raise_standing(state, line, balance)


def _sweep(connection: Connection, state: State, __: Any, caller: Caller) -> Any:
    """Due holds have been ended by loading; what is left are policies that end, and balances nobody uses any more."""
    carry_out(connection, state, changes.end_policies(state), caller)
    idle = holdings.idle_keyed_balances(connection, state.now - IDLE, EXPIRIES)
    for key, amounts in idle.items():
        policy = state.configuration.policies.get(key[0])
        state.balances.pop(key, None)
        if any(amounts):
            administration.close_balance(state, Balance(*key, amounts, None), policy, caller)
    state.facts["dropped"] = list(idle)
    alerts.drop_old_decisions(connection, state.now - DECISIONS_KEPT)


ALONE: dict[type[commands.Command], Callable[..., Any]] = {
    commands.CreateBudget: _create_budget,
    commands.UpdateBudget: _update_budget,
    commands.CreatePolicy: _create_policy,
    commands.UpdatePolicy: _update_policy,
    commands.SetModel: _set_model,
    commands.Initialise: _initialise,
    commands.SetPrice: _set_price,
    commands.LoadPrices: _load_prices,
    commands.PriceUsage: _price_usage,
    commands.RepriceUsage: _reprice_usage,
    commands.Sweep: _sweep,
}
