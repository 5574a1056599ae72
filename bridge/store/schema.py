"""The schema's version: brought up to date, or refused if it is newer than we are."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from bridge.store.backend import StoreError


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def require_current(connection: Connection) -> None:
    """Raises `StoreError` unless the tables are there, in the form that this version knows."""
    scripts = ScriptDirectory.from_config(_config())
    found = _known(connection, scripts)
    if found is None:
        raise StoreError("store: there is nothing in it yet")
    if found != scripts.get_current_head():
        raise StoreError(
            f"store: its schema ({found}) is older than this version of Rialto's; start Rialto once, which brings it "
            "up to date"
        )


def migrate(connection: Connection) -> None:
    """Bring the tables to the newest form, in the transaction under way: all of it, or nothing. Raises `StoreError`."""
    config = _config()
    config.attributes["connection"] = connection
    _known(connection, ScriptDirectory.from_config(config))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(f"store: cannot be migrated: {error}") from error


def _known(connection: Connection, scripts: ScriptDirectory) -> str | None:
    """The form the tables have, None for a store without any. Raises `StoreError` for one that nobody knows yet."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(
            f"store: its schema ({found}) is newer than this version of Rialto knows ({scripts.get_current_head()}); "
            "install the version that wrote it, or restore a backup"
        )
    return found
