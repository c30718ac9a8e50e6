"""Policies of sources may judge `time` and `expirytime`."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("source_policies", sa.Column("max_age", sa.Interval(), nullable=True))
    op.add_column("source_policies", sa.Column("max_ahead", sa.Interval(), nullable=True))
    op.add_column("source_policies", sa.Column("expiry", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("source_policies", "expiry")
    op.drop_column("source_policies", "max_ahead")
    op.drop_column("source_policies", "max_age")
