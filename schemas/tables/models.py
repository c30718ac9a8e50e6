"""Tables of the model registry. A model's files are no rows: they lie in the model store, named by their digest."""

import sqlalchemy as sa

from schemas.tables.base import created_at, metadata

# A version keeps its row for ever: results name it. `manifest` and `metrics` are JSON, kept as bytes because the leaves
# hold their digests.
models = sa.Table(
    "models",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("manifest", sa.LargeBinary, nullable=False),
    sa.Column("card", sa.Text, nullable=False),
    sa.Column("metrics", sa.LargeBinary, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    # Percent of the records that a candidate answers; a shadow answers all of them, and nobody listens.
    sa.Column("share", sa.SmallInteger, nullable=False),
    sa.Column("shadow", sa.Boolean, nullable=False),
    # The version that was active before this one.
    sa.Column("follows", sa.Text),
    created_at(),
    sa.CheckConstraint("stage IN ('candidate', 'active', 'retired')", name="models_stage"),
    sa.CheckConstraint("share BETWEEN 0 AND 99 AND (stage = 'candidate' OR share = 0)", name="models_share"),
    sa.CheckConstraint("NOT shadow OR (stage = 'candidate' AND share = 0)", name="models_shadow"),
    sa.Index("models_one_active", "name", unique=True, postgresql_where=sa.text("stage = 'active'")),
    sa.Index("models_one_trial", "name", unique=True, postgresql_where=sa.text("share > 0 OR shadow")),
)

# What a candidate said beside the active version: how often which pair of labels, agreement included. An empty label
# stands for no answer.
model_comparisons = sa.Table(
    "model_comparisons",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("active", sa.Text, primary_key=True),
    sa.Column("trial", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, primary_key=True),
    sa.Column("trial_label", sa.Text, primary_key=True),
    sa.Column("records", sa.BigInteger, nullable=False),
)
