r"""Any text as a JID's localpart that no server changes, and back.

An XMPP server prepares a localpart with nodeprep (RFC 3920 appendix A: Unicode 3.2, case folding, NFKC, forbidden and
unassigned characters, the bidi rule of RFC 3454 section 6) or, today, with the UsernameCaseMapped profile of PRECIS
(RFC 7622 section 3.3.1). A name must come out of either as it went in. Two layers see to it.

Inner layer, the caret:

==========  ===========================================================================================
``^x``      the upper-case letter of ``x``, where the two are a plain pair (``^a`` is ``A``, ``^é`` is ``É``)
``^^``      a literal ``^``
``^%``      a literal ``%``; a bare ``%`` divides the segments of the name
``^(hex)``  the character with this code point, in lower-case hexadecimal without leading zeros
``^#``      nothing; at the very beginning: this names a room, though its id does not look so
==========  ===========================================================================================

``^-`` is never written here: it marks the hash form of a name that is too long.

``^(hex)`` stands for every character that a server might change, forbid or not know: what is not a letter, mark or
digit (outside ASCII), is unassigned in Unicode 3.2, changes under case folding or NFKC, or is written from right to
left. The last because every name ends in a network or a domain in Latin letters, so that the bidi rules always
refuse it. So much is decided by the character alone. NFKC also acts across characters (``e`` and U+0301 become one):
where the name as a whole does not survive it, all its marks are written as ``^(hex)`` too.

Outer layer: XEP-0106, which clients know how to show. ``\`` becomes ``\5c`` only where it would be read as an escape.
A space at the beginning or end is ``^(20)``, because XEP-0106 forbids ``\20`` there.

Every text has exactly one written form; whoever reads one writes what was read again and compares.
"""

import re
import stringprep
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

ROOM = "^#"
"""The mark of a room that does not look so."""

_CATEGORIES = frozenset({"Ll", "Lo", "Lm", "Nd", "Mn", "Mc"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_OLD = unicodedata.ucd_3_2_0

# RFC 5892 section 2.6 (exceptions: disallowed, or allowed in some contexts only), section 2.9 (the conjoining Jamo),
# and the two letters of Khmer that are ignorable by default (RFC 8264 section 9.13).
_NOT_IN_PRECIS = frozenset(
    chr(code)
    for codes in (
        range(0x6F0, 0x6FA),
        range(0x302E, 0x3030),
        range(0x3031, 0x3036),
        (0x303B,),
        (0x17B4, 0x17B5),
        range(0x1100, 0x1200),
    )
    for code in codes
)

_XEP_0106 = {" ": r"\20", '"': r"\22", "&": r"\26", "'": r"\27", "/": r"\2f", ":": r"\3a", "<": r"\3c", ">": r"\3e",
             "@": r"\40", "\\": r"\5c"}  # fmt: skip
_CODES = "|".join(code[1:] for code in _XEP_0106.values())
_TO_ESCAPE = re.compile(rf"""[ "&'/:<>@]|\\(?={_CODES})""")
_TO_UNESCAPE = re.compile(rf"\\({_CODES})")
_TOKEN = re.compile(r"\^(?:\(([0-9a-f]{1,6})\)|(.))|(%)|([^^%]+)", re.DOTALL)


def _hex(char: str) -> str:
    return f"^({ord(char):x})"


def _survives(char: str) -> bool:
    """Whether a character outside ASCII may stand for itself, as far as it alone decides."""
    return (
        all(data.category(char) in _CATEGORIES for data in (unicodedata, _OLD))
        and not any(data.bidirectional(char) in _RIGHT_TO_LEFT for data in (unicodedata, _OLD))
        and all(data.normalize("NFKC", char) == char for data in (unicodedata, _OLD))
        and not stringprep.in_table_b1(char)
        and stringprep.map_table_b2(char) == char == char.casefold() == char.lower()
        and char not in _NOT_IN_PRECIS
    )


def _one(char: str) -> str:
    """One character in the caret layer."""
    if char in "^%":
        return "^" + char
    if char.isascii() and " " <= char <= "~":
        return "^" + char.lower() if char.isupper() else char
    if not char.isascii() and _survives(char):
        return char
    lower = char.lower()
    if len(lower) == 1 and lower != char and lower.upper() == char and _survives(lower):
        return "^" + lower
    return _hex(char)


@lru_cache(maxsize=4096)
def _marks_spelled(char: str) -> str:
    """As `_one`, but no mark stands for itself, so that nothing is left for NFKC to compose or to reorder."""
    return _hex(char) if unicodedata.category(char).startswith("M") else _one(char)


class _Table(dict[int, str]):
    """For `str.translate`: ASCII is ready, the rest is worked out."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__({code: rule(chr(code)) for code in range(128)})
        self._rule = rule

    def __missing__(self, code: int) -> str:
        return self._rule(chr(code))


_LOOSE = _Table(lru_cache(maxsize=4096)(_one))
_TIGHT = _Table(_marks_spelled)


def _caret(text: str, table: _Table, guard: str) -> str:
    if text and text[0] in guard:
        return _hex(text[0]) + text[1:].translate(table)
    return text.translate(table)


def escape(segments: Sequence[str], mark: str = "", guard: str = "") -> str:
    """The segments with a bare ``%`` between them, safe as a localpart.

    `mark` is put before everything as it is. The first character of the first segment does not stand for itself if
    it is one of `guard`.
    """
    first, *others = segments
    local = ""
    for table in (_LOOSE, _TIGHT):
        name = mark + "%".join([_caret(first, table, guard), *(_caret(other, table, "") for other in others)])
        if name.startswith(" "):
            name = _hex(" ") + name[1:]
        if name.endswith(" "):
            name = name[:-1] + _hex(" ")
        local = _TO_ESCAPE.sub(lambda match: _XEP_0106[match.group()], name)
        # Asked last, for a mark also composes with the letter that ends an escape, as of \3a.
        if local.isascii() or all(data.normalize("NFKC", local) == local for data in (unicodedata, _OLD)):
            break
    return local


def unescape(local: str) -> tuple[str, list[str]]:
    """The first character as far as it stands for itself or is the mark `ROOM`, else "", and the segments.

    Tolerant: what it returns is known to be right only when `escape` makes `local` of it again. Raises `ValueError`
    for what cannot be read at all.
    """
    name = _TO_UNESCAPE.sub(lambda match: chr(int(match.group(1), 16)), local)
    sign = ""
    if name.startswith(ROOM):
        sign, name = ROOM, name.removeprefix(ROOM)
    elif name[:1] not in ("", "^", "%"):
        sign = name[0]
    segments = [""]
    at = 0
    for token in _TOKEN.finditer(name):
        if token.start() != at:
            break
        at = token.end()
        code, sign_of, percent, plain = token.groups()
        if percent:
            segments.append("")
        else:
            segments[-1] += plain or (_by_code(code) if code else _by_sign(sign_of))
    if at != len(name):
        raise ValueError(f"{local!r} ends within an escape")
    return sign, segments


def _by_code(code: str) -> str:
    value = int(code, 16)
    if value > 0x10FFFF:
        raise ValueError(f"there is no character {code}")
    return chr(value)


def _by_sign(char: str) -> str:
    if char in "^%":
        return char
    upper = char.upper()
    if len(upper) != 1 or upper == char:
        raise ValueError(f"^{char} is no escape")
    return upper
