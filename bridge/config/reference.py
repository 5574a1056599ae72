"""The reference page of the configuration, made from the models: ``python -m bridge.config.reference FILE``."""

import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bridge.config.schema import Base, PlaceSection, network_model
from bridge.config.shape import below, choices, described, fields_of, models
from bridge.config.values import Written
from bridge.contract import Factory, Moded
from bridge.registry import installed

INTRODUCTION = """\
# Configuration

<!-- Made from the models by `python -m bridge.config.reference docs/configuration.md`; do not edit. -->

One YAML file holds everything; [config.example.yaml](../config.example.yaml) is the same as an example, with the
reasons. `rialto check` reads it without touching any network, and names every mistake with its key and what to write
instead. Unknown keys are mistakes.

**From the environment.** Every key can be set, or overridden, by a variable: `networks.office.secret` is
`RIALTO_NETWORKS__OFFICE__SECRET`, with two underscores between the levels. Lists and mappings are written as JSON. An
empty variable counts as not set. A key whose name has a dot or a hyphen (a room's may) can be set in the file only.

**From a file.** Wherever text is written, `{file: PATH}` may stand instead, and the text is read from that file, for
example `secret: {file: /run/secrets/office}`; in the environment, `RIALTO_NETWORKS__OFFICE__SECRET__FILE`. The file
holds the value in one line. A relative path starts at the folder of the configuration file.

**Patterns over people** (`rules`) are held against what a network calls a person (`*@example.org` for XMPP,
`@*:example.org` for Matrix, a nick for IRC) and against that with the network's name before it (`libera:*`). `*` stands
for any text, case does not matter, and the whole must fit. The occupant of a MUC that hides addresses is
`ROOM@SERVER/OCCUPANT-ID`.

Values that begin with one of `@ ! * & % #` need quotes in YAML: `"#lobby"`."""


def page(factories: Mapping[str, Factory]) -> str:
    """The whole page, in Markdown."""
    parts = [INTRODUCTION, *_section("The top of the file", Base, skip=("rooms",))]
    parts.append("| `networks` | mapping | required | Networks by name: 1 to 16 lower-case letters and digits. |")
    parts.append("| `rooms` | mapping | `{}` | " + described(Base, "rooms") + " |")
    for key in ("http", "rules", "archive", "log"):
        parts += _tree(f"`{key}`", key, models(fields_of(Base)[key].annotation)[0])
    for kind in sorted(factories):
        factory = factories[kind]
        modes = dict(factory.modes) if isinstance(factory, Moded) else {"": factory}
        for mode, each in modes.items():
            which = f"{kind}, mode {mode}" if mode else kind
            parts += _tree(f"`networks.NAME`, kind {which}", f"networks.NAME ({which})", network_model(each))
    parts += _section("`rooms.NAME.NETWORK`", PlaceSection)
    return "\n".join(parts) + "\n"


def _tree(title: str, path: str, model: type[BaseModel]) -> Iterator[str]:
    """The section of a model, and of those within it."""
    yield from _section(title, model)
    for key, field in fields_of(model).items():
        for inner in models(field.annotation) or models(below(field.annotation, 0)):
            yield from _tree(f"`{key}` of {path}", f"{key} of {path}", inner)


def _section(title: str, model: type[BaseModel], skip: tuple[str, ...] = ()) -> Iterator[str]:
    yield f"\n## {title}\n"
    if model.__doc__ and model is not Base:
        yield f"{_first(model.__doc__)}\n"
    yield "| key | what to write | default | what it is for |\n| --- | --- | --- | --- |"
    for key, field in fields_of(model).items():
        if key not in skip:
            what = described(model, key) or next(
                (doc for inner in models(field.annotation) if (doc := inner.__doc__)), ""
            )
            yield f"| `{key}` | {_type(field)} | {_default(field)} | {_first(what)} |"


def _first(text: str) -> str:
    """The first paragraph of a docstring, in one line of Markdown, which may stand in a table."""
    return " ".join(text.partition("\n\n")[0].replace("``", "`").replace("|", "\\|").split())


def _type(field: FieldInfo) -> str:
    bounds = [f"{words} {value}" for kind, words, name in _BOUNDS for value in _found(field, kind, name)]
    return ", ".join([words(field.annotation, field), *bounds])


_BOUNDS: tuple[tuple[type, str, str], ...] = (
    (Gt, "more than", "gt"),
    (Ge, "at least", "ge"),
    (Lt, "less than", "lt"),
    (Le, "at most", "le"),
)


def _found(field: FieldInfo, kind: type, name: str) -> list[Any]:
    return [getattr(item, name) for item in field.metadata if isinstance(item, kind)]


def _written(metadata: Any) -> Written | None:
    return next((item for item in metadata if isinstance(item, Written)), None)


def words(annotation: Any, field: FieldInfo | None = None) -> str:
    """What is to be written for a type."""
    own = _written(field.metadata) if field is not None else None
    if own is not None:
        return own.words
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = _written(arguments[1:])
        return inner.words if inner else words(arguments[0])
    several = [choice for choice in arguments if choice is not NoneType] if NoneType in arguments else []
    if several:
        return " or ".join(words(choice) for choice in several)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (list, tuple, set, frozenset):
        return f"list of {words(arguments[0])}"
    found = next(choices(annotation))
    if isinstance(found, type) and issubclass(found, Enum):
        return " or ".join(f"`{member.value}`" for member in found)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return "mapping, see below"
    return _SIMPLE.get(found, "text")


_SIMPLE: Mapping[Any, str] = {
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    SecretStr: "secret text",
    Path: "path",
    dict: "mapping",
}


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or isinstance(value, BaseModel):
        return "-"
    own = _written(field.metadata)
    if own is not None:
        return f"`{own.default(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, list | tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def main(arguments: list[str]) -> int:
    """Write the page to the file named, or to standard output."""
    text = page(installed())
    if arguments:
        Path(arguments[0]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
