"""Versions of the keys of blind terms."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "index_keys",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("after_commit", sa.BigInteger(), nullable=False, server_default="-1"),
        sa.Column("after_leaf", sa.Integer(), nullable=False, server_default="-1"),
        sa.Column("end_commit", sa.BigInteger(), nullable=False),
        sa.Column("exchanged", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("finished", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        sa.PrimaryKeyConstraint("tenant", "field", "version", name=op.f("index_keys_pkey")),
    )


def downgrade() -> None:
    op.drop_table("index_keys")
