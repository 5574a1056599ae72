"""From a file and an environment to a `Config`, or to all that is wrong with them."""

import os
import stat
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bridge.config.assemble import Assembly, network_name, plain
from bridge.config.document import read_document
from bridge.config.explain import dotted, explain, mistake, unknown
from bridge.config.mistakes import ConfigError, Mistake, guess, listed
from bridge.config.model import Config, directory
from bridge.config.schema import Base, network_model, settings_model
from bridge.config.shape import below, is_secret, unforbidden
from bridge.config.sources import Environment, ValueFiles, merged, network_names, stray_variables
from bridge.contract import Factory, Moded
from bridge.names import Kind
from bridge.registry import RegistryError, installed

PLACEHOLDER = "change-me"
"""How the secrets of config.example.yaml begin."""


def load(path: Path, env: Mapping[str, str] | None = None, factories: Mapping[str, Factory] | None = None) -> Config:
    """Read the configuration. Touches no network.

    `env` is the process's environment unless given, `factories` the installed ones. Raises `ConfigError` with all the
    mistakes, or, where the form is wrong, all mistakes of form.
    """
    env = os.environ if env is None else env
    path = path.expanduser().absolute()
    data = read_document(path)
    try:
        return _Loading(path, data, env, installed() if factories is None else factories).run()
    except RegistryError as error:
        raise ConfigError([Mistake(path.name, "networks", str(error))]) from error


