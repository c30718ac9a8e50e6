"""The order in which results are listed, page by page."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("results_newest_idx", "results", [sa.text("created_at DESC"), "record_id"], unique=False)


def downgrade() -> None:
    op.drop_index("results_newest_idx", table_name="results")
