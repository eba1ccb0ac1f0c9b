"""Who is told of alerts, what was and will be sent to them; changes of receivers are among those people make."""

import sqlalchemy as sa
from alembic import op

revision = "0005_receivers"
down_revision = "0004_api_keys"
branch_labels = None
depends_on = None

_BEFORE = (
    "kind IN ('alert_changed', 'budget_changed', 'corrected', 'key_changed', 'model_changed', 'policy_changed', "
    "'price_changed', 'released') AND caller <> 'system'"
)
_AFTER = _BEFORE.replace("'released'", "'receiver_changed', 'released'")


def upgrade() -> None:
    _index_changes(_AFTER)
    op.create_table(
        "receivers",
        sa.Column("receiver_id", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("receiver_id", name="pk_receivers"),
    )
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("receiver_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger()),
        sa.Column("status", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_deliveries"),
    )
    pending = sa.text("state = 'pending'")
    op.create_index(
        "ix_deliveries_due", "deliveries", ["receiver_id", "next_at"], sqlite_where=pending, postgresql_where=pending
    )
    op.create_index("ix_deliveries_created", "deliveries", ["created_at"])


def downgrade() -> None:
    op.drop_table("deliveries")
    op.drop_table("receivers")
    _index_changes(_BEFORE)


def _index_changes(condition: str) -> None:
    where = sa.text(condition)
    op.drop_index("ix_entries_audit", "entries")
    op.create_index("ix_entries_audit", "entries", ["seq"], sqlite_where=where, postgresql_where=where)
