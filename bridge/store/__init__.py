"""The store: what must outlive the process. SQLAlchemy Core tables, queries by subject, Alembic migrations."""

from bridge.store.database import Store, StoreError

__all__ = ["Store", "StoreError"]