class _Loading:
    def __init__(self, path: Path, data: dict[str, Any], env: Mapping[str, str], known: Mapping[str, Factory]) -> None:
        self._path = path
        self._file = path.name
        self._data = data
        self._env = env
        self._known = known
        self._mistakes: list[Mistake] = []
        self._factories: Mapping[str, Factory] = {}

    def run(self) -> Config:
        factories = self._factories = self._kinds()
        model = settings_model({name: network_model(factory) for name, factory in factories.items()})
        stray, warnings = stray_variables(model, self._env)
        self._mistakes += stray
        data = deepcopy(merged(Environment(model, self._env)(), self._data))
        # Networks stand in the order of the file, which decides who owns bare domains; those of the environment follow.
        values = ValueFiles(self._path.parent)
        values.resolve(model, data)
        self._mistakes += [mistake(loc, text, self._file, self._env) for loc, text in values.mistakes]
        unread = {loc[:-1] for loc, _ in values.mistakes}
        settings = self._validated(model, data, unread)
        if self._mistakes or settings is None:
            raise ConfigError(self._mistakes)
        config = self._assembled(settings, data)
        return Config(**config, warnings=(*warnings, *self._warnings(model, settings, data)))

    def _kinds(self) -> dict[str, Factory]:
        """The factory of every network that names an installed kind; the others are mistakes and left out."""
        found: dict[str, Factory] = {}
        modes = network_names(self._data, self._env, "mode")
        for name, kind in network_names(self._data, self._env).items():
            wrong = network_name(name)
            if wrong is not None:
                self._wrong(("networks", name), wrong)
            elif kind is None:
                self._wrong(("networks", name, "kind"), f"is missing: write one of {listed(self._known)}")
            elif not isinstance(kind, str) or kind not in self._known:
                near = guess(str(kind), list(self._known), "")
                also = f"{near} " if near.startswith("did") else ""
                self._wrong(("networks", name, "kind"), f"unknown kind; {also}installed: {listed(self._known)}")
            elif kind not in list(Kind):
                self._wrong(("networks", name, "kind"), f"there is no naming scheme for kind {kind!r} yet")
            else:
                factory = self._moded(name, self._known[kind], modes.get(name))
                if factory is not None:
                    found[name] = factory
        return found

    def _moded(self, name: str, factory: Factory, mode: Any) -> Factory | None:
        """The factory of the way to attach that is written, if the kind has several; None if there is no such way."""
        if not isinstance(factory, Moded):
            return factory
        known = dict(factory.modes)
        if mode is None:
            return next(iter(known.values()))
        if not isinstance(mode, str) or mode not in known:
            self._wrong(("networks", name, "mode"), f"write {' or '.join(known)}")
            return None
        return known[mode]

    def _wrong(self, loc: tuple[str | int, ...], text: str) -> None:
        self._mistakes.append(mistake(loc, text, self._file, self._env))

    def _validated(self, model: type[Base], data: dict[str, Any], unread: set[tuple[str | int, ...]]) -> Base | None:
        networks = data.get("networks")
        checked = dict(data)
        if isinstance(networks, dict):
            known = {name for name in networks if below(below(model, "networks"), name) is not None}
            checked["networks"] = {name: section for name, section in networks.items() if name in known}
            self._unknown_networks(data.get("rooms"), networks)
        for loc in unforbidden(model, checked):
            self._wrong(loc, unknown(model, loc))
        try:
            settings = model(**checked)
        except ValidationError as error:
            found = explain(error, model, checked)
            self._mistakes += [mistake(loc, text, self._file, self._env) for loc, text in found if loc not in unread]
            return None
        if not networks:
            self._wrong(("networks",), "is empty: name at least one network, as in config.example.yaml")
        return settings

    def _unknown_networks(self, rooms: Any, networks: Mapping[str, Any]) -> None:
        """Rooms that name no network: told already beside mistakes of form, for they often have the same cause."""
        for room, places in rooms.items() if isinstance(rooms, dict) else ():
            for network in places if isinstance(places, dict) else ():
                if network not in networks:
                    text = f"no network is called {network!r}; " + guess(network, list(networks), "networks are")
                    self._wrong(("rooms", room, network), text)

    def _assembled(self, settings: Base, data: dict[str, Any]) -> dict[str, Any]:
        assembly = Assembly()
        section: BaseModel = getattr(settings, "networks")  # noqa: B009  the model is made at run time
        sections = {name: getattr(section, f"network_{name}") for name in data["networks"]}
        networks = assembly.networks(sections, self._factories)
        parts = {
            "path": self._path,
            "store": assembly.store(settings.store, self._path.parent),
            "http": settings.http,
            "networks": networks,
            "rooms": assembly.rooms(settings.rooms, networks, data.get("rooms", {})),
            "rules": assembly.rules(settings.rules, networks),
            "admins": assembly.admins(settings.admins, directory(networks)),
            "keep_bodies": settings.keep_bodies,
            "keep_map": settings.keep_map,
            "archive": assembly.archive(settings.archive, settings.rooms),
            "log": settings.log,
            "keeper": settings.keeper,
        }
        if settings.keep_map < settings.keep_bodies:
            assembly.problems.append((("keep_map",), "must not be shorter than keep_bodies"))
        if settings.http.public_listen == settings.http.listen:
            text = "is http.listen, where all of that is, too; write another port, or leave the key out"
            assembly.problems.append((("http", "public_listen"), text))
        if assembly.problems:
            raise ConfigError(mistake(loc, text, self._file, self._env) for loc, text in assembly.problems)
        return parts

    def _warnings(self, model: type[Base], settings: Base, data: dict[str, Any]) -> Iterator[str]:
        if not settings.rooms:
            yield f"{self._file}: rooms: there are none, so that only private messages cross"
        if settings.http.public_url is not None:
            yield f"{self._file}: http.public_url: nothing uses it yet; links to files come later"
        for loc, value in _secrets(model, data):
            if str(plain(value)).startswith(PLACEHOLDER):
                hint = "what you choose yourself: openssl rand -hex 32"
                yield f"{self._file}: {dotted(loc)}: is the example's: write your own ({hint})"
        mode = stat.S_IMODE(self._path.stat().st_mode)
        if mode & stat.S_IROTH and (written := [dotted(loc) for loc, _ in _secrets(model, self._data)]):
            yield (
                f"{self._file}: everybody on this machine can read it (mode {mode:03o}), and it holds {written[0]}; "
                f"run: chmod o-r {self._file}"
            )


def _secrets(
    annotation: Any, value: Any, loc: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The secrets that are written out as text, with their paths."""
    if isinstance(value, str):
        if is_secret(annotation):
            yield loc, value
        return
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, item in items:
        inner = below(annotation, part)
        if inner is None and isinstance(part, str):
            inner = below(below(annotation, 0), part)
        if inner is not None:
            yield from _secrets(inner, item, (*loc, part))
