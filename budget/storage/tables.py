"""The tables. Money is whole nanocents, instants are whole microseconds since 1970 UTC, documents are JSON text.

Rows of `holds`, `usage_records`, `alerts`, `decisions` and `deliveries` have the fields of the domain's structs, in
their order.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    text,
)

from budget.domain import usage
from budget.domain.rollups import COUNTERS

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# 64 bits on SQLite; as wide as it must be on PostgreSQL.
Amount = BigInteger().with_variant(Numeric(38, 0), "postgresql")


def _whole(columns: list[str]) -> CheckConstraint:
    # SQLite would turn a sum past 64 bits into a float; a float is never money, so it is refused instead.
    conditions = " AND ".join(f"typeof({column}) = 'integer'" for column in columns)
    return CheckConstraint(conditions, name="whole_numbers").ddl_if(dialect="sqlite")


configuration = Table(
    "configuration",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("prices_version", BigInteger, nullable=False),
)

budgets = Table(
    "budgets",
    metadata,
    Column("budget_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("owner", Text),
    Column("time_zone", Text, nullable=False),
    Column("components", Text, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("metadata", Text, nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("policy_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("is_current", Boolean, nullable=False),
    Column("content", Text, nullable=False),
)
Index(
    "ix_policies_current",
    policies.c.policy_id,
    unique=True,
    sqlite_where=policies.c.is_current,
    postgresql_where=policies.c.is_current,
)

prices = Table(
    "prices",
    metadata,
    Column("price_id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("effective_at", BigInteger, nullable=False),
    Column("end_at", BigInteger),
    Column("rank", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Index("ix_prices_model", "provider", "model"),
)

price_lists = Table(
    "price_lists",
    metadata,
    Column("source", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("loaded_at", BigInteger, nullable=False),
    Column("added", Integer, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("content", Text, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("fingerprint", LargeBinary),
    Column("context_id", Text),
    Column("task_id", Text),
    Column("postings", Text, nullable=False),
    Column("rollups", Text, nullable=False),
    Column("flags", Integer, nullable=False),
    Column("data", Text),
)
# Most entries are usage that stands alone; its record knows its entry's number.
_about = entries.c.kind != "used"
Index("ix_entries_subject", entries.c.subject, sqlite_where=_about, postgresql_where=_about)
AUDITED = (
    "alert_changed", "budget_changed", "corrected", "key_changed", "model_changed", "policy_changed", "price_changed",
    "receiver_changed", "released",
)  # fmt: skip
"""The kinds of entries by which somebody changes something."""

AUDITED_SQL = f"kind IN ({', '.join(repr(kind) for kind in AUDITED)}) AND caller <> 'system'"
"""Also how the audit asks: SQLite uses a partial index only for a condition in the same words."""

Index("ix_entries_audit", entries.c.seq, sqlite_where=text(AUDITED_SQL), postgresql_where=text(AUDITED_SQL))
Index(
    "uq_entries_idempotency_key",
    entries.c.idempotency_key,
    unique=True,
    sqlite_where=entries.c.idempotency_key.is_not(None),
    postgresql_where=entries.c.idempotency_key.is_not(None),
)

batches = Table(
    "batches",
    metadata,
    Column("last_seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

journal_head = Table(
    "journal_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

posting_sets = Table(
    "posting_sets",
    metadata,
    Column("set_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
)

balances = Table(
    "balances",
    metadata,
    Column("policy_id", Text, primary_key=True),
    Column("window_key", Text, primary_key=True),
    Column("used_tokens", Amount, nullable=False),
    Column("held_tokens", Amount, nullable=False),
    Column("used_cost", Amount, nullable=False),
    Column("held_cost", Amount, nullable=False),
    Column("touched_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

holds = Table(
    "holds",
    metadata,
    Column("allocation_id", Text, primary_key=True),
    Column("budget_id", Text, nullable=False),
    Column("context_id", Text, nullable=False),
    Column("task_id", Text),
    Column("component", Text, nullable=False),
    Column("provider", Text),
    Column("model", Text),
    Column("tier", Text, nullable=False),
    Column("task_type", Text, nullable=False),
    Column("user_id", Text),
    Column("key_id", Text),
    Column("tags", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tokens_allocated", BigInteger, nullable=False),
    Column("input_tokens", BigInteger),
    Column("max_output_tokens", BigInteger),
    Column("tokens_used", BigInteger, nullable=False),
    Column("input_tokens_used", BigInteger, nullable=False),
    Column("output_tokens_used", BigInteger, nullable=False),
    Column("held_tokens", BigInteger, nullable=False),
    Column("held_cost", Amount, nullable=False),
    Column("estimated_cost", Amount, nullable=False),
    Column("actual_cost", Amount, nullable=False),
    Column("price_id", Text),
    Column("flags", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("closed_by", Text),
    Column("records", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("updated_at", BigInteger, nullable=False),
    Column("provisional_record_id", Text),
    Column("metadata", Text, nullable=False),
    Index("ix_holds_context", "context_id"),
    Index("ix_holds_created", "created_at"),
)
_active = holds.c.state.in_(("open", "started"))
Index("ix_holds_due", holds.c.expires_at, sqlite_where=_active, postgresql_where=_active)
Index(
    "ix_holds_task",
    holds.c.task_id,
    sqlite_where=holds.c.task_id.is_not(None),
    postgresql_where=holds.c.task_id.is_not(None),
)

usage_records = Table(
    "usage_records",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("record_id", Text, nullable=False),
    Column("allocation_id", Text),
    Column("budget_id", Text, nullable=False),
    Column("context_id", Text),
    Column("task_id", Text),
    Column("component", Text, nullable=False),
    Column("provider", Text),
    Column("model", Text),
    Column("tier", Text, nullable=False),
    Column("task_type", Text, nullable=False),
    Column("user_id", Text),
    Column("key_id", Text),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("total_tokens", BigInteger, nullable=False),
    Column("cost", Amount, nullable=False),
    Column("parts", Text, nullable=False),
    Column("price_id", Text),
    Column("flags", Integer, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("booked_at", BigInteger, nullable=False),
    Column("hour_start", BigInteger, nullable=False),
    Column("day_start", BigInteger, nullable=False),
    Column("request_id", Text),
    Column("status", Text, nullable=False, server_default="current"),
    Column("tags", Text, nullable=False, server_default="{}"),
    Column("operation_id", Text),
    Column("corrects", Text),
    Column("corrected_by", Text),
    Column("reason", Text),
    Column("original_cost", Text),
    Column("unknown_usage", Text),
    Column("metadata", Text, nullable=False, server_default="{}"),
    Index("uq_usage_records_record_id", "record_id", unique=True),
    Index("ix_usage_records_occurred", "occurred_at"),
    Index("ix_usage_records_booked", "booked_at"),
)
for _name in ("context_id", "allocation_id", "task_id"):
    _column = usage_records.c[_name]
    Index(
        f"ix_usage_records_{_name}",
        _column,
        sqlite_where=_column.is_not(None),
        postgresql_where=_column.is_not(None),
    )
_unpriced = usage_records.c.flags.op("&")(1) != 0
Index(
    "ix_usage_records_unpriced",
    usage_records.c.provider,
    usage_records.c.model,
    sqlite_where=_unpriced,
    postgresql_where=_unpriced,
)

rollup_keys = Table(
    "rollup_keys",
    metadata,
    Column("key_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("budget_id", Text, nullable=False),
    Column("provider", Text),
    Column("model", Text),
    Column("component", Text, nullable=False),
    Column("task_type", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("label_kind", Text, nullable=False),
    Column("label", Text, nullable=False),
)

MEASURES = (
    *COUNTERS,
    *(f"{part}_count" for part in usage.PARTS),
    *(f"{part}_cost" for part in usage.PARTS),
)
"""The columns of a rollup that add up: counters, then a count and a cost in nanocents for each part."""

rollups = Table(
    "rollups",
    metadata,
    Column("grain", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("key_id", BigInteger, primary_key=True),
    *(Column(name, Amount, nullable=False) for name in MEASURES),
    _whole(list(MEASURES)),
    sqlite_with_rowid=False,
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("budget_id", Text),
    Column("policy_id", Text),
    Column("unit", Text, nullable=False),
    Column("limit_value", Text, nullable=False),
    Column("window_key", Text, nullable=False),
    Column("threshold", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    Column("acknowledged_at", BigInteger),
    Column("acknowledged_by", Text),
    Index("uq_alerts_crossing", "policy_id", "unit", "limit_value", "window_key", "threshold", unique=True),
    Index("ix_alerts_raised", "raised_at"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("decided_at", BigInteger, nullable=False),
    Column("operation", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("policy_id", Text),
    Column("budget_id", Text),
    Column("component", Text),
    Column("repeats", BigInteger, nullable=False),
    Column("explanation", Text, nullable=False),
    Index("ix_decisions_decided", "decided_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("content", Text, nullable=False),
)

api_key_uses = Table(
    "api_key_uses",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("used_at", BigInteger, nullable=False),
)

receivers = Table(
    "receivers",
    metadata,
    Column("receiver_id", Text, primary_key=True),
    Column("content", Text, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    Column("receiver_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("seq", BigInteger),
    Column("state", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("delivered_at", BigInteger),
    Column("status", BigInteger),
    Column("error", Text),
    Column("body", Text, nullable=False),
    Index(
        "ix_deliveries_due",
        "receiver_id",
        "next_at",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
    Index("ix_deliveries_created", "created_at"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("leased_until", BigInteger, nullable=False),
)

migrations = Table(
    "migrations",
    metadata,
    Column("migration_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("budget_id", Text, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("report", Text, nullable=False),
)
