"""People, API keys, policies, requests for access and the acts over them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def _created_at() -> sa.Column:
    return sa.Column(
        "created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("duties", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("jwk", JSONB, nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        _created_at(),
        sa.PrimaryKeyConstraint("person", name=op.f("people_pkey")),
        sa.UniqueConstraint("key", name=op.f("people_key_key")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("people_issuer_subject_key")),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("actions", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("projects", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("created", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("not_after", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("api_keys_pkey")),
    )
    op.create_table(
        "access_policies",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("based_on", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("proposer", sa.Text(), nullable=False),
        sa.Column("adopter", sa.Text(), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        _created_at(),
        sa.PrimaryKeyConstraint("version", name=op.f("access_policies_pkey")),
    )
    op.create_table(
        "access_requests",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("used", sa.BigInteger(), server_default="0", nullable=False),
        _created_at(),
        sa.PrimaryKeyConstraint("request_id", name=op.f("access_requests_pkey")),
    )
    op.create_table(
        "access_acts",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("act", sa.LargeBinary(), nullable=False),
        _created_at(),
        sa.PrimaryKeyConstraint("request_id", "n", name=op.f("access_acts_pkey")),
    )
    op.create_table(
        "access_changes",
        sa.Column("revision", sa.BigInteger(), sa.Identity(), nullable=False),
        _created_at(),
        sa.PrimaryKeyConstraint("revision", name=op.f("access_changes_pkey")),
    )


def downgrade() -> None:
    for table in ("access_changes", "access_acts", "access_requests", "access_policies", "api_keys", "people"):
        op.drop_table(table)
