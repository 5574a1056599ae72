"""The MIME headers around and inside of a ``message/cpim`` object (RFC 2045, as far as they are needed).

Not Python's email package: it refuses nothing, so that every check would be ours all the same, and it takes the body
apart into lines, of which here the octets count.
"""

import re
from collections.abc import Iterable

from bridge.model.cpim.values import MEDIA_TYPE, Content, CpimError

_TOKEN = r"[!#$%&'*+\-.^_`{|}~A-Za-z0-9]"  # noqa: S105  # MIME's word for a word
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TYPE = re.compile(rf"({_TOKEN}++/{_TOKEN}++)[ \t]*+")
_PARAMETER = re.compile(rf';[ \t]*+(?:({_TOKEN}++)=(?:({_TOKEN}++)|"((?:[^"\\]++|\\.)*+)")[ \t]*+)?+')
_WRITTEN_TYPE = re.compile(r"[!#$%&'*+\-.^_`{|}~a-z0-9]++/[!#$%&'*+\-.^_`{|}~a-z0-9]++")
_WRITTEN_NAME = re.compile(r"[!#$%&'*+\-.^_`{|}~a-z0-9]++")
_FIELD = re.compile(rf"{_TOKEN}++")
_PLAIN = re.compile(rf"{_TOKEN}++")
_QUOTED_PAIR = re.compile(r"\\(.)")

# Nearly every message has one of these.
_USUAL: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "text/plain; charset=utf-8": ("text/plain", (("charset", "utf-8"),)),
    "text/plain;charset=utf-8": ("text/plain", (("charset", "utf-8"),)),
    "text/plain": ("text/plain", ()),
}

Fields = list[tuple[str, str]]


def fields(lines: Iterable[str], where: str) -> Fields:
    """Headers in their order, unfolded. Raises `CpimError`."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if _CONTROL.search(line):
            raise CpimError(f"{line[:60]!r} holds a control character", where)
        if line[:1] in (" ", "\t"):
            if not found:
                raise CpimError(f"{line[:60]!r} continues nothing", where)
            found[-1][1].append(line.strip(" \t"))
            continue
        name, colon, value = line.partition(":")
        if not colon or not _FIELD.fullmatch(name):
            raise CpimError(f"{line[:60]!r} is no MIME header", where)
        found.append((name, [value.strip(" \t")]))
    return [(name, " ".join(filter(None, parts))) for name, parts in found]


def media_type(value: str, where: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Type and parameters, their names in lower case. Raises `CpimError`."""
    usual = _USUAL.get(value)
    if usual is not None:
        return usual
    match = _TYPE.match(value)
    if match is None:
        raise CpimError(f"{value[:60]!r} is no media type", where)
    parameters = []
    position = match.end()
    while position < len(value):
        each = _PARAMETER.match(value, position)
        if each is None:
            raise CpimError(f"{value[position : position + 60]!r} is no parameter of a media type", where)
        name, plain, quoted = each.groups()
        if name is not None:
            parameters.append((name.lower(), _QUOTED_PAIR.sub(r"\1", quoted) if plain is None else plain))
        position = each.end()
    return match[1].lower(), tuple(parameters)


def content(found: Fields, body: bytes, where: str) -> Content | None:
    """The entity, or None for one without Content-Type. Raises `CpimError`, for two of them as well."""
    others = []
    kind = None
    for name, value in found:
        if name.lower() != "content-type":
            others.append((name, value))
        elif kind is not None:
            raise CpimError("two Content-Types", where)
        else:
            kind = media_type(value, where)
    return None if kind is None else Content(body, *kind, tuple(others))


def is_outer(found: Fields) -> bool:
    """Do these headers alone stand before the object, as its media type and what belongs to that?"""
    return all(name.lower().startswith(("content-", "mime-")) for name, _ in found)


def check_outer(found: Fields, where: str) -> None:
    """Raise `CpimError` unless they say ``Message/CPIM``, and nothing that changes its octets."""
    outer = content(found, b"", where)
    if outer is None or outer.type != MEDIA_TYPE:
        raise CpimError(f"this is {outer.type if outer else 'of no type'}, not {MEDIA_TYPE}", where)
    encoding = (outer.header("Content-Transfer-Encoding") or "8bit").lower()
    if encoding not in ("7bit", "8bit", "binary"):
        raise CpimError(f"transfer encoding {encoding[:40]!r} is not undone yet", where)


def write(entity: Content) -> bytes:
    """Content-Type, the other headers, a blank line, the octets. Raises `CpimError` for what could not be read back."""
    where = "content"
    if not _WRITTEN_TYPE.fullmatch(entity.type):
        raise CpimError(f"{entity.type[:60]!r} is no media type in lower case", where)
    lines = ["Content-Type: " + entity.type + "".join(_parameter(*each) for each in entity.parameters)]
    for name, value in entity.headers:
        if not _FIELD.fullmatch(name) or name.lower() == "content-type":
            raise CpimError(f"{name[:60]!r} is no name of another MIME header", where)
        if _CONTROL.search(value) or value != value.strip(" \t"):
            raise CpimError(f"{value[:60]!r} is no value of a MIME header", where)
        lines.append(f"{name}: {value}")
    try:
        return "\r\n".join([*lines, "", ""]).encode() + entity.body
    except UnicodeError as error:
        raise CpimError(f"MIME headers hold what is not Unicode text: {error}", where) from error


def _parameter(name: str, value: str) -> str:
    if not _WRITTEN_NAME.fullmatch(name) or _CONTROL.search(value):
        raise CpimError(f"{name[:60]!r} cannot be a parameter of a media type", "content")
    if _PLAIN.fullmatch(value):
        return f"; {name}={value}"
    quoted = value.replace("\\", r"\\").replace('"', r"\"")
    return f'; {name}="{quoted}"'
