"""Finding one's way through models: which type a key has, which keys are known beside it."""

import ast
import inspect
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from textwrap import dedent
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

Loc = Sequence[str | int]


def key_of(name: str, field: FieldInfo) -> str:
    """How the field is written in the file."""
    return field.validation_alias if isinstance(field.validation_alias, str) else name


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The model's fields by the keys of the file."""
    return {key_of(name, field): field for name, field in model.model_fields.items()}


def choices(annotation: Any) -> Iterator[Any]:
    """The types that the annotation allows, unions and annotations unwrapped."""
    if get_origin(annotation) is Annotated:
        yield from choices(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for choice in get_args(annotation):
            yield from choices(choice)
    else:
        yield annotation


def models(annotation: Any) -> list[type[BaseModel]]:
    """The models among the types that the annotation allows."""
    return [kind for kind in choices(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]


def below(annotation: Any, part: str | int) -> Any:
    """The annotation of one key, or of an item, of what the annotation describes; None where it is not known."""
    for choice in choices(annotation):
        origin, arguments = get_origin(choice), get_args(choice)
        if origin in (dict, list, tuple, set, frozenset) and arguments:
            if (origin is dict) == isinstance(part, str):
                return arguments[-1] if origin is dict else arguments[0]
        elif isinstance(choice, type) and issubclass(choice, BaseModel) and isinstance(part, str):
            field = fields_of(choice).get(part)
            if field is not None:
                return field.annotation
    return None


def known_keys(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that may be written in the mapping at `loc`."""
    annotation: Any = model
    for part in loc:
        annotation = below(annotation, part)
    return [key for choice in models(annotation) for key in fields_of(choice)]


def unforbidden(annotation: Any, data: Any, loc: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where the data has keys that a model does not know and would pass over: unless told, pydantic's models do."""
    here = models(annotation)
    if here and isinstance(data, dict) and all(model.model_config.get("extra") != "forbid" for model in here):
        known = {key for model in here for key in fields_of(model)}
        yield from ((*loc, key) for key in data if key not in known)
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for part, item in items:
        inner = below(annotation, part)
        if inner is not None:
            yield from unforbidden(inner, item, (*loc, part))


def described(model: type[BaseModel], key: str) -> str:
    """What the key is for: its field's description, else the docstring below the field, else ""."""
    field = fields_of(model).get(key)
    if field is None:
        return ""
    text = field.description or _docstrings(model).get(key, "")
    return " ".join(text.replace("``", "`").split())


@cache
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings below the fields of the model and its bases (PEP 257, attribute docstrings)."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        try:
            tree = ast.parse(dedent(inspect.getsource(kind)))
        except (OSError, TypeError, SyntaxError):  # made at run time, or without its source: no docstrings
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, below_it in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below_it, ast.Expr)
                and isinstance(below_it.value, ast.Constant)
                and isinstance(below_it.value.value, str)
            ):
                found[field.target.id] = below_it.value.value
    return found


def is_text(annotation: Any) -> bool:
    """Whether the key takes text (a secret, too) and no mapping, so that the text may come from a file."""
    found = list(choices(annotation))
    return any(kind in (str, SecretStr) for kind in found) and not any(
        get_origin(kind) is dict or kind is dict or (isinstance(kind, type) and issubclass(kind, BaseModel))
        for kind in found
    )


def is_secret(annotation: Any) -> bool:
    """Whether what is written there must not be shown."""
    return any(kind is SecretStr for kind in choices(annotation))
