"""The octets of a ``message/cpim`` object to a value, in one pass and in time linear in their number."""

from bridge.model import rfc3339
from bridge.model.cpim import grammar, mime
from bridge.model.cpim.escapes import unescape
from bridge.model.cpim.values import (
    CORE,
    CORE_HEADERS,
    Content,
    CpimError,
    CpimMessage,
    Extension,
    HeaderName,
    Mailbox,
    Repair,
    Subject,
)

LIMIT = 16 * 1024 * 1024
"""Octets of an object that is looked at, unless its reader says otherwise."""


_CONTENT = "content"


def loads(data: bytes, strict: bool = True, *, limit: int = LIMIT) -> CpimMessage:
    """Read an object, with or without ``Content-Type: Message/CPIM`` and a blank line before it.

    Raises `CpimError`, and nothing else, whatever the octets are. Without `strict`, what can be mended without guessing
    at somebody's meaning is mended, and named in `CpimMessage.repairs`.
    """
    if len(data) > limit:
        raise CpimError(f"{len(data)} octets are more than the {limit} that are read")
    repairs: set[Repair] = set()
    start = _outer(data, strict, repairs) if data[:8].lower() == b"content-" else 0
    lines, position, mime_lines = _metadata(data, start, strict, repairs)
    headers = _Headers(strict, repairs)
    headers.read(lines, data.count(b"\n", 0, start) + 1 if start else 1)
    content = _content(data, position, mime_lines, strict, repairs)
    message = headers.message(content)
    # Set here, so that no changed copy of the value can carry them (`dataclasses.replace` leaves them out).
    object.__setattr__(message, "octets", data)
    object.__setattr__(message, "start", start)
    if repairs:
        object.__setattr__(message, "repairs", frozenset(repairs))
    return message


def _outer(data: bytes, strict: bool, repairs: set[Repair]) -> int:
    """Where the object begins, behind the MIME header that names it."""
    where = "before the object"
    blank = (grammar.BLANK if strict else grammar.FOREIGN_BLANK).search(data)
    if blank is None:
        raise CpimError("nothing follows Content-Type", where)
    lines = _decoded(data[: blank.start()], 0).replace("\r\n", "\n").split("\n")
    if strict and (b"\n" in data[: blank.start()].replace(b"\r\n", b"")):
        raise CpimError("a line ends in bare LF", where)
    found = mime.fields(lines, where)
    if mime.is_outer(found):
        mime.check_outer(found, where)
        return blank.end()
    if strict:
        raise CpimError("no blank line after Content-Type", where)
    mime.check_outer(found[:1], where)
    repairs.add(Repair.OUTER)
    return data.index(b"\n") + 1


def _decoded(octets: bytes, offset: int) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise CpimError(f"not UTF-8: {error.reason}", f"octet {offset + error.start}") from error


def _metadata(data: bytes, start: int, strict: bool, repairs: set[Repair]) -> tuple[list[str], int, list[str] | None]:
    """The lines of the metadata, where what follows begins, and the lines of MIME headers if they were among them."""
    blank = (grammar.BLANK if strict else grammar.FOREIGN_BLANK).search(data, start)
    if blank is None:
        raise CpimError("no blank line (CRLF CRLF) after the headers")
    block = data[start : blank.start()]
    if grammar.CONTROL.search(block.replace(b"\r\n", b"")):
        control = (grammar.STRAY if strict else grammar.FOREIGN_STRAY).search(block)
        if control is not None:
            what = "a bare LF" if control[0] == b"\n" else f"the control character {control[0]!r}"
            raise CpimError(f"{what} in the headers", f"octet {start + control.start()}")
    text = _decoded(block, start)
    if strict:
        return text.split("\r\n"), blank.end(), None
    if b"\n" in (block + blank[0]).replace(b"\r\n", b""):
        repairs.add(Repair.LINE_ENDS)
    lines = text.replace("\r\n", "\n").split("\n")
    for index, line in enumerate(lines):
        if line[:8].lower() == "content-":
            repairs.add(Repair.BLANK_LINE)
            return lines[:index], blank.end(), lines[index:]
    return lines, blank.end(), None


def _content(data: bytes, position: int, lines: list[str] | None, strict: bool, repairs: set[Repair]) -> Content:
    """The MIME entity, of which the headers may have been read already (`lines`)."""
    if lines is None:
        lines, position = _mime_lines(data, position, strict, repairs)
    found = mime.fields(lines, _CONTENT)
    content = mime.content(found, data[position:], _CONTENT)
    if content is not None:
        return content
    if strict:
        raise CpimError("no Content-Type", _CONTENT)
    body = data[position:]
    if not body.isascii():
        raise CpimError("no Content-Type, and not ASCII", _CONTENT)
    repairs.add(Repair.CONTENT_TYPE)
    return Content(body, "text/plain", (("charset", "us-ascii"),), tuple(found))


