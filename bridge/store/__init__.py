"""The store: what must outlive the process. SQLAlchemy Core tables, queries by subject, Alembic migrations."""

from bridge.store.backend import StoreError
from bridge.store.database import Store, Trouble

__all__ = ["Store", "StoreError", "Trouble"]
