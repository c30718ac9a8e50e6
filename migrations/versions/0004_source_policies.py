"""Policies of sources, and the revision of the key registry that each commit is checked against."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registry_changes",
        sa.Column("revision", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("revision", name=op.f("registry_changes_pkey")),
    )
    op.create_table(
        "source_policies",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("signatures", sa.SmallInteger(), nullable=False),
        sa.Column("algorithms", sa.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("source", "since", name=op.f("source_policies_pkey")),
    )


def downgrade() -> None:
    op.drop_table("source_policies")
    op.drop_table("registry_changes")
