"""What a tier key seals with."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tier_keys", sa.Column("suite", sa.Text(), nullable=False, server_default="aes-256-gcm"))


def downgrade() -> None:
    op.drop_column("tier_keys", "suite")
