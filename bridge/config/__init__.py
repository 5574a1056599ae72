"""The configuration: one YAML file, the environment over it, secrets from files (design section 6)."""

from bridge.config.examining import examine
from bridge.config.loading import load
from bridge.config.mistakes import ConfigError, Mistake
from bridge.config.model import Attachment, Config, directory, names
from bridge.config.schema import Http, Log
from bridge.config.values import Listen

__all__ = [
    "Attachment",
    "Config",
    "ConfigError",
    "Http",
    "Listen",
    "Log",
    "Mistake",
    "directory",
    "examine",
    "load",
    "names",
]
