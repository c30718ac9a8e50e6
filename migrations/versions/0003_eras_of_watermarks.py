"""Eras of watermarks, and where the last record before one stands.

Expand only: a worker of the version before writes era 0, as everybody does until somebody moves a watermark. While
both versions run, its look-up of the last step sorts; finish the upgrade before you move a watermark.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("watermark_steps", sa.Column("era", sa.Integer(), server_default="0", nullable=False))
    op.add_column("watermark_steps", sa.Column("last_offset", sa.BigInteger(), nullable=True))
    op.drop_constraint("watermark_steps_pkey", "watermark_steps", type_="primary")
    op.create_primary_key(
        op.f("watermark_steps_pkey"), "watermark_steps", ["grp", "cluster", "topic", "part", "era", "from_offset"]
    )
