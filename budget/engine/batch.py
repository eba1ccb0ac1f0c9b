"""One batch in one transaction: load what its commands touch, decide them in order, save what changed (design 4).

A command that is refused fails alone. Anything else that goes wrong fails the transaction, and so the batch.
"""

import copy
from collections.abc import Callable
from typing import Any

import msgspec

from budget.domain import administration, alerts, allocations, commands, models, recording
from budget.domain.configuration import Configuration, Rules
from budget.domain.errors import BudgetError, KeyReused
from budget.domain.ids import Ids
from budget.domain.policies import Policy, Scope
from budget.domain.records import Alert, Hold
from budget.domain.state import ANONYMOUS, SYSTEM, Balance, Caller, State
from budget.engine import answers, decisions
from budget.engine.clock import Clock
from budget.storage import alerts as alerts_storage
from budget.storage import configuration, holdings, journal
from budget.storage.database import Connection

EXPIRIES = 5000
"""The most holds that one transaction ends."""

IDLE = 30 * 86400 * 1_000_000
"""After how long without use a session's or task's balance is dropped, in µs (rule 2.6)."""


class Submission(msgspec.Struct):
    """A command, who sends it, and the key that makes it happen once."""

    command: commands.Command
    caller: Caller = ANONYMOUS
    key: str | None = None
    fingerprint: bytes | None = None

    @property
    def claim(self) -> str | None:
        """The key as the journal keeps it: caller, operation, text (rule 7.1)."""
        if self.key is None:
            return None
        return f"{self.caller.name}\x1f{self.command.operation}\x1f{self.key}"


class Outcome(msgspec.Struct):
    """What became of a command: its answer, or the error that refused it."""

    answer: Any = None
    error: BudgetError | None = None
    replayed: bool = False


class Memory:
    """What the writer remembers between batches; all of it checked against the database by version."""

    def __init__(self, alias: models.Alias, rules: Rules, clock: Clock, ids: Ids) -> None:
        self.ids = ids
        self.alias = alias
        self.rules = rules
        self.clock = clock
        self.prices_version = -1
        self.prices: configuration.PriceTable = {}
        self.configuration: Configuration | None = None
        self.written = journal.Written()
        self.refusals = decisions.Counted()


def current_configuration(connection: Connection, memory: Memory) -> Configuration:
    """The configuration as of this transaction, loaded again only when its version moved."""
    version, prices_version = configuration.versions(connection)
    if memory.prices_version != prices_version:
        memory.prices = configuration.load_prices(connection)
        memory.prices_version = prices_version
        memory.configuration = None
    if memory.configuration is None or memory.configuration.version != version:
        memory.configuration = configuration.load(connection, version, memory.prices, memory.alias, memory.rules)
    return memory.configuration


def price_list_loaded(connection: Connection, source: str, version: str) -> bool:
    """Whether this version of a price list is in the table already."""
    return configuration.price_list_loaded(connection, source, version)


def end_due_holds(connection: Connection, memory: Memory) -> bool:
    """End holds that are due, when they are too many for a batch that does something else; True when none such."""
    due = holdings.due_count(connection, memory.clock.now(), EXPIRIES + 1)
    if due <= EXPIRIES:
        return True
    run(connection, memory, [])
    return False


def run(connection: Connection, memory: Memory, submissions: list[Submission], jump: int = 0) -> list[Outcome]:
    """Load, decide, save; the caller commits. `jump` is how far the clock leapt, in µs."""
    state = load(connection, memory, submissions)
    outcomes = decide(connection, memory, state, submissions)
    if jump:
        alerts.raise_alert(state, alerts.clock_alert(state, jump), None)
    raise_alerts(connection, state)
    kept = decisions.finish(connection, memory.refusals, state, submissions, outcomes)
    before = state.facts["head"]
    if state.entries or kept or state.facts.get("dropped"):
        holdings.drop_balances(connection, state.facts.get("dropped", ()))
        journal.save(connection, state, before, kept, memory.written)
    return outcomes


# Load


