"""what people decide for themselves: rules, subscriptions, tokens; what is kept of what they said."""

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
        sa.Column("changed", sa.Float(), nullable=False),
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
        "archive",
        sa.Column("event_id", sa.String(26), nullable=False),
        sa.Column("network", sa.String(16), nullable=False),
        sa.Column("native_id", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("room", sa.String()),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("sender_name", sa.String(), nullable=False),
        sa.Column("recipient", sa.String()),
        sa.Column("replaces", sa.String()),
        sa.Column("when", sa.Float(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("ix_archive_when", "archive", ["when"])
    op.create_index("ix_archive_replaces", "archive", ["network", "replaces"])
    op.create_index("ix_archive_native", "archive", ["network", "native_id"])
    op.create_index("ix_archive_sender", "archive", ["sender"])
    op.create_table(
        "unkept",
        sa.Column("owner", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )
