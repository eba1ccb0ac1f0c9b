"""What the ledger keeps of a hold and of a usage: the fields, in the order of their columns.

They hold nothing but numbers and text, so the garbage collector need not look at them (`gc=False`).
"""

import msgspec

from budget.domain.policies import Scope

# Flags of a record or a hold; several may be set.
UNPRICED = 1
OVER_LIMIT = 2
PROVISIONAL = 4
ESTIMATED = 8
LATE = 16
PARTLY_PRICED = 32
TOTAL_DIFFERS = 64
COST_REPORTED = 128
PRICE_UNKNOWN = 256

FLAG_NAMES = {
    UNPRICED: "unpriced",
    OVER_LIMIT: "over_limit",
    PROVISIONAL: "provisional",
    ESTIMATED: "estimated",
    LATE: "late",
    PARTLY_PRICED: "partly_priced",
    TOTAL_DIFFERS: "total_differs",
    COST_REPORTED: "cost_reported",
    PRICE_UNKNOWN: "price_unknown",
}

ACTIVE_STATES = ("open", "started")


class Hold(msgspec.Struct, kw_only=True, gc=False):
    """An allocation: what it asked, what it still holds, what was drawn. Money in nanocents, instants in µs."""

    allocation_id: str
    budget_id: str
    context_id: str
    task_id: str | None
    component: str
    provider: str | None
    model: str | None
    tier: str
    task_type: str
    user_id: str | None
    key_id: str | None
    tags: str
    priority: int
    tokens_allocated: int
    input_tokens: int | None
    max_output_tokens: int | None
    tokens_used: int
    input_tokens_used: int
    output_tokens_used: int
    held_tokens: int
    held_cost: int
    estimated_cost: int
    actual_cost: int
    price_id: str | None
    flags: int
    state: str
    closed_by: str | None
    """`draw` when usage took its last token: it then still takes one settle (rule 4.3)."""
    records: int
    created_at: int
    """Decides its windows for ever; extending never moves it."""
    expires_at: int
    started_at: int | None
    updated_at: int
    provisional_record_id: str | None
    metadata: str

    @property
    def is_active(self) -> bool:
        """Whether it still holds something for a call."""
        return self.state in ACTIVE_STATES

    @property
    def scope(self) -> Scope:
        """What policies see of it."""
        return Scope(
            self.budget_id,
            self.tier,
            self.provider,
            self.model,
            self.component,
            self.task_type,
            self.user_id,
            self.key_id,
        )


class Record(msgspec.Struct, gc=False):
    """A usage: its frozen fields, counts (None: not known), cost in nanocents, and its place in time.

    The fields from `status` on are seldom anything but their default, and then not written: the columns have the
    same defaults.
    """

    seq: int
    """The journal entry that wrote it."""
    record_id: str
    allocation_id: str | None
    budget_id: str
    context_id: str | None
    task_id: str | None
    component: str
    provider: str | None
    model: str | None
    tier: str
    task_type: str
    user_id: str | None
    key_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int
    cost: int
    parts: str
    """JSON: part -> [count, nanocents]; the parts are disjoint and add up to the totals."""
    price_id: str | None
    flags: int
    occurred_at: int
    recorded_at: int
    booked_at: int
    hour_start: int
    day_start: int
    request_id: str | None = None
    status: str = "current"
    """`current`, `superseded` (a correction replaced it) or `void`."""
    tags: str = "{}"
    operation_id: str | None = None
    corrects: str | None = None
    corrected_by: str | None = None
    reason: str | None = None
    original_cost: str | None = None
    unknown_usage: str | None = None
    metadata: str = "{}"

    @property
    def scope(self) -> Scope:
        """What policies see of it."""
        return Scope(
            self.budget_id,
            self.tier,
            self.provider,
            self.model,
            self.component,
            self.task_type,
            self.user_id,
            self.key_id,
        )


class Alert(msgspec.Struct, kw_only=True):
    """One crossing: unique by policy, unit, limit value, window and threshold; never withdrawn (rule 2.10)."""

    alert_id: str
    seq: int
    budget_id: str | None
    policy_id: str | None
    unit: str
    limit_value: str
    window_key: str
    threshold: str
    severity: str
    type: str
    message: str
    details: str
    raised_at: int
    acknowledged_at: int | None
    acknowledged_by: str | None


class Decision(msgspec.Struct, kw_only=True):
    """A stored refusal, with everything that explains it (rule 10.4)."""

    decision_id: str
    decided_at: int
    operation: str
    verdict: str
    caller: str
    policy_id: str | None
    budget_id: str | None
    component: str | None
    repeats: int
    explanation: str


def parts_of(record: Record) -> dict[str, list[int]]:
    """A record's parts as they are stored: part -> [count, nanocents]."""
    parts: dict[str, list[int]] = msgspec.json.decode(record.parts)
    return parts
