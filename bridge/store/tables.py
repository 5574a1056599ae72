"""The tables. `migrations/` brings an older store to this shape; a test compares the two."""

from sqlalchemy import (
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from bridge.model.native import bounded

metadata = MetaData(naming_convention={"ix": "ix_%(column_0_N_label)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"})


class Words(TypeDecorator[str]):
    """Text of any length from anywhere. PostgreSQL takes no NUL in text, and one person's must not spoil the batch of
    many: it is kept as U+FFFD, on SQLite too."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """On the way into the database."""
        return value if value is None else value.replace("\0", "\ufffd")


class NativeId(Words):
    """What a network calls something, bounded (`bridge.model.native`): a query by a long one finds it, too."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """On the way into the database."""
        return value if value is None else bounded(value)


# Conditions of partial indexes. A query must say the same words, not bind values, or the whole table is read.
IS_OPEN = "delivery.state IN ('queued', 'sending')"
IS_UNTOLD = "delivery.state IN ('failed', 'expired') AND NOT delivery.told"

LONG_SENDER = 40
"""Characters of a native id beyond which senders are indexed: an encoded name may then be a hash."""


def _partial(name: str, *columns: str, where: str) -> Index:
    """An index over the rows of which `where` is true, on either database."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


# What came in. A known origin is never taken in again, which is why these rows outlive their bodies (`keep_map`).
event = Table(
    "event",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("network", String(16), nullable=False),
    Column("native_id", NativeId, nullable=False),
    Column("place", Words, nullable=False),
    Column("place_kind", String(8), nullable=False),
    Column("sender", Words, nullable=False),
    Column("sender_name", Words, nullable=False),
    Column("when", Float, nullable=False),
    Column("received", Float, nullable=False, index=True),
    Column("protection", String(16), nullable=False),
    Column("hops", Integer, nullable=False),
    UniqueConstraint("network", "native_id"),
    Index("ix_event_said", "network", "place", "when"),
    _partial("ix_event_long_sender", "network", "sender", where=f"length(sender) > {LONG_SENDER}"),
)

# What was said. Apart, so that it can be erased when all deliveries have ended (`keep_bodies`).
body = Table(
    "body",
    metadata,
    Column("event_id", String(26), ForeignKey("event.id", ondelete="CASCADE"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

# One event on its way to one place. `seq` is its number in the place's lane, given by the lane's owner.
delivery = Table(
    "delivery",
    metadata,
    Column("event_id", String(26), ForeignKey("event.id", ondelete="CASCADE"), primary_key=True),
    Column("network", String(16), primary_key=True),
    Column("place", Words, primary_key=True),
    Column("place_kind", String(8), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("reason", String(32)),
    Column("text", Words),
    Column("told", Boolean, nullable=False, default=False),
    Column("updated", Float, nullable=False),
    Index("ix_delivery_number", "network", "place", "seq"),
    _partial("ix_delivery_open", "network", "place", "seq", where="state IN ('queued', 'sending')"),
    _partial("ix_delivery_untold", "updated", where="state IN ('failed', 'expired') AND NOT told"),
)

# Wire units of a delivery, and the id map: (event, place, part) <-> native id, many to many. `payload` is what was
# sent, kept until the outcome is known, so that a part in doubt after a crash is sent again unchanged.
part = Table(
    "part",
    metadata,
    Column("event_id", String(26), ForeignKey("event.id", ondelete="CASCADE"), primary_key=True),
    Column("network", String(16), primary_key=True),
    Column("place", Words, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("state", String(10), nullable=False),
    Column("native_id", NativeId),
    Column("payload", LargeBinary),
    Index("ix_part_native", "network", "native_id"),
)

# An event that could not be journaled even alone: told, counted, kept for the operator, and out of the way.
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("network", String(16), nullable=False),
    Column("native_id", NativeId, nullable=False),
    Column("error", Words, nullable=False),
    Column("when", Float, nullable=False),
)

# Who is in a place of a network that will not tell again after a restart (Matrix).
member = Table(
    "member",
    metadata,
    Column("network", String(16), primary_key=True),
    Column("place", Words, primary_key=True),
    Column("address", Words, primary_key=True),
    Column("name", Words, nullable=False),
)

# Whose puppet was removed from a place by somebody there: an absence with a cause, which nobody undoes but the person.
barred = Table(
    "barred",
    metadata,
    Column("network", String(16), primary_key=True),
    Column("place", Words, primary_key=True),
    Column("address", Words, primary_key=True),
    Column("cause", String(8), nullable=False),
    Column("reason", Words),
    Column("by", Words),
)

# Who has written to whom in private: either may go on, whatever the rules say of starting (`keep_map`).
conversation = Table(
    "conversation",
    metadata,
    Column("one", Words, primary_key=True),
    Column("other", Words, primary_key=True),
    Column("last", Float, nullable=False),
)

# The topic as last seen in the place, the one still to be set there, and what was heard and has not taken effect yet.
topic = Table(
    "topic",
    metadata,
    Column("network", String(16), primary_key=True),
    Column("place", Words, primary_key=True),
    Column("seen", Words),
    Column("wanted", Words),
    Column("heard", LargeBinary),
)

# What people decided for themselves: who may see them, write to them, know that they watch.
rule = Table(
    "rule",
    metadata,
    Column("owner", Words, primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("who", Words, primary_key=True),
    Column("decision", Integer, nullable=False),
)

# Who wants to be told of whose presence. One row for each pair, for as long as it is wanted, refused, or pending.
subscription = Table(
    "subscription",
    metadata,
    Column("watcher", Words, primary_key=True),
    Column("target", Words, primary_key=True),
    Column("id", Words, nullable=False),
    Column("state", String(10), nullable=False),
    Column("event", String(11), nullable=False),
    Column("created", Float, nullable=False),
    Column("changed", Float, nullable=False),
    Column("expires", Float),
)

# Who looked once at whose presence, and when last: a part of watcher information.
look = Table(
    "look",
    metadata,
    Column("watcher", Words, primary_key=True),
    Column("target", Words, primary_key=True),
    Column("last", Float, nullable=False, index=True),
    Column("times", Integer, nullable=False),
)

# What lets a program speak for a person over HTTP. Only a digest is kept.
token = Table(
    "token",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("owner", Words, nullable=False, index=True),
    Column("created", Float, nullable=False),
)

# What was said, for as long as the operator wants it kept (`archive.keep`): for `rialto export`, and nothing else.
# Apart from the journal, whose rows are short-lived. `room` is the configured room's name, NULL for what was private;
# `replaces` the native id of what an edit is about.
archive = Table(
    "archive",
    metadata,
    Column("event_id", String(26), primary_key=True),
    Column("network", String(16), nullable=False),
    Column("native_id", Words, nullable=False),
    Column("place", Words, nullable=False),
    Column("room", Words),
    Column("sender", Words, nullable=False),
    Column("sender_name", Words, nullable=False),
    Column("recipient", Words),
    Column("replaces", Words),
    Column("when", Float, nullable=False, index=True),
    Column("content", LargeBinary, nullable=False),
    Index("ix_archive_replaces", "network", "replaces"),
    Index("ix_archive_native", "network", "native_id"),
    Index("ix_archive_sender", "sender"),
)

# Who does not want to be kept: what they say is not in the archive.
unkept = Table(
    "unkept",
    metadata,
    Column("owner", Words, primary_key=True),
)

# Small things an adapter keeps: allocated nicks, registered puppets.
memory = Table(
    "memory",
    metadata,
    Column("network", String(16), primary_key=True),
    Column("key", Words, primary_key=True),
    Column("value", Words, nullable=False),
)

# Choices that hold for ever, such as which network owns bare domains.
setting = Table(
    "setting",
    metadata,
    Column("key", Words, primary_key=True),
    Column("value", Words, nullable=False),
)
