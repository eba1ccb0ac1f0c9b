"""Apply a change of budgets, policies, prices or models: journal lines, opening postings, alerts at once (rule 2).

A change is worked out first (`changes`), so that storage can be asked what the policies that open already contain.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from budget.domain import changes, periods, policies
from budget.domain.balances import Balance, Crossing
from budget.domain.configuration import FOREVER, Line, number_of
from budget.domain.entries import Caller, encode
from budget.domain.policies import Policy
from budget.domain.records import OVER_LIMIT
from budget.domain.state import State

Amounts = tuple[int, int, int, int]


class Window(NamedTuple):
    """A window of a policy, under the key of its balance."""

    key: str
    start: int
    end: int


def windows_to_open(policy: Policy, now: int, last_booked: int) -> Iterator[Window]:
    """The current window of a clock policy and every later one that may hold something already."""
    if policy.keyed:
        return
    zone = policy.openings[-1].time_zone
    at = now
    while True:
        window = periods.window_at(policy.period, zone, at)
        yield Window(window.key, window.start, window.end)
        if window.end > last_booked:
            return
        at = window.end


def apply(state: State, change: changes.Change, caller: Caller, targets: dict[tuple[str, str], Amounts]) -> None:
    """Write a change to the journal: a line per thing changed, and the opening postings of policies that open."""
    configuration = state.configuration
    for budget in change.budgets:
        before = configuration.budgets.get(budget.budget_id)
        state.new_budgets[budget.budget_id] = budget
        state.note("budget_changed", budget.budget_id, caller, before=before, after=budget)
    opening = {policy.policy_id for policy in change.opens}
    for policy in change.policy_versions:
        state.new_policies[policy.policy_id] = policy
        posted = _open(state, policy, targets) if policy.policy_id in opening else []
        flags = _past_already(state, policy)
        before_policy = configuration.policies.get(policy.policy_id)
        state.note(
            "policy_changed",
            policy.policy_id,
            caller,
            postings=f"[{','.join(posted)}]",
            flags=flags,
            before=before_policy,
            after=policy,
        )
    for model in change.model_rows:
        state.new_models.append(model)
        state.note(
            "model_changed",
            f"{model.provider}/{model.model}",
            caller,
            before=configuration.table.get((model.provider, model.model)),
            after=model,
        )
    state.new_prices.extend(change.prices)


def note_prices(state: State, subject: str, caller: Caller, **data: Any) -> None:
    """The journal's line for new prices: one for a price that was set, one for a whole list."""
    state.note("price_changed", subject, caller, **data)


def _open(state: State, policy: Policy, targets: dict[tuple[str, str], Amounts]) -> list[str]:
    posted = []
    for (policy_id, key), target in targets.items():
        if policy_id == policy.policy_id:
            posted += open_balance(state, policy, key, target)
    return posted


def open_balance(state: State, policy: Policy, key: str, target: Amounts) -> list[str]:
    """Bring a balance to what its window really contains; gives the posting, none when it does already."""
    balance = state.balances.get((policy.policy_id, key))
    if balance is None:
        balance = state.balances[policy.policy_id, key] = Balance(policy.policy_id, key, (0, 0, 0, 0), policy)
    deltas = tuple(wanted - has for wanted, has in zip(target, balance.amounts, strict=True))
    if not any(deltas):
        return []
    content = encode([(policy.policy_id, policy.version, key)])
    number = number_of(content)
    state.posting_sets[number] = content.decode()
    balance.used_tokens, balance.held_tokens, balance.used_cost, balance.held_cost = target
    balance.changed = True
    balance.next_tokens = policies.next_level(policy.token_thresholds, balance.used_tokens)
    balance.next_cost = policies.next_level(policy.cost_thresholds, balance.used_cost)
    return [f"[{number},{','.join(map(str, deltas))}]"]


def open_keyed(state: State, policy: Policy, key: str, target: Amounts) -> None:
    """Open a session's or a task's balance in the batch that first touches it (rule 2.6)."""
    posted = open_balance(state, policy, key, target)
    if posted:
        raise_standing(state, Line(policy, key, 0, FOREVER), state.balances[policy.policy_id, key])
        state.note("policy_changed", policy.policy_id, Caller(key_id="system"), postings=f"[{posted[0]}]", opening=key)


def close_balance(state: State, balance: Balance, policy: Policy | None, caller: Caller) -> None:
    """Take an idle session's or task's balance to zero, so that its row can go (rule 2.6)."""
    version = 0 if policy is None else policy.version
    content = encode([(balance.policy_id, version, balance.window_key)])
    number = number_of(content)
    state.posting_sets[number] = content.decode()
    deltas = ",".join(str(-amount) for amount in balance.amounts)
    state.note(
        "policy_changed",
        balance.policy_id,
        caller,
        postings=f"[[{number},{deltas}]]",
        closing=balance.window_key,
    )


def standing(state: State, policy: Policy) -> Iterator[tuple[Line, Balance]]:
    """The balances loaded for a policy, each with its window."""
    for (policy_id, key), balance in state.balances.items():
        if policy_id == policy.policy_id:
            start, end = (0, FOREVER) if policy.keyed else _bounds(key)
            yield Line(policy, key, start, end), balance


def _bounds(key: str) -> tuple[int, int]:
    start, _, end = key.rpartition("-")
    return int(start) * 1_000_000, int(end) * 1_000_000


def _past_already(state: State, policy: Policy) -> int:
    """Raise at once what stands past a level of the new version; OVER_LIMIT when past a hard limit (rule 2.4)."""
    if not policy.enabled:
        return 0
    flags = 0
    for line, balance in standing(state, policy):
        flags |= raise_standing(state, line, balance)
    return flags


def raise_standing(state: State, line: Line, balance: Balance) -> int:
    """Note every level at or below what a balance has used, and a hard limit it is past."""
    policy, flags = line.policy, 0
    for unit, levels, used, held, hard in (
        ("tokens", policy.token_thresholds, balance.used_tokens, balance.held_tokens, policy.hard_tokens),
        ("cost", policy.cost_thresholds, balance.used_cost, balance.held_cost, policy.hard_cost),
    ):
        for level in policies.crossed(levels, 0, used):
            state.crossings.append(Crossing(policy, balance.window_key, unit, level, used))
        if used + held > hard:
            flags = OVER_LIMIT
            if used < hard:
                state.crossings.append(Crossing(policy, balance.window_key, unit, None, used + held))
    return flags
