"""One batch in one transaction: load what its commands touch, decide them in order, save what changed (design 4).

A command that is refused fails alone. Anything else that goes wrong fails the transaction, and so the batch.
"""

import contextlib
import copy
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from budget.domain import alerts, allocations, bulk, commands, corrections, recording
from budget.domain import notifications as told
from budget.domain.budgets import Budget
from budget.domain.errors import BudgetError, KeyReused
from budget.domain.keys import Issued, as_journalled
from budget.domain.models import Model
from budget.domain.policies import Policy
from budget.domain.records import Alert, Hold, Record
from budget.domain.state import State
from budget.engine import administration, answers, decisions, forewarning, imports, keys, notifications
from budget.engine.loading import Memory, Outcome, Submission, claims, load
from budget.log import get_logger
from budget.storage import alerts as stored_alerts
from budget.storage import holdings, journal
from budget.storage.database import Connection

log = get_logger("budget_engine")
_said = logging.getLogger("tekton")  # asked first, because counting costs

Claimed = dict[str, tuple[bytes | None, Outcome]]
"""What the keys of this batch did so far, each with its command's fingerprint."""


def run(
    connection: Connection,
    memory: Memory,
    take: Callable[[], list[Submission]],
    jump: int = 0,
    *,
    claims_known: bool = False,
) -> list[Outcome] | None:
    """Load, decide, save; the caller commits. `take` gives the batch, `jump` is how far the clock leapt, in µs.

    Keys are not looked up beforehand: repeats are rare, and the unique index notices them (`KeyTaken`). The batch
    is then run again with `claims_known`. None when so many holds were due that ending them filled the batch: run it
    again.
    """
    memory.head = None
    journal.take_turn(connection)
    submissions = take()
    state = load(connection, memory, submissions, claims_known=claims_known)
    if state.facts["more_due"]:
        raise_alerts(connection, state)
        memory.head = journal.save(connection, state, [], memory.written)
        return None
    outcomes = decide(connection, state, submissions)
    if not claims_known:
        recall(connection, state, submissions, outcomes)
    if jump:
        alerts.raise_alert(state, alerts.clock_alert(state, jump))
    raise_alerts(connection, state)
    kept = decisions.finish(connection, memory.refusals, state, submissions, outcomes)
    if state.entries or kept or state.facts.get("dropped"):
        holdings.drop_balances(connection, state.facts.get("dropped", ()))
        head = journal.save(connection, state, kept, memory.written)
        memory.head = head if state.entries else None
    if _said.isEnabledFor(logging.DEBUG):
        log.debug("written", kinds=dict(Counter(entry.kind for entry in state.entries)), from_seq=state.head_seq + 1)
    return outcomes


def decide(connection: Connection, state: State, submissions: list[Submission]) -> list[Outcome]:
    """Each command in turn, on the state that the ones before it left; runs of plain records at once."""
    claimed: Claimed = {}
    outcomes: list[Outcome] = []
    while len(outcomes) < len(submissions):
        run, keys = _plain_run(state, submissions, len(outcomes), claimed)
        if len(run) >= bulk.WORTH_IT:
            outcomes += _decide_run(connection, state, run, keys, claimed)
        else:
            outcomes += [_decide_one(connection, state, submission, claimed) for submission in run]
    return outcomes