def load(connection: Connection, memory: Memory, submissions: list[Submission], *, holds_end: bool = True) -> State:
    """The state that a batch decides on: every claim, hold, record and balance that its commands touch."""
    current = current_configuration(connection, memory)
    head = journal.head(connection)
    # Strictly later than the last entry, so that the journal's order is the order of its times.
    state = State(current, max(memory.clock.now(), head.at + 1), head.seq, memory.ids)
    state.facts["head"] = head
    keys = [submission.claim for submission in submissions if submission.key is not None]
    state.facts["claims"] = journal.claims(connection, filter(None, keys)) if keys else {}
    _load_holds(connection, state, submissions)
    due = holdings.due_holds(connection, state.now, EXPIRIES) if holds_end else []
    for hold in due:
        known = state.holds.setdefault(hold.allocation_id, hold)
        if known is hold:
            state.holds_by_context.setdefault(hold.context_id, []).append(hold)
    _load_records(connection, state, submissions)
    touched: dict[tuple[str, str], Policy] = {}
    for submission in submissions:
        _touch(state, submission, touched)
    for hold in due:
        _touch_hold(state, hold, touched)
    load_balances(connection, state, touched)
    for hold in sorted(due, key=lambda hold: (hold.expires_at, hold.allocation_id)):
        allocations.expire(state, state.holds[hold.allocation_id], SYSTEM)
    return state


def _load_holds(connection: Connection, state: State, submissions: list[Submission]) -> None:
    ids: set[str] = set()
    contexts: set[str] = set()
    for submission in submissions:
        command = submission.command
        allocation_id = getattr(command, "allocation_id", None)
        if allocation_id is not None:
            ids.add(allocation_id)
        elif isinstance(command, commands.RecordUsage) and command.context_id is not None:
            contexts.add(command.context_id)
    found = holdings.holds(connection, ids) if ids else []
    if contexts:
        found += [hold for hold in holdings.active_holds(connection, contexts) if hold.allocation_id not in ids]
    for hold in found:
        state.holds[hold.allocation_id] = hold
        state.holds_by_context.setdefault(hold.context_id, []).append(hold)


def _load_records(connection: Connection, state: State, submissions: list[Submission]) -> None:
    ids = {hold.provisional_record_id for hold in state.holds.values() if hold.provisional_record_id is not None}
    for submission in submissions:
        record_id = getattr(submission.command, "record_id", None)
        if record_id is not None:
            ids.add(record_id)
        if isinstance(submission.command, commands.AcknowledgeAlert):
            alert = alerts_storage.alert(connection, submission.command.alert_id)
            if alert is not None:
                state.alerts[alert.alert_id] = alert
    for record in holdings.records(connection, ids) if ids else ():
        state.records[record.record_id] = record
        if record.price_id is not None and "price:" + record.price_id not in state.facts:
            price = configuration.price(connection, record.price_id)
            if price is not None:
                state.facts["price:" + record.price_id] = price


def _touch(state: State, submission: Submission, touched: dict[tuple[str, str], Policy]) -> None:
    command, caller = submission.command, submission.caller
    try:
        if isinstance(command, commands.Correct | commands.Void):
            _touch_record(state, command, caller, touched)
        elif isinstance(command, commands.RecordUsage):
            _touch_usage(state, command, caller, touched)
        elif isinstance(command, commands.Allocate):
            for request in (command, *allocations.equivalents(state.configuration, command)):
                scope = allocations.plan(state.configuration, request, caller, state.now).scope
                _touch_scope(state, scope, state.now, state.now, command.context_id, command.task_id, touched)
        else:
            allocation_id = getattr(command, "allocation_id", None)
            if allocation_id is not None and allocation_id in state.holds:
                _touch_hold(state, state.holds[allocation_id], touched)
    except BudgetError:
        return  # it will be refused for the same reason when it is decided


def _touch_usage(
    state: State, command: commands.RecordUsage, caller: Caller, touched: dict[tuple[str, str], Policy]
) -> None:
    hold, budget_id, scope, context_id, task_id = recording.identify(state, command, caller)
    occurred_at = recording.moment(state, command, budget_id)
    _touch_place(state, scope, occurred_at, context_id, task_id, touched)
    if hold is not None:
        _touch_hold(state, hold, touched)
        _touch_place(state, scope, hold.created_at, context_id, task_id, touched)
    elif occurred_at != state.now and context_id is not None:
        # A hold made earlier in this batch may turn out to be this context's.
        _touch_place(state, scope, state.now, context_id, task_id, touched)


