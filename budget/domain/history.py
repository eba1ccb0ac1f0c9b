"""A hold or a record as it was when an entry was written, whatever has become of it since."""

from typing import Any

import msgspec

from budget.domain.entries import Entry, encode
from budget.domain.records import ESTIMATED, UNPRICED, Hold, Record


def granted(hold: Hold, entry: Entry, data: dict[str, Any]) -> Hold:
    """An allocation as it was granted; `data` is the entry's."""
    _, _, tokens, _, cost = msgspec.json.decode(entry.postings)[0]
    return msgspec.structs.replace(
        hold,
        tokens_allocated=tokens,
        tokens_used=0,
        input_tokens_used=0,
        output_tokens_used=0,
        held_tokens=tokens,
        held_cost=cost,
        estimated_cost=cost,
        actual_cost=0,
        flags=entry.flags,
        state="open",
        closed_by=None,
        records=0,
        expires_at=data["expires_at"],
        started_at=None,
        updated_at=hold.created_at,
        provisional_record_id=None,
    )


def booked(record: Record, entry: Entry, data: dict[str, Any]) -> Record:
    """A record as an entry booked or priced it; `data` is the entry's."""
    parts = msgspec.json.decode(entry.rollups)[-1][5]
    price_id = data.get("price", record.price_id)
    if entry.flags & UNPRICED:
        price_id = "unpriced" if entry.flags & ESTIMATED else None
    return msgspec.structs.replace(
        record,
        cost=sum(cost for _, cost in parts.values()),
        parts=encode(parts).decode(),
        price_id=price_id,
        flags=entry.flags,
        status="current",
        corrected_by=None,
        reason=record.reason if record.corrects is not None else None,
    )
