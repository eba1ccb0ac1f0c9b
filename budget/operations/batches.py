"""Many usage records in one commit, each accepted, a duplicate, or refused by itself."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from budget.domain import commands
from budget.domain.entries import ANONYMOUS, Caller
from budget.domain.errors import BudgetError, Invalid
from budget.domain.recording import Settled
from budget.engine.ledger import Ledger, Outcome, Submission
from budget.operations import bodies, confinement

MAX_RECORDS: Final = 10_000
_AT_A_TIME: Final = 1_000
"""Records decoded before others on the loop get their turn."""


class Records(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The records, each as it came: one that cannot be read does not spoil the others."""

    records: list[msgspec.Raw]


async def record(
    ledger: Ledger,
    records: Sequence[Any],
    caller: Caller = ANONYMOUS,
    key: str | None = None,
    *,
    may_hold_nul: bool = True,
) -> dict[str, Any]:
    """Decode each record that is not yet, submit those that can be read, and say what became of each.

    With a key, that of record i is `key:i`; else it is the record's own `request_id` (rule 7.4).
    """
    if len(records) > MAX_RECORDS:
        raise Invalid("records", f"a batch has at most {MAX_RECORDS:,} records; this one has {len(records):,}")
    results: list[dict[str, Any]] = [{}] * len(records)
    places: list[int] = []
    submissions: list[Submission] = []
    for start in range(0, len(records), _AT_A_TIME):
        if start:
            await asyncio.sleep(0)
        for index in range(start, min(start + _AT_A_TIME, len(records))):
            own_key = None if key is None else f"{key}:{index}"
            try:
                submission = _submission(records[index], caller, own_key, may_hold_nul=may_hold_nul)
                if caller.is_bound:
                    submission.command = await confinement.confined(
                        "record_usage", reads=False, ledger=ledger, asked=submission.command, caller=caller
                    )
            except BudgetError as error:
                results[index] = _refused(index, error)
            else:
                places.append(index)
                submissions.append(submission)
    outcomes = await ledger.submit_many(submissions) if submissions else []
    counts = _fill(results, places, outcomes)
    return {**counts, "refused": len(records) - sum(counts.values()), "results": results}


_record: Final = bodies.body_of(commands.RecordUsage)


def _submission(raw: Any, caller: Caller, key: str | None, *, may_hold_nul: bool) -> Submission:
    if isinstance(raw, commands.RecordUsage):
        command = raw
        _record.check(command)
    else:
        command = _record.read(raw)
    if may_hold_nul:
        bodies.refuse_nul(command)
    own = command.request_id if key is None else key
    if own is None:
        return Submission(command, caller)
    return Submission(command, caller, own, commands.fingerprint(command))


def _fill(results: list[dict[str, Any]], places: list[int], outcomes: list[Outcome]) -> dict[str, int]:
    accepted = duplicates = 0
    for index, outcome in zip(places, outcomes, strict=True):
        if outcome.error is not None:
            results[index] = _refused(index, outcome.error)
            continue
        answer = outcome.answer
        booked = answer.record if isinstance(answer, Settled) else answer
        if outcome.replayed:
            duplicates += 1
        else:
            accepted += 1
        results[index] = {
            "index": index,
            "status": "duplicate" if outcome.replayed else "accepted",
            "record_id": booked.record_id,
            "error": None,
        }
    return {"accepted": accepted, "duplicates": duplicates}


def _refused(index: int, error: BudgetError) -> dict[str, Any]:
    return {
        "index": index,
        "status": "refused",
        "record_id": None,
        "error": {"code": error.code, "message": error.message, "field": error.details.get("field")},
    }
