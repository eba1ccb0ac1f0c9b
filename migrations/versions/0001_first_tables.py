"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001_first_tables"
down_revision = None
branch_labels = None
depends_on = None

# Money and token sums: 64 bits on SQLite, as wide as they must be on PostgreSQL.
AMOUNT = sa.BigInteger().with_variant(sa.Numeric(38, 0), "postgresql")
# A primary key that SQLite keeps as its row id.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MEASURES = (
    "count",
    "unpriced_count",
    "unpriced_tokens",
    "estimated_count",
    "estimated_tokens",
    "provisional_count",
    "provisional_cost",
    "input_count",
    "cache_read_count",
    "cache_write_count",
    "cache_write_1h_count",
    "input_audio_count",
    "input_image_count",
    "input_video_count",
    "output_count",
    "reasoning_count",
    "output_audio_count",
    "other_count",
    "images_count",
    "milliseconds_count",
    "pages_count",
    "web_searches_count",
    "requests_count",
    "input_cost",
    "cache_read_cost",
    "cache_write_cost",
    "cache_write_1h_cost",
    "input_audio_cost",
    "input_image_cost",
    "input_video_cost",
    "output_cost",
    "reasoning_cost",
    "output_audio_cost",
    "other_cost",
    "images_cost",
    "milliseconds_cost",
    "pages_cost",
    "web_searches_cost",
    "requests_cost",
)
# SQLite would turn a sum past 64 bits into a float; a float is never money, so it is refused instead.
WHOLE_NUMBERS = sa.CheckConstraint(
    " AND ".join(f"typeof({name}) = 'integer'" for name in MEASURES), name="ck_rollups_whole_numbers"
).ddl_if(dialect="sqlite")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("budget_id", sa.Text(), nullable=True),
        sa.Column("policy_id", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("limit_value", sa.Text(), nullable=False),
        sa.Column("window_key", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
    )
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.create_index("ix_alerts_raised", ["raised_at"], unique=False)
        batch_op.create_index(
            "uq_alerts_crossing", ["policy_id", "unit", "limit_value", "window_key", "threshold"], unique=True
        )

    op.create_table(
        "balances",
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("window_key", sa.Text(), nullable=False),
        sa.Column("used_tokens", AMOUNT, nullable=False),
        sa.Column("held_tokens", AMOUNT, nullable=False),
        sa.Column("used_cost", AMOUNT, nullable=False),
        sa.Column("held_cost", AMOUNT, nullable=False),
        sa.Column("touched_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("policy_id", "window_key", name=op.f("pk_balances")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "batches",
        sa.Column("last_seq", NUMBER, autoincrement=False, nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("last_seq", name=op.f("pk_batches")),
    )
    op.create_table(
        "budgets",
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("components", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("budget_id", name=op.f("pk_budgets")),
    )
    op.create_table(
        "configuration",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("prices_version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_configuration")),
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=True),
        sa.Column("budget_id", sa.Text(), nullable=True),
        sa.Column("component", sa.Text(), nullable=True),
        sa.Column("repeats", sa.BigInteger(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions")),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index("ix_decisions_decided", ["decided_at"], unique=False)

    op.create_table(
        "entries",
        sa.Column("seq", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("context_id", sa.Text(), nullable=True),
        sa.Column("task_id", sa.Text(), nullable=True),
        sa.Column("postings", sa.Text(), nullable=False),
        sa.Column("rollups", sa.Text(), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_entries")),
    )
    with op.batch_alter_table("entries", schema=None) as batch_op:
        batch_op.create_index(
            "ix_entries_subject",
            ["subject"],
            unique=False,
            sqlite_where=sa.text("kind != 'used'"),
            postgresql_where=sa.text("kind != 'used'"),
        )
        batch_op.create_index(
            "uq_entries_idempotency_key",
            ["idempotency_key"],
            unique=True,
            sqlite_where=sa.text("idempotency_key IS NOT NULL"),
            postgresql_where=sa.text("idempotency_key IS NOT NULL"),
        )

    op.create_table(
        "holds",
        sa.Column("allocation_id", sa.Text(), nullable=False),
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("context_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=True),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("task_type", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("tokens_allocated", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("max_output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("tokens_used", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens_used", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens_used", sa.BigInteger(), nullable=False),
        sa.Column("held_tokens", sa.BigInteger(), nullable=False),
        sa.Column("held_cost", AMOUNT, nullable=False),
        sa.Column("estimated_cost", AMOUNT, nullable=False),
        sa.Column("actual_cost", AMOUNT, nullable=False),
        sa.Column("price_id", sa.Text(), nullable=True),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("provisional_record_id", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("allocation_id", name=op.f("pk_holds")),
    )
    with op.batch_alter_table("holds", schema=None) as batch_op:
        batch_op.create_index("ix_holds_context", ["context_id"], unique=False)
        batch_op.create_index("ix_holds_created", ["created_at"], unique=False)
        batch_op.create_index(
            "ix_holds_due",
            ["expires_at"],
            unique=False,
            sqlite_where=sa.text("state IN ('open', 'started')"),
            postgresql_where=sa.text("state IN ('open', 'started')"),
        )
        batch_op.create_index(
            "ix_holds_task",
            ["task_id"],
            unique=False,
            sqlite_where=sa.text("task_id IS NOT NULL"),
            postgresql_where=sa.text("task_id IS NOT NULL"),
        )

    op.create_table(
        "journal_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_head")),
    )
    op.create_table(
        "models",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "model", name=op.f("pk_models")),
    )
    op.create_table(
        "policies",
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("policy_id", "version", name=op.f("pk_policies")),
    )
    with op.batch_alter_table("policies", schema=None) as batch_op:
        batch_op.create_index(
            "ix_policies_current",
            ["policy_id"],
            unique=True,
            sqlite_where=sa.text("is_current"),
            postgresql_where=sa.text("is_current"),
        )

    op.create_table(
        "posting_sets",
        sa.Column("set_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("set_id", name=op.f("pk_posting_sets")),
    )
    op.create_table(
        "price_lists",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("loaded_at", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source", "version", name=op.f("pk_price_lists")),
    )
    op.create_table(
        "prices",
        sa.Column("price_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("end_at", sa.BigInteger(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("price_id", name=op.f("pk_prices")),
    )
    with op.batch_alter_table("prices", schema=None) as batch_op:
        batch_op.create_index("ix_prices_model", ["provider", "model"], unique=False)

    op.create_table(
        "rollup_keys",
        sa.Column("key_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("task_type", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("label_kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_rollup_keys")),
    )
    op.create_table(
        "rollups",
        sa.Column("grain", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        *(sa.Column(name, AMOUNT, nullable=False) for name in MEASURES),
        WHOLE_NUMBERS,
        sa.PrimaryKeyConstraint("grain", "start", "key_id", name=op.f("pk_rollups")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_records",
        sa.Column("seq", NUMBER, autoincrement=False, nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("allocation_id", sa.Text(), nullable=True),
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("context_id", sa.Text(), nullable=True),
        sa.Column("task_id", sa.Text(), nullable=True),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("task_type", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("total_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost", AMOUNT, nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.Column("price_id", sa.Text(), nullable=True),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("booked_at", sa.BigInteger(), nullable=False),
        sa.Column("hour_start", sa.BigInteger(), nullable=False),
        sa.Column("day_start", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="current", nullable=False),
        sa.Column("tags", sa.Text(), server_default="{}", nullable=False),
        sa.Column("operation_id", sa.Text(), nullable=True),
        sa.Column("corrects", sa.Text(), nullable=True),
        sa.Column("corrected_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("original_cost", sa.Text(), nullable=True),
        sa.Column("unknown_usage", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_usage_records")),
    )
    with op.batch_alter_table("usage_records", schema=None) as batch_op:
        batch_op.create_index(
            "ix_usage_records_allocation_id",
            ["allocation_id"],
            unique=False,
            sqlite_where=sa.text("allocation_id IS NOT NULL"),
            postgresql_where=sa.text("allocation_id IS NOT NULL"),
        )
        batch_op.create_index("ix_usage_records_booked", ["booked_at"], unique=False)
        batch_op.create_index(
            "ix_usage_records_context_id",
            ["context_id"],
            unique=False,
            sqlite_where=sa.text("context_id IS NOT NULL"),
            postgresql_where=sa.text("context_id IS NOT NULL"),
        )
        batch_op.create_index("ix_usage_records_occurred", ["occurred_at"], unique=False)
        batch_op.create_index(
            "ix_usage_records_task_id",
            ["task_id"],
            unique=False,
            sqlite_where=sa.text("task_id IS NOT NULL"),
            postgresql_where=sa.text("task_id IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_usage_records_unpriced",
            ["provider", "model"],
            unique=False,
            sqlite_where=sa.text("(flags & 1) != 0"),
            postgresql_where=sa.text("(flags & 1) != 0"),
        )
        batch_op.create_index("uq_usage_records_record_id", ["record_id"], unique=True)
    op.execute("INSERT INTO configuration (id, version, prices_version) VALUES (1, 1, 1)")
    op.bulk_insert(
        sa.table("journal_head", sa.column("id"), sa.column("seq"), sa.column("at"), sa.column("hash")),
        [{"id": 1, "seq": 0, "at": 0, "hash": b""}],
    )


def downgrade() -> None:
    op.drop_table("usage_records")
    op.drop_table("rollups")
    op.drop_table("rollup_keys")
    op.drop_table("prices")
    op.drop_table("price_lists")
    op.drop_table("posting_sets")
    op.drop_table("policies")
    op.drop_table("models")
    op.drop_table("journal_head")
    op.drop_table("holds")
    op.drop_table("entries")
    op.drop_table("decisions")
    op.drop_table("configuration")
    op.drop_table("budgets")
    op.drop_table("batches")
    op.drop_table("balances")
    op.drop_table("alerts")
