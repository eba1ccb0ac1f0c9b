"""Load: everything that a batch's commands touch, in a few queries, before anything is decided (design 4)."""

from collections.abc import Iterable
from typing import Any

import msgspec

from budget.domain import administration, allocations, asking, bulk, commands, corrections, models, policies, recording
from budget.domain.balances import Balance
from budget.domain.configuration import Configuration, Rules
from budget.domain.entries import ANONYMOUS, SYSTEM, Caller, Entry
from budget.domain.errors import BudgetError
from budget.domain.ids import Ids
from budget.domain.policies import Policy, Scope
from budget.domain.records import Hold
from budget.domain.state import State
from budget.engine import decisions
from budget.engine.clock import Clock
from budget.storage import alerts, configuration, holdings, journal
from budget.storage.database import Connection

Touched = dict[tuple[str, str], Policy]
"""The balances that a batch changes or compares: (policy, window key), with the policy."""

EXPIRIES = 5000
"""The most holds that one transaction ends."""

MOST_READ = 250_000
"""The most due holds that a check counts as ended; the sweep leaves no more than a second's."""


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
    wrote: bool = False
    """Whether it put something into the journal."""


class Memory:
    """What the writer remembers between batches; all of it checked against the database by version."""

    def __init__(self, alias: models.Alias, rules: Rules, clock: Clock, ids: Ids) -> None:
        self.ids = ids
        self.alias = alias
        self.rules = rules
        self.clock = clock
        self.last_at = 0
        """The time of the last entry, in µs; no later one is earlier."""
        self.forget()
        self.prices: tuple[int, configuration.PriceTable] = (-1, {})
        """The version of the prices, and all of them."""
        self.configuration: Configuration | None = None

    def forget(self) -> None:
        """Drop what is remembered of batches: one of them was not committed after all."""
        self.head: journal.Head | None = None
        """Where the journal ended with the last batch that this process wrote."""
        self.written = journal.Written()
        self.refusals = decisions.Counted()


def current_configuration(connection: Connection, memory: Memory) -> Configuration:
    """The configuration as of this transaction, loaded again only when its version moved."""
    return _configuration(connection, memory, *configuration.versions(connection))


def _configuration(connection: Connection, memory: Memory, version: int, prices_version: int) -> Configuration:
    # Several readers share one memory, each with a snapshot of its own, and each sets whole values without a lock: one
    # that is held while a query runs would stop the loop on PostgreSQL. Loading twice does no harm.
    current = memory.configuration
    if current is not None and current.version == version:
        return current
    known, prices = memory.prices
    if known != prices_version:
        prices = configuration.load_prices(connection)
        memory.prices = prices_version, prices
    loaded = configuration.load(connection, version, prices, memory.alias, memory.rules)
    if (
        current is None or version > current.version
    ):  # a reader's snapshot may be an old one, with a key in it that is revoked
        memory.configuration = loaded
    return loaded


def load(
    connection: Connection,
    memory: Memory,
    submissions: list[Submission],
    *,
    claims_known: bool = False,
    only_reads: bool = False,
) -> State:
    """The state that a batch decides on: every claim, hold, record and balance that its commands touch.

    Holds that are due are ended first. When there are too many for one batch, or a command will ask storage what
    they hold, then as many as fit are all that the batch holds, and `facts["more_due"]` says so. A check `only_reads`.
    """
    head, version, prices_version = journal.standing(connection)
    current = _configuration(connection, memory, version, prices_version)
    # Strictly later than the last entry, so that the journal's order is the order of its times.
    ids = Ids() if only_reads else memory.ids  # readers share a memory, and run in several threads
    state = State(current, max(memory.clock.now(), head.at + 1), head.seq, ids)
    memory.last_at = max(memory.last_at, head.at)
    due = holdings.due(connection, state.now, MOST_READ if only_reads else EXPIRIES)
    asks_storage = any(submission.command.alone for submission in submissions)
    state.facts["head"] = head
    state.facts["more_due"] = not only_reads and (len(due) == EXPIRIES or (bool(due) and asks_storage))
    if state.facts["more_due"]:
        submissions = []
    state.facts["claims"] = {}
    if claims_known:
        state.facts["claims"] = claims(connection, submissions)
    _load_holds(connection, state, submissions, due)
    ending = [state.holds[allocation_id] for allocation_id in due]
    _load_records(connection, state, submissions)
    touched: Touched = {}
    for submission in submissions:
        _touch(state, submission, touched)
    for hold in ending:
        _touch_hold(state, hold, touched)
    load_balances(connection, state, touched)
    for hold in ending:
        allocations.expire(state, hold, SYSTEM)
    return state


def claims(connection: Connection, submissions: Iterable[Submission]) -> dict[str, Entry]:
    """What was claimed before by the keys of these submissions."""
    keys = [claim for submission in submissions if (claim := submission.claim) is not None]
    return journal.claims(connection, keys) if keys else {}