def _decide_run(
    connection: Connection, state: State, run: list[Submission], keys: list[str | None], claimed: Claimed
) -> list[Outcome]:
    """Plain records of one scope: at once, but for those around one that reaches a level."""
    first, caller = run[0].command, run[0].caller
    assert isinstance(first, commands.RecordUsage)  # noqa: S101 -- only these are plain
    scope = None
    with contextlib.suppress(BudgetError):  # each is refused for it, below
        scope = recording.identify(state, first, caller).scope
    fields = [state.plain[id(submission.command)] for submission in run]
    outcomes: list[Outcome] = []
    while len(outcomes) < len(run):
        at, entry_at = len(outcomes), state.next_entry
        records = None if scope is None else bulk.book(state, scope, fields, at, caller)
        for entry, record, key, submission in zip(
            itertools.islice(state.entries, entry_at, None), records or (), keys[at:], run[at:], strict=False
        ):
            outcome = Outcome(record, None, False, True)  # noqa: FBT003 -- by name it costs twice as much
            outcomes.append(outcome)
            if key is not None:
                entry.idempotency_key, entry.fingerprint = key, submission.fingerprint
                claimed[key] = (submission.fingerprint, outcome)
        upto = len(run) if records is None else len(outcomes) + bulk.WORTH_IT
        outcomes += [_decide_one(connection, state, submission, claimed) for submission in run[len(outcomes) : upto]]
    return outcomes


def _plain_run(
    state: State, submissions: list[Submission], start: int, claimed: Mapping[str, object]
) -> tuple[list[Submission], list[str | None]]:
    """The plain records from here on that share a scope and a caller, with their claims; else the next one alone."""
    plain, busy, known = state.plain, state.holds_by_context, state.facts["claims"]
    first = submissions[start]
    fields = plain.get(id(first.command))
    if fields is None:
        return [first], [None]
    caller, scope = first.caller, bulk.scope_of(fields)
    keys: list[str | None] = []
    seen: set[str] = set()
    for submission in itertools.islice(submissions, start, None):
        other = plain.get(id(submission.command))
        if other is None or submission.caller is not caller or bulk.scope_of(other) != scope:
            break
        if busy and bulk.session_of(other) in busy:
            break
        claim = submission.claim
        if claim is not None:
            if claim in seen or claim in claimed or claim in known:
                break
            seen.add(claim)
        keys.append(claim)
    return submissions[start : start + max(len(keys), 1)], keys or [None]


def _decide_one(
    connection: Connection,
    state: State,
    submission: Submission,
    claimed: Claimed,
) -> Outcome:
    claim = submission.claim
    if claim is not None:
        earlier = _earlier(connection, state, submission, claim, claimed)
        if earlier is not None:
            return earlier
    first = state.next_entry
    try:
        answer = _decide(connection, state, submission)
    except BudgetError as error:
        return Outcome(error=error)
    if claim is not None and state.next_entry == first:
        _note_unchanged(state, submission, answer)
    outcome = Outcome(answer=answer, wrote=state.next_entry > first)
    if claim is not None and outcome.wrote:
        entry = state.entries[first]
        entry.idempotency_key, entry.fingerprint = claim, submission.fingerprint
        claimed[claim] = (submission.fingerprint, outcome)
    return outcome


def recall(connection: Connection, state: State, submissions: list[Submission], outcomes: list[Outcome]) -> None:
    """Give commands that wrote nothing the answer that their key claimed before: an earlier acceptance always wins."""
    silent = [
        index
        for index, (submission, outcome) in enumerate(zip(submissions, outcomes, strict=True))
        if submission.key is not None and not outcome.wrote and not outcome.replayed
    ]
    if not silent:
        return
    state.facts["claims"] = claims(connection, [submissions[index] for index in silent])
    for index in silent:
        earlier = _claimed_before(connection, state, submissions[index])
        if earlier is not None:
            outcomes[index] = earlier


def _earlier(
    connection: Connection,
    state: State,
    submission: Submission,
    claim: str,
    claimed: Claimed,
) -> Outcome | None:
    """The first answer to this key, or `KeyReused` when another command claimed it (P4)."""
    if claim in claimed:
        fingerprint, outcome = claimed[claim]
        if fingerprint != submission.fingerprint:
            return Outcome(error=KeyReused())
        return Outcome(answer=outcome.answer, replayed=True)
    return _claimed_before(connection, state, submission)


def _claimed_before(connection: Connection, state: State, submission: Submission) -> Outcome | None:
    entry = state.facts["claims"].get(submission.claim)
    if entry is None:
        return None
    if entry.fingerprint != submission.fingerprint:
        return Outcome(error=KeyReused())
    return Outcome(answer=answers.rebuild(connection, entry), replayed=True)


