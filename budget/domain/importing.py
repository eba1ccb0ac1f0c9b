"""What older ledgers knew, booked as it was and each thing once: usage and allocations (rules 4, 5, 8.2, 8.3).

A migration reads its sources outside and sends what it found as commands; here it is decided what is new. The keys are
the journal's own (rule 7), under a caller of their own, so that whoever migrates, each old record is booked once.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

import msgspec

from budget.domain import commands
from budget.domain.entries import Caller, Entry, encode
from budget.domain.errors import Invalid
from budget.domain.policies import Scope
from budget.domain.records import PRICE_UNKNOWN, Hold, Record
from budget.domain.state import State

IMPORTED = "imported"
EARLIER = "earlier"
"""By another run of the same migration: one that did not come to its end, or that goes on at the same time."""

PRESENT = "present"
"""An outcome that is none of these says why a thing was not imported."""

DIFFERS = "something else was imported under the same id"
TAKEN = "an allocation with this id exists already"


class ImportedUsage(msgspec.Struct, frozen=True, gc=False):
    """One usage record of an older ledger. Money in nanocents; counts that are not known are None."""

    key: str
    """What makes it the same record wherever its file lies."""
    fingerprint: bytes
    occurred_at: int
    month: str
    """As its old ledger's clock had it, such as 2025-06."""
    provider: str | None
    model: str | None
    component: str
    task_type: str
    context_id: str | None
    allocation_id: str | None
    operation_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    other_tokens: int
    """Known only from a total."""
    requests: int
    cost: int
    input_cost: int
    output_cost: int
    """What is known of the cost's split; the rest belongs to no part."""
    dollars: Decimal | None
    """The cost exactly as it was stored; None when it is not known."""
    flags: int
    metadata: str

    @property
    def total_tokens(self) -> int:
        """All its tokens, what is not known counted as none."""
        return (self.input_tokens or 0) + (self.output_tokens or 0) + self.other_tokens


class ImportedHold(msgspec.Struct, frozen=True, kw_only=True):
    """One allocation of an older ledger."""

    key: str
    fingerprint: bytes
    allocation_id: str
    context_id: str
    component: str
    provider: str | None
    model: str | None
    tier: str
    task_type: str
    priority: int
    tokens_allocated: int
    tokens_used: int
    created_at: int
    expires_at: int
    is_active: bool
    metadata: str

    @property
    def remaining(self) -> int:
        """What is left of it, as the old ledger saw it."""
        return max(0, self.tokens_allocated - self.tokens_used)


class ImportUsage(commands.Command, frozen=True, kw_only=True):
    """Book a part of an older ledger's records; those that are there already stay as they are."""

    operation: ClassVar[str] = "import_usage"
    alone: ClassVar[bool] = True

    migration_id: str
    budget_id: str
    source: str
    """A short name of the file it lies in, which holds each of them once."""
    usage: tuple[ImportedUsage, ...]


class ImportHolds(commands.Command, frozen=True, kw_only=True):
    """Take over a part of an older ledger's allocations: what is active goes on holding, the rest is history."""

    operation: ClassVar[str] = "import_allocations"
    alone: ClassVar[bool] = True

    migration_id: str
    budget_id: str
    source: str
    holds: tuple[ImportedHold, ...]


class Claim(NamedTuple):
    """What an import's key stands for: the entry that took it, and whose it is."""

    fingerprint: bytes | None
    subject: str
    migration_id: str
    source: str


class Claims(msgspec.Struct):
    """The keys that are taken; and for what was taken back again, the text under which it is claimed anew."""

    taken: dict[str, Claim]
    anew: Mapping[str, str]

    def text(self, key: str) -> str:
        """A key as the journal keeps it."""
        return self.anew.get(key) or claim_text(key)


def claim_text(key: str, generation: int = 1) -> str:
    """The key of an imported thing in the journal; a new one each time that its migration was undone."""
    return f"system\x1fimport\x1f{key}" if generation == 1 else f"system\x1fimport\x1f{key}#{generation}"


def import_usage(state: State, command: ImportUsage, claims: Claims, caller: Caller) -> list[str]:
    """Book what is new; gives what became of each record."""
    data, scopes = encode(provenance(command)).decode(), usage_scopes(state, command)
    outcomes = []
    for given in command.usage:
        claim = claims.taken.get(given.key)
        if claim is not None:
            outcomes.append(standing(claim, given.fingerprint, command))
            continue
        try:
            record = _book(state, given, scopes[_named(given)], claims.text(given.key), data, caller)
        except Invalid as error:
            outcomes.append(error.message)
            continue
        claims.taken[given.key] = Claim(given.fingerprint, record.record_id, command.migration_id, command.source)
        outcomes.append(IMPORTED)
    return outcomes


Names = tuple[str | None, str | None, str, str]


def _named(given: ImportedUsage) -> Names:
    return given.provider, given.model, given.component, given.task_type


def usage_scopes(state: State, command: ImportUsage) -> dict[Names, Scope]:
    """What policies see of these records, by their names; the tier is what the table of models says today."""
    scopes = {}
    for provider, model, component, task_type in dict.fromkeys(map(_named, command.usage)):
        tier = state.configuration.tier_of(component, provider, model, None)
        scope = Scope(command.budget_id, tier, provider, model, component, task_type, None, None)
        scopes[provider, model, component, task_type] = scope
    return scopes


def touching(state: State, command: ImportUsage) -> Iterator[tuple[ImportedUsage, Scope]]:
    """The records that some policy counts, with what it sees of them."""
    scopes = usage_scopes(state, command)
    counted = {names: scope for names, scope in scopes.items() if state.configuration.matching(scope)}
    if counted:
        for given in command.usage:
            scope = counted.get(_named(given))
            if scope is not None:
                yield given, scope