def _touch_place(
    state: State,
    scope: Scope,
    booked_at: int,
    context_id: str | None,
    task_id: str | None,
    touched: dict[tuple[str, str], Policy],
) -> None:
    place = state.place(scope, booked_at)
    key = (context_id, task_id) if place.posting_set.is_keyed else (None, None)
    if key not in place.touched:
        place.touched.add(key)
        for line, window_key in place.posting_set.keys(context_id, task_id):
            touched[line.policy.policy_id, window_key] = line.policy


def _touch_hold(state: State, hold: Hold, touched: dict[tuple[str, str], Policy]) -> None:
    _touch_scope(state, hold.scope, hold.created_at, hold.created_at, hold.context_id, hold.task_id, touched)
    _touch_scope(state, hold.scope, hold.created_at, state.now, hold.context_id, hold.task_id, touched)
    record = state.records.get(hold.provisional_record_id or "")
    if record is not None:
        _touch_scope(
            state, record.scope, record.booked_at, record.recorded_at, record.context_id, record.task_id, touched
        )


def _touch_record(
    state: State,
    command: commands.Correct | commands.Void,
    caller: Caller,
    touched: dict[tuple[str, str], Policy],
) -> None:
    record = state.records.get(command.record_id)
    if record is None:
        return
    _touch_scope(
        state, record.scope, record.booked_at, record.recorded_at, record.context_id, record.task_id, touched
    )
    if isinstance(command, commands.Correct):
        identity = recording.corrected_identity(state, command, record)
        booked_at = record.booked_at
        if command.occurred_at is not None:
            booked_at = recording.moment(state, command, record.budget_id)
        _touch_scope(state, identity.scope, booked_at, state.now, identity.context_id, identity.task_id, touched)


def _touch_scope(
    state: State,
    scope: Any,
    booked_at: int,
    created_at: int,
    context_id: str | None,
    task_id: str | None,
    touched: dict[tuple[str, str], Policy],
) -> None:
    posting_set = state.configuration.posting_set(scope, booked_at, created_at)
    for line, key in posting_set.keys(context_id, task_id):
        touched[line.policy.policy_id, key] = line.policy


def load_balances(connection: Connection, state: State, touched: dict[tuple[str, str], Policy]) -> None:
    """Load these balances; sessions and tasks without one are opened with what they already contain (rule 2.6)."""
    if not touched:
        return
    found = holdings.balances(connection, touched)
    absent: list[tuple[Policy, str]] = []
    for (policy_id, key), policy in touched.items():
        amounts = found.get((policy_id, key))
        if amounts is None and policy.keyed:
            absent.append((policy, key))
        state.balances[policy_id, key] = Balance(policy_id, key, amounts or (0, 0, 0, 0), policy)
    if absent:
        _open_keyed(connection, state, absent)


def _open_keyed(connection: Connection, state: State, absent: list[tuple[Policy, str]]) -> None:
    contents: dict[str, list[tuple[Any, tuple[int, int, int, int]]]] = {}
    for prefix, column in (("c:", "context_id"), ("t:", "task_id")):
        ids = {key[2:] for _, key in absent if key.startswith(prefix)}
        if ids:
            for found, scope, amounts in holdings.keyed_contents(connection, column, ids):
                contents.setdefault(prefix + found, []).append((scope, amounts))
    for policy, key in absent:
        matching = [amounts for scope, amounts in contents.get(key, ()) if policy.matches(scope)]
        if matching:
            target = (
                sum(amounts[0] for amounts in matching),
                sum(amounts[1] for amounts in matching),
                sum(amounts[2] for amounts in matching),
                sum(amounts[3] for amounts in matching),
            )
            administration.open_keyed(state, policy, key, target)


# Decide


def decide(
    connection: Connection, memory: Memory, state: State, submissions: list[Submission]
) -> list[Outcome]:
    """Each command in turn, on the state that the ones before it left."""
    claimed: dict[str, tuple[bytes | None, Outcome]] = {}
    outcomes = []
    for submission in submissions:
        claim = submission.claim
        if claim is not None:
            earlier = _earlier(connection, state, submission, claim, claimed)
            if earlier is not None:
                outcomes.append(earlier)
                continue
        first = state.next_entry
        try:
            answer = _decide(connection, memory, state, submission)
        except BudgetError as error:
            outcomes.append(Outcome(error=error))
            continue
        outcome = Outcome(answer=answer)
        if claim is not None and state.next_entry > first:
            entry = state.entries[first]
            entry.idempotency_key, entry.fingerprint = claim, submission.fingerprint
            claimed[claim] = (submission.fingerprint, outcome)
        outcomes.append(outcome)
    return outcomes


