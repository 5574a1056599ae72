"""What a ``message/cpim`` object says, as values, and the one error of its codec."""

import base64
import binascii
import quopri
from collections.abc import Container
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote

CORE = "urn:ietf:params:cpim-headers:"
"""The namespace of RFC 3862's own headers (section 3.4). Section 6 misprints it."""

CORE_HEADERS = frozenset({"From", "To", "cc", "DateTime", "Subject", "NS", "Require"})

MEDIA_TYPE = "message/cpim"


class CpimError(ValueError):
    """The octets are no ``message/cpim`` object, or the value cannot be written as one. Says what, and where."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)


class Repair(StrEnum):
    """What had to be mended or passed over before the object could be read."""

    LINE_ENDS = "lines end in bare LF"
    BLANK_LINE = "no blank line before the MIME headers"
    OUTER = "no blank line after Content-Type: Message/CPIM"
    SPACES = "spaces are missing, doubled, or at the end of a line"
    MAILBOX = "something beside the name and the URI of a mailbox"
    HEADER = "a header with a malformed name or an undeclared prefix was ignored"
    NAMESPACE = "a namespace that is no absolute URI was ignored"
    REQUIRED = "Required instead of Require"
    DATE_TIME = "DateTime is missing or not as in RFC 3339"
    CONTENT_TYPE = "no Content-Type; taken for text/plain in ASCII"
    ESCAPE = "a lone surrogate was escaped"
    SUBJECTS = "two subjects in one language"


@dataclass(frozen=True, slots=True)
class HeaderName:
    """A header by its namespace and its name there. Prefixes are local to one object and mean nothing outside."""

    namespace: str
    local: str

    def __str__(self) -> str:
        """The URI that names the header (section 3.4)."""
        return self.namespace + quote(self.local, safe="")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Who, by an absolute URI, and the name to show for them, "" for none."""

    uri: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Text, and its language as an RFC 5646 tag; "" is ``i-default`` (section 3.3)."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Extension:
    """Any header that RFC 3862 does not define, with escapes undone. Unprefixed ones are of the namespace `CORE`."""

    name: HeaderName
    value: str
    parameters: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str | None:
        """The first of that name."""
        return next((value for each, value in self.parameters if each == name), None)


@dataclass(frozen=True, slots=True)
class Content:
    """The MIME entity inside (section 2.4): its media type in lower case, other headers in their order, its octets."""

    body: bytes
    type: str = "text/plain"
    parameters: tuple[tuple[str, str], ...] = (("charset", "utf-8"),)
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        wanted = name.lower()
        return next((value for each, value in self.headers if each.lower() == wanted), None)

    def parameter(self, name: str) -> str | None:
        """A parameter of the Content-Type."""
        return next((value for each, value in self.parameters if each == name), None)

    def decoded(self) -> bytes:
        """The octets with Content-Transfer-Encoding undone. Raises `CpimError`."""
        encoding = (self.header("Content-Transfer-Encoding") or "8bit").strip().lower()
        if encoding in ("7bit", "8bit", "binary"):
            return self.body
        if encoding == "quoted-printable":
            return quopri.decodestring(self.body)
        if encoding == "base64":
            try:
                return base64.b64decode(self.body.translate(None, b"\r\n \t"), validate=True)
            except binascii.Error as error:
                raise CpimError(f"not base64: {error}", "content") from error
        raise CpimError(f"{encoding[:40]!r} is no transfer encoding", "content")

    def text(self) -> str:
        """The text of a ``text/plain`` in UTF-8 or US-ASCII, lines ended by LF. Raises `CpimError` for anything else:
        RFC 3922 section 4.2.9 lets no other charset, and no other type, become what somebody says."""
        charset = (self.parameter("charset") or "us-ascii").lower()
        if self.type != "text/plain" or charset not in ("utf-8", "us-ascii"):
            raise CpimError(f"{self.type} in {charset[:40]!r} is no text to be said", "content")
        try:
            text = self.decoded().decode("ascii" if charset == "us-ascii" else "utf-8")
        except UnicodeError as error:
            raise CpimError(f"not {charset}: {error}", "content") from error
        return text.replace("\r\n", "\n")


@dataclass(frozen=True, slots=True)
class CpimMessage:
    """One object: exactly one From, To at least once, cc and extensions as they come, one Subject per language, and
    exactly one DateTime (`when`, in seconds since the epoch; None only for a foreign one that had none to read).

    `octets` is what was given to `loads`, untouched; `start` is where the object begins in it, behind a
    ``Content-Type: Message/CPIM`` that came along. A value changed by `dataclasses.replace` has none: it is another
    message (section 2: a gateway changes nothing in one).
    """

    sender: Mailbox
    to: tuple[Mailbox, ...]
    content: Content
    when: float | None
    subjects: tuple[Subject, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    required: tuple[HeaderName, ...] = ()
    extensions: tuple[Extension, ...] = ()
    octets: bytes = field(default=b"", init=False, compare=False, repr=False)
    start: int = field(default=0, init=False, compare=False, repr=False)
    repairs: frozenset[Repair] = field(default=frozenset(), init=False, compare=False)

    def extension(self, namespace: str, local: str) -> Extension | None:
        """The first such header."""
        wanted = HeaderName(namespace, local)
        return next((each for each in self.extensions if each.name == wanted), None)

    def not_understood(self, understood: Container[HeaderName] = ()) -> tuple[HeaderName, ...]:
        """What `Require` names beyond the core's headers and those given. With any, the message must not be processed
        (section 4.7): CPIM's answer is failure."""
        return tuple(
            name
            for name in self.required
            if not (name.namespace == CORE and name.local in CORE_HEADERS) and name not in understood
        )