def _decide(connection: Connection, state: State, submission: Submission) -> Any:
    command, caller = submission.command, submission.caller
    plain = _PLAIN.get(type(command))
    if plain is not None:
        return _snapshot(state, plain(state, command, caller))
    if isinstance(command, commands.RaiseAlerts):
        administration.find_standing(connection, state, command)
        return raise_alerts(connection, state)
    return _ALONE[type(command)](connection, state, command, caller)


def _note_unchanged(state: State, submission: Submission, answer: Any) -> None:
    """A command that changed nothing claims its key all the same: its repeat must not change anything either."""
    data: dict[str, Any]
    if isinstance(answer, Hold):
        kind, subject, data = "started", answer.allocation_id, {"hold": answer}
    elif isinstance(answer, Alert):
        kind, subject, data = "alert_changed", answer.alert_id, {"change": "acknowledged", "alert": answer}
    elif isinstance(answer, Policy):
        kind, subject, data = "policy_changed", answer.policy_id, {"before": answer, "after": answer}
    elif isinstance(answer, Budget):
        kind, subject, data = "budget_changed", answer.budget_id, {"before": answer, "after": answer}
    elif isinstance(answer, Issued):
        kind, subject = "key_changed", answer.key.key_id
        data = {"change": "unchanged", "before": as_journalled(answer.key), "after": as_journalled(answer.key)}
    elif isinstance(answer, told.Issued):
        kind, subject = "receiver_changed", answer.receiver.receiver_id
        after = told.as_journalled(answer.receiver)
        data = {"change": "unchanged", "name": answer.receiver.name, "before": after, "after": after}
    elif isinstance(answer, Model):
        kind, subject, data = "model_changed", f"{answer.provider}/{answer.model}", {"before": answer, "after": answer}
    else:
        return
    state.note(kind, subject, submission.caller, **data)


def _snapshot(state: State, answer: Any) -> Any:
    # A later command of the batch may change the same hold or record; the answer is what this one left. Records
    # made in this batch are known to nobody yet.
    if isinstance(answer, Record):
        return copy.copy(answer) if answer.record_id in state.changed_records else answer
    if isinstance(answer, Hold):
        return copy.copy(answer)
    if isinstance(answer, allocations.Grant | recording.Settled):
        answer.hold = copy.copy(answer.hold)
        if isinstance(answer, recording.Settled):
            answer.record = _snapshot(state, answer.record)
    elif isinstance(answer, tuple) and isinstance(answer[0], Hold):
        return copy.copy(answer[0]), *answer[1:]
    return answer


_ALONE = {**administration.ALONE, **imports.COMMANDS, **keys.COMMANDS, **notifications.COMMANDS, **forewarning.COMMANDS}

_PLAIN: dict[type[commands.Command], Callable[..., Any]] = {
    commands.Allocate: allocations.allocate,
    commands.RecordUsage: recording.record_usage,
    commands.Settle: recording.settle,
    commands.Correct: corrections.correct,
    commands.Void: corrections.void,
    commands.Start: allocations.start,
    commands.Extend: allocations.extend,
    commands.Increase: allocations.increase,
    commands.Release: allocations.release,
    commands.AcknowledgeAlert: alerts.acknowledge,
}


def raise_alerts(connection: Connection, state: State) -> list[Alert]:
    """Write the alerts of what was crossed, each once for ever (P12)."""
    candidates: dict[alerts.Key, Alert] = {}
    for crossing in state.crossings:
        alert = alerts.alert_of(state, crossing)
        candidates.setdefault(alerts.key_of(alert), alert)
    state.crossings.clear()
    known = stored_alerts.raised(connection, candidates) if candidates else set()
    raised = [alert for key, alert in candidates.items() if key not in known]
    for alert in raised:
        alerts.raise_alert(state, alert)
    return raised