def _earlier(
    connection: Connection,
    state: State,
    submission: Submission,
    claim: str,
    claimed: dict[str, tuple[bytes | None, Outcome]],
) -> Outcome | None:
    """The first answer to this key, or `KeyReused` when another command claimed it (P4)."""
    if claim in claimed:
        fingerprint, outcome = claimed[claim]
        if fingerprint != submission.fingerprint:
            return Outcome(error=KeyReused())
        return Outcome(answer=outcome.answer, replayed=True)
    entry = state.facts["claims"].get(claim)
    if entry is None:
        return None
    if entry.fingerprint != submission.fingerprint:
        return Outcome(error=KeyReused())
    return Outcome(answer=answers.rebuild(connection, entry), replayed=True)


def _decide(connection: Connection, memory: Memory, state: State, submission: Submission) -> Any:
    command, caller = submission.command, submission.caller
    plain = _PLAIN.get(type(command))
    if plain is not None:
        answer = plain(state, command, caller)
        return _snapshot(answer)
    return _ALONE[type(command)](connection, memory, state, command, caller)


def _snapshot(answer: Any) -> Any:
    # A later command of the batch may change the same hold; the answer is what this one left.
    if isinstance(answer, Hold):
        return copy.copy(answer)
    if isinstance(answer, allocations.Grant | recording.Settled):
        answer.hold = copy.copy(answer.hold)
    elif isinstance(answer, tuple) and isinstance(answer[0], Hold):
        return copy.copy(answer[0]), *answer[1:]
    return answer


def _acknowledge(state: State, command: commands.AcknowledgeAlert, caller: Caller) -> Alert:
    return alerts.acknowledge(state, command, caller)


_PLAIN: dict[type[commands.Command], Callable[..., Any]] = {
    commands.Allocate: allocations.allocate,
    commands.RecordUsage: recording.record_usage,
    commands.Settle: recording.settle,
    commands.Correct: recording.correct,
    commands.Void: recording.void,
    commands.Start: allocations.start,
    commands.Extend: allocations.extend,
    commands.Increase: allocations.increase,
    commands.Release: allocations.release,
    commands.AcknowledgeAlert: _acknowledge,
}


# Commands that change the rules, alone in their batch


def _change(
    connection: Connection, state: State, change: administration.Change, caller: Caller
) -> Any:
    """Ask storage what the policies that open contain, load what stands, then write the change."""
    targets: dict[tuple[str, str], tuple[int, int, int, int]] = {}
    last_booked = holdings.last_booked(connection) if change.opens else 0
    opening = {policy.policy_id for policy in change.opens}
    wanted: dict[tuple[str, str], Policy] = {}
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


def _keyed_target(connection: Connection, policy: Policy, key: str) -> tuple[int, int, int, int]:
    column = "context_id" if key.startswith("c:") else "task_id"
    totals = [0, 0, 0, 0]
    for _, scope, amounts in holdings.keyed_contents(connection, column, [key[2:]]):
        if policy.matches(scope):
            totals = [total + amount for total, amount in zip(totals, amounts, strict=True)]
    return totals[0], totals[1], totals[2], totals[3]


def _create_budget(connection: Connection, _: Memory, state: State, command: Any, caller: Caller) -> Any:
    return _change(connection, state, administration.create_budget(state, command), caller)


def _update_budget(connection: Connection, _: Memory, state: State, command: Any, caller: Caller) -> Any:
    return _change(connection, state, administration.update_budget(state, command), caller)


def _create_policy(connection: Connection, _: Memory, state: State, command: Any, caller: Caller) -> Any:
    return _change(connection, state, administration.create_policy(state, command), caller)


def _update_policy(connection: Connection, _: Memory, state: State, command: Any, caller: Caller) -> Any:
    return _change(connection, state, administration.update_policy(state, command), caller)


def _set_model(connection: Connection, _: Memory, state: State, command: Any, caller: Caller) -> Any:
    return _change(connection, state, administration.set_model(state.configuration, command), caller)


def _initialise(connection: Connection, _: Memory, state: State, __: Any, caller: Caller) -> Any:
    if state.configuration.budgets:
        return None
    return _change(connection, state, administration.first_budget(state), caller)


