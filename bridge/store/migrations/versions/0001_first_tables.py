"""first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def where(condition: str) -> dict[str, sa.TextClause]:
    """Makes an index partial, on either database."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Bring the store to this revision."""
    op.create_table(
        "barred",
        sa.Column("network", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("cause", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("network", "place", "address"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("network", sa.String(length=16), nullable=False),
        sa.Column("native_id", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("place_kind", sa.String(length=8), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("sender_name", sa.String(), nullable=False),
        sa.Column("when", sa.Float(), nullable=False),
        sa.Column("received", sa.Float(), nullable=False),
        sa.Column("protection", sa.String(length=16), nullable=False),
        sa.Column("hops", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("network", "native_id", name=op.f("uq_event_network_native_id")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_received"), ["received"], unique=False)
        batch_op.create_index("ix_event_said", ["network", "place", "when"], unique=False)
        batch_op.create_index(
            "ix_event_long_sender", ["network", "sender"], unique=False, **where("length(sender) > 40")
        )

    op.create_table(
        "member",
        sa.Column("network", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("network", "place", "address"),
    )
    op.create_table(
        "memory",
        sa.Column("network", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("network", "key"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("network", sa.String(length=16), nullable=False),
        sa.Column("native_id", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("when", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "setting",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "topic",
        sa.Column("network", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("seen", sa.String(), nullable=True),
        sa.Column("wanted", sa.String(), nullable=True),
        sa.Column("heard", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("network", "place"),
    )
    op.create_table(
        "body",
        sa.Column("event_id", sa.String(length=26), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_table(
        "delivery",
        sa.Column("event_id", sa.String(length=26), nullable=False),
        sa.Column("network", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("place_kind", sa.String(length=8), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("event_id", "network", "place"),
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_number", ["network", "place", "seq"], unique=False)
        batch_op.create_index(
            "ix_delivery_open",
            ["network", "place", "seq"],
            unique=False,
            **where("state IN ('queued', 'sending')"),
        )
        batch_op.create_index(
            "ix_delivery_untold",
            ["updated"],
            unique=False,
            **where("state IN ('failed', 'expired') AND NOT told"),
        )

    op.create_table(
        "part",
        sa.Column("event_id", sa.String(length=26), nullable=False),
        sa.Column("network", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("native_id", sa.String(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("event_id", "network", "place", "part"),
    )
    with op.batch_alter_table("part", schema=None) as batch_op:
        batch_op.create_index("ix_part_native", ["network", "native_id"], unique=False)
