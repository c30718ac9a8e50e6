"""The registry of models, and what candidates said beside the active ones."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("metrics", sa.LargeBinary(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("share", sa.SmallInteger(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("follows", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.TIMESTAMP(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("models_pkey")),
        sa.UniqueConstraint("digest", name=op.f("models_digest_key")),
        sa.CheckConstraint("stage IN ('candidate', 'active', 'retired')", name=op.f("models_stage")),
        sa.CheckConstraint("share BETWEEN 0 AND 99 AND (stage = 'candidate' OR share = 0)", name=op.f("models_share")),
        sa.CheckConstraint("NOT shadow OR (stage = 'candidate' AND share = 0)", name=op.f("models_shadow")),
    )
    op.create_index("models_one_active", "models", ["name"], unique=True, postgresql_where=sa.text("stage = 'active'"))
    op.create_index(
        "models_one_trial", "models", ["name"], unique=True, postgresql_where=sa.text("share > 0 OR shadow")
    )
    op.create_table(
        "model_comparisons",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("active", sa.Text(), nullable=False),
        sa.Column("trial", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("trial_label", sa.Text(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "active", "trial", "label", "trial_label", name=op.f("model_comparisons_pkey")),
    )


def downgrade() -> None:
    op.drop_table("model_comparisons")
    op.drop_table("models")
