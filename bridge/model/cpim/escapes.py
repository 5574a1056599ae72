"""The escape mechanism of header values (RFC 3862 section 2.3)."""

import re

from bridge.model.cpim.values import CpimError

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.)|\Z)", re.DOTALL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NAMED = {"b": "\b", "t": "\t", "n": "\n", "r": "\r"}
_WRITTEN = {ord(plain): f"\\{name}" for name, plain in _NAMED.items()}
_WRITTEN |= {code: f"\\u{code:04x}" for code in (*range(0x20), 0x7F) if code not in _WRITTEN}
_WRITTEN[ord("\\")] = r"\\"
_QUOTED = {**_WRITTEN, ord('"'): r"\""}


def _plain(match: re.Match[str]) -> str:
    code, name = match.groups()
    if code is not None:
        return chr(int(code, 16))
    return _NAMED.get(name, name) if name else ""


def unescape(text: str) -> tuple[str, bool]:
    """What the text means, and whether a lone surrogate was in it, which is U+FFFD now.

    An unknown escape means the character itself, and a backslash at the end nothing (section 2.3.1).
    """
    if "\\" not in text:
        return text, False
    plain = _ESCAPE.sub(_plain, text)
    if not _SURROGATE.search(plain):
        return plain, False
    units = plain.encode("utf-16-le", "surrogatepass")
    try:
        return units.decode("utf-16-le"), False
    except UnicodeDecodeError:
        return units.decode("utf-16-le", "replace"), True


def escape(text: str, where: str, *, quoted: bool = False) -> str:
    """Only what has to be escaped, as the section asks; with `quoted`, for between double quotes."""
    if _SURROGATE.search(text):
        raise CpimError(f"{text[:60]!r} is not Unicode text", where)
    return text.translate(_QUOTED if quoted else _WRITTEN)