def _set_price(connection: Connection, _: Memory, state: State, command: Any, caller: Caller) -> Any:
    provider = command.provider.lower()
    earliest = [
        first
        for known, model, first in holdings.unpriced_models(connection)
        if known == provider and model.lower() == command.model.lower()
    ]
    change = administration.set_price(state, command, min(earliest, default=None))
    administration.apply(state, change, caller, {})
    administration.note_prices(state, change.answer.price_id, caller, after=configuration.stored_price(change.answer))
    return change.answer


def _load_prices(connection: Connection, _: Memory, state: State, command: Any, caller: Caller) -> Any:
    if configuration.price_list_loaded(connection, command.source, command.version):
        return 0
    change = administration.load_prices(state.configuration, command, state.now)
    administration.apply(state, change, caller, {})
    administration.note_prices(
        state, f"{command.source}:{command.version}", caller, source=command.source, added=change.answer
    )
    configuration.note_price_list(connection, command.source, command.version, state.now, change.answer)
    return change.answer


def _price_usage(connection: Connection, _: Memory, state: State, command: Any, caller: Caller) -> Any:
    """Price the next records that a price has come for; gives the last one's number, or None when none is left."""
    priceable = [
        (provider, model)
        for provider, model, _ in holdings.unpriced_models(connection)
        if state.configuration.price_lists(provider, model)
    ]
    records = holdings.unpriced(connection, recording.CHUNK, command.after, priceable) if priceable else []
    if not records:
        return None
    touched: dict[tuple[str, str], Policy] = {}
    for record in records:
        state.records[record.record_id] = record
        _touch_scope(
            state, record.scope, record.booked_at, record.recorded_at, record.context_id, record.task_id, touched
        )
    load_balances(connection, state, touched)
    state.facts["unpriced"] = records
    recording.price_usage(state, command, caller)
    return records[-1].seq


def _raise_alerts(connection: Connection, _: Memory, state: State, command: Any, __: Caller) -> Any:
    for policy in state.configuration.policies.values():
        wanted = command.budget_id in (None, policy.budget_id) and command.period in (None, policy.period)
        if not wanted or not policy.enabled or policy.keyed:
            continue
        keys = {
            (policy.policy_id, window.key): policy
            for window in administration.windows_to_open(policy, state.now, state.now)
        }
        load_balances(connection, state, keys)
        for line, balance in administration.standing(state, policy):
            administration.raise_standing(state, line, balance)
    return raise_alerts(connection, state)


def _sweep(connection: Connection, _: Memory, state: State, __: Any, caller: Caller) -> Any:
    """Due holds have been ended by loading; what is left are balances nobody uses any more."""
    idle = holdings.idle_keyed_balances(connection, state.now - IDLE, EXPIRIES)
    for key, amounts in idle.items():
        policy = state.configuration.policies.get(key[0])
        state.balances.pop(key, None)
        if any(amounts):
            administration.close_balance(state, Balance(*key, amounts, None), policy, caller)
    state.facts["dropped"] = list(idle)


_ALONE: dict[type[commands.Command], Callable[..., Any]] = {
    commands.CreateBudget: _create_budget,
    commands.UpdateBudget: _update_budget,
    commands.CreatePolicy: _create_policy,
    commands.UpdatePolicy: _update_policy,
    commands.SetModel: _set_model,
    commands.Initialise: _initialise,
    commands.SetPrice: _set_price,
    commands.LoadPrices: _load_prices,
    commands.PriceUsage: _price_usage,
    commands.RaiseAlerts: _raise_alerts,
    commands.Sweep: _sweep,
}


# After deciding


def raise_alerts(connection: Connection, state: State) -> list[Alert]:
    """Write the alerts of what was crossed, each once for ever (P12)."""
    candidates: dict[alerts.Key, tuple[Alert, int]] = {}
    for crossing in state.crossings:
        alert = alerts.alert_of(state, crossing)
        candidates.setdefault(alerts.key_of(alert), (alert, crossing.cause))
    state.crossings.clear()
    known = alerts_storage.raised(connection, candidates) if candidates else set()
    raised = [(alert, cause) for key, (alert, cause) in candidates.items() if key not in known]
    for alert, cause in raised:
        alerts.raise_alert(state, alert, cause)
    return [alert for alert, _ in raised]