def _load_holds(connection: Connection, state: State, submissions: list[Submission], due: list[str]) -> None:
    ids = set(due)
    contexts: set[str] = set()
    for submission in submissions:
        command = submission.command
        if isinstance(command, commands.RecordUsage) and command.allocation_id is None:
            if command.context_id is not None:
                contexts.add(command.context_id)
        elif (allocation_id := getattr(command, "allocation_id", None)) is not None:
            ids.add(allocation_id)
    if contexts:
        ids.update(holdings.active_of(connection, contexts))
    for hold in holdings.holds(connection, ids) if ids else ():
        state.holds[hold.allocation_id] = hold
        state.holds_by_context.setdefault(hold.context_id, []).append(hold)


def _load_records(connection: Connection, state: State, submissions: list[Submission]) -> None:
    ids = {hold.provisional_record_id for hold in state.holds.values() if hold.provisional_record_id is not None}
    for submission in submissions:
        command = submission.command
        if isinstance(command, (commands.Correct, commands.Void)):
            ids.add(command.record_id)
        elif isinstance(command, commands.AcknowledgeAlert):
            alert = alerts.alert(connection, command.alert_id)
            if alert is not None:
                state.alerts[alert.alert_id] = alert
    for record in holdings.records(connection, ids) if ids else ():
        state.records[record.record_id] = record
        if record.price_id is not None and "price:" + record.price_id not in state.facts:
            price = configuration.price(connection, record.price_id)
            if price is not None:
                state.facts["price:" + record.price_id] = price


def _touch(state: State, submission: Submission, touched: Touched) -> None:
    command, caller = submission.command, submission.caller
    fields = bulk.plain(command)
    if fields is not None:
        state.plain[id(command)] = fields
        place = (caller.name, bulk.place_of(fields))
        if place in state.plain_places:
            return
        state.plain_places.add(place)
    try:
        if isinstance(command, (commands.Correct, commands.Void)):
            _touch_record(state, command, touched)
        elif isinstance(command, commands.RecordUsage):
            _touch_usage(state, command, caller, touched)
        elif isinstance(command, commands.Allocate):
            planned = state.plans[id(command), caller.name] = asking.plan(
                state.configuration, command, caller, state.now
            )
            _touch_place(state, planned.scope, state.now, command.context_id, command.task_id, touched)
            for _, other in asking.alternatives(state.configuration, command, caller, state.now):
                _touch_place(state, other.scope, state.now, command.context_id, command.task_id, touched)
        else:
            allocation_id = getattr(command, "allocation_id", None)
            if allocation_id is not None and allocation_id in state.holds:
                _touch_hold(state, state.holds[allocation_id], touched)
    except BudgetError:
        return  # it will be refused for the same reason when it is decided


def _touch_usage(state: State, command: commands.RecordUsage, caller: Caller, touched: Touched) -> None:
    identity = recording.identify(state, command, caller)
    hold, scope, context_id, task_id = identity.hold, identity.scope, identity.context_id, identity.task_id
    occurred_at = recording.moment(state, command, identity.budget_id)
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
    touched: Touched,
) -> None:
    place = state.place(scope, booked_at)
    posting_set = place.posting_set
    if not place.touched:
        touched.update({(line.policy.policy_id, line.window_key): line.policy for line in posting_set.clock})
    key = (context_id, task_id) if posting_set.keyed else (None, None)
    if key not in place.touched:
        place.touched.add(key)
        for line, window_key in posting_set.keyed_keys(context_id, task_id):
            touched[line.policy.policy_id, window_key] = line.policy


def _touch_hold(state: State, hold: Hold, touched: Touched) -> None:
    touch_scope(state, hold.scope, hold.created_at, hold.created_at, hold.context_id, hold.task_id, touched)
    touch_scope(state, hold.scope, hold.created_at, state.now, hold.context_id, hold.task_id, touched)
    record = state.records.get(hold.provisional_record_id or "")
    if record is not None:
        touch_scope(
            state, record.scope, record.booked_at, record.recorded_at, record.context_id, record.task_id, touched
        )


def _touch_record(state: State, command: commands.Correct | commands.Void, touched: Touched) -> None:
    record = state.records.get(command.record_id)
    if record is None:
        return
    touch_scope(state, record.scope, record.booked_at, record.recorded_at, record.context_id, record.task_id, touched)
    if isinstance(command, commands.Correct):
        identity = corrections.corrected_identity(state, command, record)
        booked_at = record.booked_at
        if command.occurred_at is not None:
            booked_at = recording.moment(state, command, record.budget_id)
        touch_scope(state, identity.scope, booked_at, state.now, identity.context_id, identity.task_id, touched)


def touch_scope(
    state: State,
    scope: Scope,
    booked_at: int,
    created_at: int,
    context_id: str | None,
    task_id: str | None,
    touched: Touched,
) -> None:
    posting_set = state.configuration.posting_set(scope, booked_at, created_at)
    for line, key in posting_set.keys(context_id, task_id):
        touched[line.policy.policy_id, key] = line.policy


def load_balances(connection: Connection, state: State, touched: Touched) -> None:
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
        target = policies.matching_sum(contents.get(key, ()), policy)
        if any(target):
            administration.open_keyed(state, policy, key, target)
