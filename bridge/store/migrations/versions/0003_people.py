"""what people decide for themselves: rules, subscriptions, tokens, and not to be kept."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the store to this revision."""
    op.create_table(
        "rule",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("decision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "kind", "who"),
    )
    op.create_table(
        "subscription",
        sa.Column("watcher", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("event", sa.String(11), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("expires", sa.Float()),
        sa.PrimaryKeyConstraint("watcher", "target"),
    )
    op.create_table(
        "look",
        sa.Column("watcher", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("last", sa.Float(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("watcher", "target"),
    )
    op.create_index("ix_look_last", "look", ["last"])
    op.create_table(
        "token",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_token_owner", "token", ["owner"])
    op.create_table(
        "unkept",
        sa.Column("owner", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )
