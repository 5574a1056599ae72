"""``im:`` and ``pres:`` URIs (RFC 3860 and 3859, appendix A), and how JIDs become them and back (RFC 3922 section 3).

RFC 3922 and RFC 7247 each leave characters raw that end or break a URI, and RFC 3922 carries the escapes of a JID into
it. Here the text that a JID stands for is what is encoded (XEP-0106 undone), and everything is encoded that RFC 3986
does not let stand in a path: every URI written is read back to what it was made of. Any percent-encoding is read.
"""

import re
from dataclasses import dataclass
from typing import Literal, Self, cast
from urllib.parse import quote, unquote_to_bytes

# RFC 3922 section 3.2 as repaired by RFC 6068's rules for mailto-like URIs: what may stand unencoded.
_SAFE = "-._~!$*+="

_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")

LINE_BREAKING = re.compile(r"[\x00\r\n]")
"""What no network has in an id, and what would end a line or a string somewhere on the way."""

_NEVER_RAW = re.compile(r'[\x00-\x20\x7f"<>\\^`{|}#]')
_NO_DOMAIN = re.compile(r"[\x00-\x20\x7f\"<>\\^`{|}#%@/?:\[\]]")

# XEP-0106: what a JID's localpart cannot hold, and how it is written there.
_ESCAPES = {" ": r"\20", '"': r"\22", "&": r"\26", "'": r"\27", "/": r"\2f", ":": r"\3a", "<": r"\3c", ">": r"\3e",
            "@": r"\40", "\\": r"\5c"}  # fmt: skip
_PLAIN = {code: plain for plain, code in _ESCAPES.items()}
_CODES = "|".join(code[1:] for code in _PLAIN)
_ESCAPED = re.compile(rf"\\(?:{_CODES})")
_TO_ESCAPE = re.compile(rf"[ \"&'/:<>@]|\\(?={_CODES})")

Scheme = Literal["im", "pres"]


class UriError(ValueError):
    """The text is no ``im:`` or ``pres:`` URI that names an inbox or a presentity, or cannot be made one."""


def encode(text: str, safe: str = _SAFE) -> str:
    """Percent-encoded UTF-8, in upper case. Raises `UriError` for lone surrogates."""
    try:
        return quote(text, safe=safe)
    except UnicodeError as error:
        raise UriError(f"{text!r} is not Unicode text") from error


def decode(text: str) -> str:
    """Undo any percent-encoding. Raises `UriError` where it is broken, or hides a line's end."""
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeError as error:
        raise UriError(f"{text!r} is not percent-encoded UTF-8") from error
    if _BROKEN_PERCENT.search(text) or LINE_BREAKING.search(decoded):
        raise UriError(f"{text!r} is not percent-encoded as a URI is")
    return decoded


@dataclass(frozen=True, slots=True)
class Uri:
    """An inbox (``im``) or a presentity (``pres``), with its parts decoded.

    `domain` is in lower case; beyond ASCII it is Unicode here and percent-encoded in the URI (RFC 3986 section 3.2.2),
    which keeps IDNA to who resolves it. `headers` is what stands after ``?``, as in ``mailto:``.
    """

    scheme: Scheme
    local: str
    domain: str
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        mailbox = f"{self.scheme}:{encode(self.local)}@{encode(self.domain)}"
        headers = "&".join(f"{encode(name, '-._~')}={encode(value, '-._~')}" for name, value in self.headers)
        return f"{mailbox}?{headers}" if headers else mailbox

    @property
    def bare(self) -> Self:
        """Without headers: what two URIs are compared by."""
        return type(self)(self.scheme, self.local, self.domain)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI. Raises `UriError`, also for one without an inbox, such as ``im:?body=hi``, which is grammatical
        and of no use (RFC 3860 section 3.4.1 step 1)."""
        name, colon, rest = text.partition(":")
        scheme = name.lower()
        if not colon or scheme not in ("im", "pres"):
            raise UriError(f"{text!r} is not an im: or pres: URI")
        if _NEVER_RAW.search(rest):
            raise UriError(f"{text!r} holds what cannot stand in a URI unencoded")
        mailbox, mark, query = rest.partition("?")
        local, _, host = mailbox.partition("@")  # the first one: RFC 3922 section 3.3
        domain = decode(host).lower()
        if not local or not _is_domain(domain):
            raise UriError(f"{text!r} names nobody at a domain")
        headers = tuple(_header(each) for each in query.split("&")) if mark and query else ()
        return cls(cast(Scheme, scheme), decode(local), domain, headers)

    @classmethod
    def from_jid(cls, jid: str, scheme: Scheme) -> Self:
        """Of a JID: without its resource, which RFC 3922 section 3.2 discards. Raises `UriError`."""
        bare = jid.partition("/")[0]
        node, at, host = bare.partition("@")
        domain = host.lower()
        if not at or not node or not _is_domain(domain) or LINE_BREAKING.search(node):
            raise UriError(f"{jid!r} is nobody's JID")
        return cls(scheme, unescape(node), domain)

    def jid(self) -> str:
        """The bare JID (RFC 3922 section 3.3). Raises `UriError` for a name that no JID can have."""
        return f"{escape(self.local)}@{self.domain}"


def _is_domain(text: str) -> bool:
    """Labels and dots, as far as can be told without IDNA."""
    return not _NO_DOMAIN.search(text) and all(0 < len(label) <= 63 for label in text.removesuffix(".").split("."))


def _header(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UriError(f"{text!r} is not a header of a URI, as in subject=hello")
    try:
        # Here a line's end is a line of the body, not an escape from anything.
        decoded = unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()
    except UnicodeError as error:
        raise UriError(f"{text!r} is not percent-encoded UTF-8") from error
    if _BROKEN_PERCENT.search(text):
        raise UriError(f"{text!r} is not percent-encoded as a URI is")
    return decoded


def escape(text: str) -> str:
    """Text as a JID's localpart (XEP-0106). Raises `UriError` for a space at an end, which has no escape there."""
    if text.startswith(" ") or text.endswith(" "):
        raise UriError(f"{text!r} begins or ends in a space, as no JID does")
    return _TO_ESCAPE.sub(lambda match: _ESCAPES[match.group()], text)


def unescape(node: str) -> str:
    r"""What a JID's localpart stands for (XEP-0106). ``\20`` at an end is no escape, and stays."""
    last = len(node) - 3

    def plain(match: re.Match[str]) -> str:
        code = match.group()
        return code if code == r"\20" and match.start() in (0, last) else _PLAIN[code]

    return _ESCAPED.sub(plain, node)
