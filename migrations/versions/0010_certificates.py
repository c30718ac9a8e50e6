"""Keys keep the chain of certificates they were imported with; certificate revocation lists are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signing_keys", sa.Column("chain", sa.ARRAY(sa.LargeBinary()), nullable=True))
    op.create_table(
        "certificates",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("certificates_pkey")),
    )
    op.create_table(
        "revocation_lists",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.LargeBinary(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("this_update", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("next_update", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("revocation_lists_pkey")),
    )
    op.create_index("revocation_lists_scope_idx", "revocation_lists", ["scope", "created_at"])


def downgrade() -> None:
    op.drop_table("revocation_lists")
    op.drop_table("certificates")
    op.drop_column("signing_keys", "chain")
