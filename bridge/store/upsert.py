"""INSERT with ON CONFLICT, which SQLite and PostgreSQL word alike, and SQLAlchemy offers for each by itself."""

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that takes `on_conflict_do_nothing` and `on_conflict_do_update`, for the connection's database."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