def _mime_lines(data: bytes, position: int, strict: bool, repairs: set[Repair]) -> tuple[list[str], int]:
    """The lines of the MIME headers, and where the body begins."""
    for end in (b"\r\n",) if strict else (b"\r\n", b"\n"):
        if data.startswith(end, position):
            return [], position + len(end)
    if not strict and not data[position : position + 8].lower().startswith((b"content-", b"mime-")):
        return [], position  # what does not begin as MIME headers do is said, not about what is said
    blank = (grammar.BLANK if strict else grammar.FOREIGN_BLANK).search(data, position)
    if blank is None:
        raise CpimError("no blank line after the MIME headers", _CONTENT)
    block = data[position : blank.start()]
    if b"\n" in (block + blank[0]).replace(b"\r\n", b""):
        if strict:
            raise CpimError("a line ends in bare LF", _CONTENT)
        repairs.add(Repair.LINE_ENDS)
    return _decoded(block, position).replace("\r\n", "\n").split("\n"), blank.end()


class _Headers:
    """What the metadata says, as far as its lines were read. They are read in their order, which means something."""

    def __init__(self, strict: bool, repairs: set[Repair]) -> None:
        self._strict = strict
        self._repairs = repairs
        self._default = CORE
        self._prefixes: dict[str, str] = {}
        self._senders: list[Mailbox] = []
        self._to: list[Mailbox] = []
        self._cc: list[Mailbox] = []
        self._times: list[float | None] = []
        self._subjects: list[Subject] = []
        self._languages: set[str] = set()
        self._required: list[HeaderName] = []
        self._extensions: list[Extension] = []
        self._line = 0

    def read(self, lines: list[str], first: int) -> None:
        """Take in the lines, of which the first has that number."""
        for self._line, line in enumerate(lines, first):
            head, colon, rest = (line if self._strict else self._trimmed(line)).partition(":")
            if not colon:
                raise self._error(f"{line[:60]!r} is no header")
            if rest[:1] == ";":
                parameters, value = self._parameters(rest)
            elif rest[:1] == " ":
                parameters, value = (), rest[1:]
            else:
                parameters, value = (), self._unspaced(rest)
            if value[:1] == " " or value[-1:] == " ":
                value = self._spaced(value)
            namespace = self._resolve(head)
            if namespace is None:
                continue
            local = head.rpartition(".")[2]
            if namespace == CORE:
                if local in CORE_HEADERS:
                    self._core(local, parameters, value)
                    continue
                self._suspect(local)
            value = self._plain(value) if "\\" in value else value
            self._extensions.append(Extension(HeaderName(namespace, local), value, parameters))

    def message(self, content: Content) -> CpimMessage:
        """The value. Raises `CpimError` where a header is missing, or there twice."""
        if len(self._senders) != 1:
            raise CpimError("there are two" if self._senders else "is missing", "From")
        if not self._to:
            raise CpimError("is missing", "To")
        if len(self._times) > 1:
            raise CpimError("there are two", "DateTime")
        if not self._times:
            self._mend(Repair.DATE_TIME, "DateTime is missing")
        return CpimMessage(
            self._senders[0],
            tuple(self._to),
            content,
            self._times[0] if self._times else None,
            tuple(self._subjects),
            tuple(self._cc),
            tuple(self._required),
            tuple(self._extensions),
        )

    def _error(self, what: str) -> CpimError:
        return CpimError(what, f"line {self._line}")

    def _mend(self, repair: Repair, what: str) -> None:
        """Note it, or in strict mode refuse it."""
        if self._strict:
            raise self._error(what)
        self._repairs.add(repair)

    def _trimmed(self, line: str) -> str:
        trimmed = line.rstrip(" \t")
        if "\t" in trimmed:
            raise self._error("a tab")
        if trimmed != line and not trimmed.endswith(":"):
            self._repairs.add(Repair.SPACES)
        return trimmed

    def _unspaced(self, rest: str) -> str:
        if rest or self._strict:
            self._mend(Repair.SPACES, "no space after the colon")
        return rest

    def _spaced(self, value: str) -> str:
        self._mend(Repair.SPACES, "a space too many at the beginning or end of the value")
        return value.strip(" ")

    def _plain(self, text: str) -> str:
        plain, broken = unescape(text)
        if broken:
            self._mend(Repair.ESCAPE, "a lone surrogate is escaped")
        return plain

    def _parameters(self, rest: str) -> tuple[tuple[tuple[str, str], ...], str]:
        """The parameters before the space, and the value after it."""
        found = []
        position = 0
        while match := grammar.PARAMETER.match(rest, position):
            name, token, quoted = match.groups()
            found.append((name, self._plain(quoted) if token is None else token))
            position = match.end()
        if rest[position : position + 1] == " ":
            return tuple(found), rest[position + 1 :]
        if position == len(rest) and not self._strict:
            return tuple(found), ""
        raise self._error(f"{rest[position : position + 60]!r} is no parameter")

    def _resolve(self, head: str) -> str | None:
        """The header's namespace, or None for one to ignore. Unprefixed, NS and Require are always the core's."""
        if "." not in head:
            if head in ("NS", "Require"):
                return CORE
            if head in CORE_HEADERS or grammar.NAME.fullmatch(head):
                return self._default
        return self._prefixed(head)

    def _prefixed(self, head: str) -> str | None:
        match = grammar.QUALIFIED.fullmatch(head)
        if match is None:
            if not grammar.NAME_OR_DOTS.fullmatch(head):
                raise self._error(f"{head[:60]!r} is no name of a header")
            self._mend(Repair.HEADER, f"{head[:60]!r} is no prefix and name")
            return None
        namespace = self._prefixes.get(match[1])
        if namespace is None:
            self._mend(Repair.HEADER, f"the prefix {match[1][:60]!r} is not declared before")
        return namespace

    def _core(self, local: str, parameters: tuple[tuple[str, str], ...], value: str) -> None:
        """A header that RFC 3862 section 4 defines."""
        if local == "Subject":
            self._subject(parameters, value)
        elif parameters:
            raise self._error(f"{local} takes no parameters")
        elif local == "From":
            self._senders.append(self._mailbox(value))
        elif local == "To":
            self._to.append(self._mailbox(value))
        elif local == "DateTime":
            self._times.append(self._time(value))
        elif local == "NS":
            self._declare(value)
        elif local == "cc":
            self._cc.append(self._mailbox(value))
        else:
            self._require(value)

    def _suspect(self, local: str) -> None:
        """Look at a header without prefix that RFC 3862 does not define."""
        if local[:8].lower() == "content-":
            raise self._error("no blank line before the MIME headers")
        if local == "Required" and not self._strict:
            self._repairs.add(Repair.REQUIRED)

    def _mailbox(self, value: str) -> Mailbox:
        match = grammar.MAILBOX.fullmatch(value)
        if match is None:
            match = grammar.FOREIGN_MAILBOX.fullmatch(value)
            if match is None:
                raise self._error(
                    f"{value[:60]!r} is not a name and an absolute URI, as in Ana Reis <im:ana@example.org>"
                )
            self._mend(Repair.MAILBOX, f"{value[:60]!r} has a space or parameters beside name and URI")
        words, quoted, uri = match.groups()
        if words is not None:
            return Mailbox(uri, words[:-1])
        return Mailbox(uri, self._plain(quoted) if quoted else "")

    def _time(self, value: str) -> float | None:
        try:
            return rfc3339.read(value)
        except ValueError as error:
            self._mend(Repair.DATE_TIME, str(error))
            return None

    def _subject(self, parameters: tuple[tuple[str, str], ...], value: str) -> None:
        language = ""
        if parameters:
            language = parameters[0][1]
            if len(parameters) > 1 or parameters[0][0] != "lang" or not grammar.LANGUAGE.fullmatch(language):
                raise self._error("Subject takes a language tag, and nothing else")
        folded = language.lower()
        if folded in self._languages:
            self._mend(Repair.SUBJECTS, f"there is a Subject in {language or 'no language'} already")
        self._languages.add(folded)
        self._subjects.append(Subject(self._plain(value), language))

    def _declare(self, value: str) -> None:
        match = grammar.NAMESPACE.fullmatch(value)
        if match is None:
            self._mend(Repair.NAMESPACE, f"{value[:60]!r} is not a prefix and an absolute URI")
        elif match[1] is None:
            self._default = match[2]
        else:
            self._prefixes[match[1]] = match[2]

    def _require(self, value: str) -> None:
        for each in value.split(","):
            head = each if self._strict else each.strip(" ")
            # What cannot be resolved is required all the same: it is of no namespace, where nobody understands it.
            named = self._strict or grammar.NAME_OR_DOTS.fullmatch(head)
            namespace = self._resolve(head) if named else None
            if namespace is None:
                self._repairs.add(Repair.HEADER)
                self._required.append(HeaderName("", head))
            else:
                self._required.append(HeaderName(namespace, head.rpartition(".")[2]))
