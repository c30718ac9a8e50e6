"""Records that wait in a lane."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deferred",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.Integer(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("models", sa.Text(), nullable=False),
        sa.Column("deadline", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, server_default="accepted"),
        sa.Column("ended_commit", sa.BigInteger(), nullable=True),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("state IN ('accepted', 'done', 'failed')", name=op.f("deferred_state_check")),
        sa.PrimaryKeyConstraint("record_id", "commit_id", name=op.f("deferred_pkey")),
    )
    op.create_index(
        "deferred_waiting_key",
        "deferred",
        ["record_id"],
        unique=True,
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_index(
        "deferred_commit_id_idx",
        "deferred",
        ["commit_id"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32},
    )


def downgrade() -> None:
    op.drop_table("deferred")
