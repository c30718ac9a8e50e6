"""Remember in which server a sequencing step's snapshot was taken; leaves brought back from the audit topic."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("log_steps", sa.Column("system_id", sa.BigInteger(), nullable=True))
    op.create_table(
        "recovered_leaves",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Uuid(), nullable=False),
        sa.Column("repeat", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "index", name=op.f("recovered_leaves_pkey")),
    )
    op.create_index("recovered_leaves_name_idx", "recovered_leaves", ["name"], unique=False)
    op.create_table(
        "recoveries",
        sa.Column("log_id", sa.Integer(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("end_index", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("log_id", "first_index", name=op.f("recoveries_pkey")),
    )


def downgrade() -> None:
    op.drop_table("recoveries")
    op.drop_table("recovered_leaves")
    op.drop_column("log_steps", "system_id")