def provenance(command: ImportUsage | ImportHolds) -> dict[str, Any]:
    """What an entry says of where it came from."""
    return {"migration": command.migration_id, "source": command.source}


def standing(claim: Claim, fingerprint: bytes, command: ImportUsage | ImportHolds) -> str:
    """What becomes of a thing whose key is taken."""
    if claim.fingerprint != fingerprint:
        return DIFFERS
    mine = claim.migration_id == command.migration_id and claim.source == command.source
    return EARLIER if mine else PRESENT


def _book(state: State, given: ImportedUsage, scope: Scope, key: str, data: str, caller: Caller) -> Record:
    at, context_id, task_id = given.occurred_at, given.context_id, given.operation_id
    tokens, cost = given.total_tokens, given.cost
    place = state.place(scope, at)
    posted, over = state.post_usage(state.place_lines(place, context_id, task_id), tokens, cost)
    parts = _parts(given)
    budget_id, tier, provider, model, component, task_type, user_id, key_id = scope
    record = Record(  # by place, as in `bulk`: by name it costs twice as much
        state.next_seq, state.new_id(), given.allocation_id, budget_id, context_id, task_id, component, provider,
        model, tier, task_type, user_id, key_id, given.input_tokens, given.output_tokens, tokens, cost,
        encode(parts).decode(), None, given.flags | over, at, state.now, at, place.hour_start, place.day_start,
    )  # fmt: skip
    record.operation_id = task_id
    record.original_cost = None if given.dollars is None else str(given.dollars)
    record.metadata = given.metadata
    rollups = state.rollups.add_plain(place, record, parts)
    state.add_record(record)
    state.write(
        Entry(
            seq=0, at=state.now, kind="imported", caller=caller.name, subject=record.record_id, idempotency_key=key,
            fingerprint=given.fingerprint, context_id=context_id, task_id=task_id, postings=posted,
            rollups=f"[{rollups}]", flags=record.flags, data=data,
        )
    )  # fmt: skip
    return record


def _parts(given: ImportedUsage) -> dict[str, list[int]]:
    parts = {}
    if given.input_tokens or given.input_cost:
        parts["input"] = [given.input_tokens or 0, given.input_cost]
    if given.output_tokens or given.output_cost:
        parts["output"] = [given.output_tokens or 0, given.output_cost]
    unknown = given.cost - given.input_cost - given.output_cost
    if given.other_tokens or unknown:
        parts["other"] = [given.other_tokens, unknown]
    if given.requests:
        parts["requests"] = [given.requests, 0]
    return parts


# Allocations


def import_holds(
    state: State, command: ImportHolds, claims: Claims, caller: Caller, strangers: Sequence[str] = ()
) -> list[str]:
    """Take over what is new; gives what became of each. `strangers` are the ids that others have already."""
    outcomes = []
    for given in command.holds:
        claim = claims.taken.get(given.key)
        if claim is not None:
            outcomes.append(standing(claim, given.fingerprint, command))
            continue
        if given.allocation_id in strangers:
            outcomes.append(TAKEN)
            continue
        try:
            _take_over(state, command, given, claims.text(given.key), caller)
        except Invalid as error:
            outcomes.append(error.message)
            continue
        claims.taken[given.key] = Claim(given.fingerprint, given.allocation_id, command.migration_id, command.source)
        outcomes.append(IMPORTED)
    return outcomes


def hold_scope(budget_id: str, given: ImportedHold) -> Scope:
    """What policies see of an imported allocation."""
    return Scope(budget_id, given.tier, given.provider, given.model, given.component, given.task_type, None, None)


def state_of(given: ImportedHold, now: int) -> str:
    """What an old allocation is in this ledger; only an open one holds anything."""
    if given.remaining == 0:
        return "settled"
    if not given.is_active:
        return "released"
    return "open" if given.expires_at > now else "expired"


_CLOSED_BY = {"open": None, "settled": "draw", "released": "release", "expired": "expiry"}


def _take_over(state: State, command: ImportHolds, given: ImportedHold, key: str, caller: Caller) -> None:
    stands = state_of(given, state.now)
    hold = Hold(
        allocation_id=given.allocation_id,
        context_id=given.context_id,
        task_id=None,
        tags="{}",
        priority=given.priority,
        tokens_allocated=given.tokens_allocated,
        input_tokens=None,
        max_output_tokens=None,
        tokens_used=given.tokens_used,
        input_tokens_used=0,
        output_tokens_used=0,
        held_tokens=given.remaining if stands == "open" else 0,
        held_cost=0,
        estimated_cost=0,
        actual_cost=0,
        price_id=None,
        flags=PRICE_UNKNOWN,
        state=stands,
        closed_by=_CLOSED_BY[stands],
        records=0,
        created_at=given.created_at,
        expires_at=given.expires_at,
        started_at=None,
        updated_at=state.now,
        provisional_record_id=None,
        metadata=given.metadata,
        **hold_scope(command.budget_id, given)._asdict(),
    )
    postings = "[]"
    if hold.held_tokens:
        postings, _ = state.post([(state.hold_lines(hold), 0, hold.held_tokens, 0, 0)])
    if hold.allocation_id in state.holds:  # it was taken back by an undo, and comes again
        state.holds[hold.allocation_id] = hold
        state.changed_holds[hold.allocation_id] = hold
    else:
        state.add_hold(hold)
    entry_at = state.next_entry
    state.note(
        "imported", hold.allocation_id, caller, of=hold, postings=postings, flags=hold.flags,
        **provenance(command), hold=hold,
    )  # fmt: skip
    entry = state.entries[entry_at]
    entry.idempotency_key, entry.fingerprint = key, given.fingerprint
