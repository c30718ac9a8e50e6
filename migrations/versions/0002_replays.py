"""Replays of dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replays",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("commit_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.Integer(), nullable=False),
        sa.Column("dead_letter_id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("log_id", "commit_id", "leaf", name=op.f("replays_pkey")),
    )
    op.create_index("replays_dead_letter_id_created_at_idx", "replays", ["dead_letter_id", "created_at"])
    op.create_index(
        "replays_settled_key",
        "replays",
        ["dead_letter_id"],
        unique=True,
        postgresql_where=sa.text("reason IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("replays")
