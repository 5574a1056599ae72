"""Text as Matrix writes it: what is taken off on the way in, what may not go out."""

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]+")
_LINE_ENDS = re.compile("\r\n?")
# Characters that turn or hide the text around them; a name holding them could dress up as another.
_NOT_IN_NAMES = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]+"
)
_SPACES = re.compile(r"\s+")
NAME_BYTES = 255


def clean(text: str) -> str:
    """Text that any store and any JSON can hold: line ends as LF; runs of NUL, of other control characters but TAB
    and LF, and of lone surrogates, become one U+FFFD."""
    return _UNSAFE.sub(REPLACEMENT, _LINE_ENDS.sub("\n", text))


def clean_name(text: str) -> str:
    """A display name without control and bidirectional characters, spaces joined, of at most `NAME_BYTES` bytes of
    UTF-8. Empty when nothing is left."""
    name = _SPACES.sub(" ", _NOT_IN_NAMES.sub("", _SPACES.sub(" ", text))).strip()
    raw = name.encode()
    return name if len(raw) <= NAME_BYTES else raw[:NAME_BYTES].decode("utf-8", "ignore").rstrip()


def without_reply_fallback(body: str) -> str:
    """The body of a reply without the quotation that older clients put before it.

    Specification v1.12, "Fallbacks for rich replies" (removed in v1.13, still to be stripped): lines that begin with
    ``> ``, then one empty line.
    """
    lines = body.split("\n")
    count = 0
    while count < len(lines) and (lines[count].startswith("> ") or lines[count] == ">"):
        count += 1
    if not count:
        return body
    if count < len(lines) and not lines[count]:
        count += 1
    return "\n".join(lines[count:])
