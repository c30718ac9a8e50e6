"""The API's process may put registered models in force, by a person's signature (docs/decisions/0081)."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

ROLE = "sealstream_api"
COLUMNS = "metrics, stage, share, shadow, follows"


def upgrade() -> None:
    op.execute(f"GRANT UPDATE ({COLUMNS}) ON models TO {ROLE}")


def downgrade() -> None:
    op.execute(f"REVOKE UPDATE ({COLUMNS}) ON models FROM {ROLE}")
