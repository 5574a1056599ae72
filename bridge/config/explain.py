"""What pydantic finds wrong, in our words: where, what, and what to write instead. Values are never repeated."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.config.mistakes import ENVIRONMENT, Mistake, guess
from bridge.config.schema import NOT_YET
from bridge.config.shape import Loc, below, described, known_keys, models
from bridge.config.sources import variable, written_in

_EMPTY = "is empty; write a value, or leave the key out (a value that begins with # needs quotes)"

_WORDS: Mapping[str, str] = {
    "string": "write text; where YAML reads it as something else (a number, yes, no), put it in quotes",
    "int": "write a whole number",
    "float": "write a number",
    "bool": "write true or false",
    "list": "write a list: [one, two]",
    "tuple": "write a list: [one, two]",
    "set": "write a list: [one, two]",
    "frozen": "write a list: [one, two]",
    "model": "write a mapping of keys and values (check the indentation)",
    "dict": "write a mapping of keys and values (check the indentation)",
    "dataclass": "write a mapping of keys and values",
    "path": "write the path of a file",
    "url": "write a URL",
}
"""By the first word of pydantic's error type."""

_BOUNDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda ctx: f"must be more than {ctx['gt']}",
    "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']}",
    "less_than": lambda ctx: f"must be less than {ctx['lt']}",
    "less_than_equal": lambda ctx: f"must be at most {ctx['le']}",
    "too_short": lambda ctx: f"needs at least {ctx['min_length']}",
    "too_long": lambda ctx: f"holds at most {ctx['max_length']}",
    "string_too_short": lambda ctx: f"needs at least {ctx['min_length']} character{'s' * (ctx['min_length'] != 1)}",
    "string_too_long": lambda ctx: f"holds at most {ctx['max_length']} characters",
    "literal_error": lambda ctx: f"write {ctx['expected']}",
    "enum": lambda ctx: f"write {ctx['expected']}",
    "value_error": lambda ctx: str(ctx["error"]),
    "assertion_error": lambda ctx: str(ctx["error"]),
}


def dotted(loc: Loc) -> str:
    """The path of a key: ``rooms.lobby.libera[1].key``."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def explain(error: ValidationError, model: type[BaseModel], data: Any) -> list[tuple[tuple[str | int, ...], str]]:
    """All that is wrong, each with its place in `data`, in the order in which pydantic found it."""
    return [(_place(detail, data), _text(detail, model)) for detail in error.errors(include_url=False)]


def mistake(loc: Loc, text: str, file: str, env: Mapping[str, str]) -> Mistake:
    """A mistake at `loc`, laid to the environment variable that wrote it, or to the file."""
    named = written_in(loc, env)
    if named is None:
        return Mistake(file, dotted(loc), text)
    whole = variable(loc) == named.upper()
    return Mistake(ENVIRONMENT, named, text if whole else f"{dotted(loc)}: {text}")


def _place(error: ErrorDetails, data: Any) -> tuple[str | int, ...]:
    """The error's location in what was written: without the tags of unions and the index of an only place."""
    place: list[str | int] = []
    parts = [part for part in error["loc"] if part != "[key]"]
    for index, part in enumerate(parts):
        if _holds(data, part):
            data = data[part]
        elif index != len(parts) - 1 or error["type"] != "missing":
            continue
        place.append(part)
    return tuple(place)


def _holds(data: Any, part: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data


def _text(error: ErrorDetails, model: type[BaseModel]) -> str:
    loc, kind, ctx = error["loc"], error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown(model, loc)
    if kind == "missing":
        return "is missing" + _described(model, loc)
    if error["input"] is None:
        return _EMPTY
    if "[key]" in loc:
        return "write a name of lower-case letters, digits and . - _, at most 64, beginning with a letter or digit"
    if loc[0] == "rooms" and len(loc) in (3, 4) and kind == "model_type":
        return "write a place: a name in quotes, a mapping with `id`, or a list of these"
    if kind in _BOUNDS:
        return _BOUNDS[kind](ctx)
    return _WORDS.get(kind.partition("_")[0], error["msg"][:1].lower() + error["msg"][1:])


def unknown(model: type[BaseModel], loc: Loc) -> str:
    """What to say of a key that the model does not know."""
    return not_yet(loc) or "unknown key; " + guess(str(loc[-1]), known_keys(model, loc[:-1]), "known are")


def not_yet(loc: Loc) -> str | None:
    """Why a known key is refused where it stands, None where it is simply not known."""
    for pattern, words in NOT_YET.items():
        if len(pattern) == len(loc) and all(want in ("*", part) for want, part in zip(pattern, loc, strict=True)):
            return words
    return None


def _described(model: type[BaseModel], loc: Loc) -> str:
    annotation: Any = model
    for part in loc[:-1]:
        annotation = below(annotation, part)
    words = next((text for choice in models(annotation) if (text := described(choice, str(loc[-1])))), "")
    return words and f": {words}"
