"""The configuration as the rest of the bridge sees it: checked, canonical, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from bridge.archive import KEEP_NOTHING, Keeping
from bridge.config.schema import Http, Log
from bridge.contract import Context, Factory
from bridge.directory import Directory, Entry
from bridge.model.address import Address
from bridge.model.room import Room
from bridge.names import Kind, Named, Names
from bridge.rules import Rules


@dataclass(frozen=True, slots=True)
class Attachment:
    """One configured network. `settings` is an instance of `factory.settings`.

    `default`: it owns the bare domains of its kind; always false for a kind that is not federated.
    """

    name: str
    kind: str
    factory: Factory
    settings: BaseModel
    default: bool


@dataclass(frozen=True, slots=True)
class Config:
    """One configuration file, with the environment and the value files taken in.

    `store` is an SQLAlchemy URL without driver, its path absolute. `keep_bodies` and `keep_map` are in seconds.
    `warnings` are for the operator to read; nothing depends on them.
    """

    path: Path
    store: str
    http: Http
    networks: Mapping[str, Attachment]
    rooms: tuple[Room, ...]
    rules: Rules
    admins: tuple[Address, ...]
    keep_bodies: int
    keep_map: int
    log: Log
    archive: Keeping = KEEP_NOTHING
    keeper: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where relative paths start: the folder of the file."""
        return self.path.parent

    def context(self, network: str) -> Context:
        """What the network's factory may know of the rest."""
        return Context(network, f"http://{self.http.listen.reachable}/{network}", self.folder)


def names(config: Config) -> Names:
    """The naming schemes over the configured networks."""
    return Names(Named(each.name, Kind(each.kind), each.default) for each in config.networks.values())


def directory(networks: Mapping[str, Attachment]) -> Directory:
    """How people are found by what somebody writes, over the configured networks."""
    return Directory(
        Entry(each.name, Kind(each.kind), partial(each.factory.person, settings=each.settings), default=each.default)
        for each in networks.values()
    )
