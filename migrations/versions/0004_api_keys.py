"""API keys with the hashes of their secrets, when each was last used, and an index of what people changed."""

import sqlalchemy as sa
from alembic import op

revision = "0004_api_keys"
down_revision = "0003_migrations"
branch_labels = None
depends_on = None


CHANGES = sa.text(
    "kind IN ('alert_changed', 'budget_changed', 'corrected', 'key_changed', 'model_changed', 'policy_changed', "
    "'price_changed', 'released') AND caller <> 'system'"
)


def upgrade() -> None:
    op.create_index("ix_entries_audit", "entries", ["seq"], sqlite_where=CHANGES, postgresql_where=CHANGES)
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
    )
    op.create_table(
        "api_key_uses",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_key_uses"),
    )


def downgrade() -> None:
    op.drop_table("api_key_uses")
    op.drop_table("api_keys")
    op.drop_index("ix_entries_audit", "entries")
