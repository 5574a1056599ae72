"""Where values come from: the YAML file, the environment over it, and files that hold one value each.

A key ``networks.office.secret`` is ``RIALTO_NETWORKS__OFFICE__SECRET`` in the environment. Instead of any text,
``{file: PATH}`` may stand, and in the environment ``..._SECRET__FILE``: the text is then read from that file.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from bridge.config.mistakes import ENVIRONMENT, Mistake, guess, nearest
from bridge.config.schema import DELIMITER, PREFIX
from bridge.config.shape import Loc, below, fields_of, is_text

OWN_VARIABLES = frozenset({"RIALTO_CONFIG"})
"""Variables that begin with the prefix and are no keys of the file."""

MAX_VALUE = 65_536
"""How long a value in a file of its own may be, in bytes."""


class Environment(EnvSettingsSource):
    """pydantic-settings' own reading of the environment, over a mapping that is handed in."""

    def __init__(self, settings_cls: type[BaseSettings], env: Mapping[str, str]) -> None:
        self._env = env
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._env.items() if value}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """A list or mapping is written as JSON; anything else is left for the model to judge."""
        return decoded(value)


def decoded(value: str) -> Any:
    """A JSON list or object where it is one, else the text itself."""
    if value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def variable(loc: Loc) -> str:
    """The environment variable for a key."""
    return PREFIX + DELIMITER.join(str(part) for part in loc).upper()


def written_in(loc: Loc, env: Mapping[str, str]) -> str | None:
    """The environment variable that decided the key at `loc`: its own, one inside it, or one that holds it as JSON."""
    names = {name.upper(): name for name, value in env.items() if value}
    for length in range(len(loc), 0, -1):
        name = variable(loc[:length])
        if name in names:
            return names[name]
    inside = variable(loc) + DELIMITER if loc else PREFIX
    return next((name for upper, name in names.items() if loc and upper.startswith(inside)), None)


def network_names(data: Mapping[str, Any], env: Mapping[str, str], key: str = "kind") -> dict[str, Any]:
    """The kinds of all networks, by name, as written in the file and over it in the environment; None if missing.

    Likewise another `key` that all networks of a kind have: ``mode``.
    """
    kinds: dict[str, Any] = {}
    parts = [
        data.get("networks"),
        decoded(next((v for k, v in env.items() if k.upper() == variable(["networks"])), "")),
    ]
    for networks in parts:
        for name, section in networks.items() if isinstance(networks, dict) else ():
            kinds[name] = section.get(key, kinds.get(name)) if isinstance(section, dict) else None
    inside = variable(["networks"]).lower() + DELIMITER
    for variable_name, value in env.items():
        if not variable_name.lower().startswith(inside) or not value:
            continue
        name, _, rest = variable_name.lower().removeprefix(inside).partition(DELIMITER)
        section = decoded(value) if not rest else None
        kind = value if rest == key else section.get(key) if isinstance(section, dict) else None
        kinds[name] = kind or kinds.get(name)
    return kinds


def merged(over: Mapping[str, Any], under: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings in one; where both hold a mapping, key by key, else `over` wins."""
    result = dict(under)
    for key, value in over.items():
        known = result.get(key)
        both = isinstance(value, Mapping) and isinstance(known, Mapping)
        result[key] = merged(value, known) if both else value  # type: ignore[arg-type]  # `both` checked them
    return result


def stray_variables(model: type[BaseSettings], env: Mapping[str, str]) -> tuple[list[Mistake], list[str]]:
    """Variables with our prefix that name no key of the file: mistakes, and, where they may be another's, warnings.

    Container platforms set variables such as ``RIALTO_PORT`` for a service called `rialto`; only a name with the
    delimiter is surely meant for us.
    """
    keys = list(fields_of(model))
    mistakes: list[Mistake] = []
    warnings: list[str] = []
    for name in sorted(env):
        if not name.upper().startswith(PREFIX) or name.upper() in OWN_VARIABLES:
            continue
        first, delimiter, rest = name.upper().removeprefix(PREFIX).lower().partition(DELIMITER)
        if first in keys:
            continue
        near = nearest(first, keys)
        if delimiter:
            hint = guess(variable([first, rest]), [variable([near, rest])], "known are") if near else ""
            mistakes.append(Mistake(ENVIRONMENT, name, "; ".join(filter(None, ["unknown key", hint]))))
        else:
            hint = f"; did you mean {variable([near])!r}?" if near else ""
            warnings.append(f"{ENVIRONMENT}: {name}: is not a key of the configuration and is passed over{hint}")
    return mistakes, warnings


class ValueFiles:
    """Replaces every ``{file: PATH}`` that stands for a text by what the file holds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.mistakes: list[tuple[tuple[str | int, ...], str]] = []
        self.replaced: set[tuple[str | int, ...]] = set()

    def resolve(self, annotation: Any, value: Any, loc: tuple[str | int, ...] = ()) -> Any:
        """The value with its files read; what could not be read is noted in `mistakes` and left as it was."""
        if is_text(annotation) and isinstance(value, dict) and set(value) == {"file"}:
            return self._read(value, loc)
        for part, item in _children(value):
            inner = below(annotation, part)
            # A list of places may be written as its only item.
            if inner is None and isinstance(part, str) and not isinstance(value, list):
                inner = below(below(annotation, 0), part)
            if inner is not None:
                value[part] = self.resolve(inner, item, (*loc, part))
        return value

    def _read(self, value: dict[str, Any], loc: tuple[str | int, ...]) -> Any:
        path = value["file"]
        if not isinstance(path, str) or not path:
            self.mistakes.append(((*loc, "file"), "write the path of a file that holds the value"))
            return value
        try:
            with (self._folder / Path(path).expanduser()).open("rb") as file:
                text = file.read(MAX_VALUE + 1).decode().rstrip("\r\n")
        except OSError as error:
            self.mistakes.append(((*loc, "file"), f"{path} cannot be read: {error.strerror or error}"))
            return value
        except UnicodeDecodeError:
            self.mistakes.append(((*loc, "file"), f"{path} is not UTF-8 text"))
            return value
        if not text or len(text) > MAX_VALUE or not text.isprintable():
            self.mistakes.append(((*loc, "file"), f"{path} must hold the value in one line, and nothing else"))
            return value
        self.replaced.add(loc)
        return text


def _children(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from list(value.items())
    elif isinstance(value, list):
        yield from enumerate(list(value))
