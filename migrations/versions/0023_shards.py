"""Shards of tenants' logs after the first, which is the row of `logs` itself; and which of all are held outside."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shards",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("tree_id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("key", sa.Integer(), server_default="0", nullable=False),
        sa.Column("closing", sa.BigInteger(), nullable=True),
        sa.Column("start", sa.BigInteger(), nullable=True),
        sa.Column("lost", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        sa.PrimaryKeyConstraint("log_id", "n", name=op.f("shards_pkey")),
        sa.UniqueConstraint("tree_id", name=op.f("shards_tree_id_key")),
        sa.UniqueConstraint("origin", name=op.f("shards_origin_key")),
        sa.CheckConstraint("n > 0 AND lost >= 0", name=op.f("shards_after_the_first")),
    )
    # One that is not open yet has no place of its first leaf: there is never more than one of a log.
    op.create_index("shards_one_next", "shards", ["log_id"], unique=True, postgresql_where=sa.text("start IS NULL"))
    op.create_table(
        "dropped_shards",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        sa.PrimaryKeyConstraint("log_id", "n", name=op.f("dropped_shards_pkey")),
    )


def downgrade() -> None:
    op.drop_table("dropped_shards")
    op.drop_table("shards")
