"""XML as the presence formats need it: what is known becomes nodes, what is foreign is kept as text.

Pure. A reader says which elements it knows, and where (`Known`); only these become `Node` objects, so that nesting is
never deeper than what is known. An element of another namespace at a place where the formats allow extensions is
kept as an `Extension` for whoever the document is handed on to (RFC 2779 requirement 3.1.4). There are no DTDs, and so
no entities but XML's own five.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from xml.parsers import expat

LONGEST: Final = 16 * 1024 * 1024
"""Bytes of a document, and characters of what is kept of extensions; whatever is longer is refused."""
LONGEST_NAMESPACE: Final = 1000
"""Characters. A namespace is written once and meant by every element: a long one would make much out of little."""

XML: Final = "http://www.w3.org/XML/1998/namespace"
LANG: Final = f"{XML} lang"

_SEPARATOR: Final = " "
"""Between namespace and local name, as expat is told; no local name holds it."""
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20\x7f]+")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TRUE: Final = ("true", "1")
_MUST_UNDERSTAND: Final = "urn:ietf:params:xml:ns:pidf mustUnderstand"


class XmlError(ValueError):
    """The octets are no document that is read here; the text says why."""


@dataclass(frozen=True, slots=True)
class Extension:
    """An element that is not understood, kept for relays. `xml` stands by itself: it declares its namespaces.

    `must_understand` is RFC 3863 section 4.2.3's attribute on the element itself.
    """

    xml: str
    must_understand: bool = False


Known = Mapping[str, "Known"]
"""Names of elements, as "namespace name", each with those it may hold that are known as well."""


class Node:
    """A known element. `language` is that of its text, as given or inherited; empty where there is none."""

    __slots__ = ("attributes", "children", "extensions", "language", "name", "pieces")

    def __init__(self, name: str, attributes: dict[str, str], language: str) -> None:
        self.name = name
        self.attributes = attributes
        self.language = language
        self.pieces: list[str] = []
        self.children: list[Node] = []
        self.extensions: list[Extension] = []

    @property
    def text(self) -> str:
        """The text in the element itself, as it stands."""
        return "".join(self.pieces)


def read(data: bytes, known: Known) -> Node:
    """The root of a document and what is known in it. Raises `XmlError`; takes time linear in the length."""
    if len(data) > LONGEST:
        raise XmlError(f"a document of {len(data)} bytes is longer than {LONGEST}")
    reader = _Reader(known)
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartNamespaceDeclHandler = _namespace
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(data, True)
    except XmlError:
        raise
    except expat.ExpatError as error:
        raise XmlError(f"not well-formed: {error}") from error
    except (LookupError, ValueError) as error:
        # Of an encoding that Python does not know, or that has more than one byte a character.
        raise XmlError(f"the encoding cannot be read: {error}") from error
    if reader.root is None:
        raise XmlError("no element")
    return reader.root


def _refuse_doctype(*_: object) -> None:
    raise XmlError("a document type declaration is not allowed")


def _namespace(_: str | None, uri: str | None) -> None:
    if uri is not None and len(uri) > LONGEST_NAMESPACE:
        raise XmlError(f"a namespace of {len(uri)} characters is longer than {LONGEST_NAMESPACE}")


class _Reader:
    """Expat's events, made to nodes. `skipped` and `kept` count how deep in what is left out, or kept, it is."""

    def __init__(self, known: Known) -> None:
        self.root: Node | None = None
        self._known = [known]
        self._open: list[Node] = []
        self._skipped = 0
        self._kept: list[str] = []
        self._namespaces: list[str] = []
        self._names: list[str] = []
        self._must_understand = False
        self._length = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._namespaces:
            self._keep(name, attributes)
            return
        if self._skipped:
            self._skipped += 1
            return
        inner = self._known[-1].get(name)
        if inner is None:
            if not self._open:
                raise XmlError(f"the root is {_spell(name)}")
            namespace = name.rpartition(_SEPARATOR)[0]
            # What the schemas allow as ``##other``: neither of the parent's namespace nor of none.
            if not namespace or namespace == self._open[-1].name.rpartition(_SEPARATOR)[0]:
                self._skipped = 1
                return
            self._must_understand = attributes.get(_MUST_UNDERSTAND, "").strip() in _TRUE
            self._keep(name, attributes)
            return
        language = attributes.get(LANG)
        if language is None:
            language = self._open[-1].language if self._open else ""
        elif not is_language(language):
            language = ""
        node = Node(name, attributes, language)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)
        self._known.append(inner)

    def end(self, name: str) -> None:
        if self._namespaces:
            self._add(f"</{self._names.pop()}>")
            self._namespaces.pop()
            if not self._namespaces:
                self._open[-1].extensions.append(Extension("".join(self._kept), self._must_understand))
                self._kept = []
        elif self._skipped:
            self._skipped -= 1
        else:
            self._open.pop()
            self._known.pop()

    def text(self, text: str) -> None:
        if self._namespaces:
            self._add(escape(text))
        elif not self._skipped:
            self._open[-1].pieces.append(text)

    def _keep(self, name: str, attributes: dict[str, str]) -> None:
        """Write the start of an element that is kept, so that reading what is written gives the same text again."""
        namespace, _, local = name.rpartition(_SEPARATOR)
        words = [f"<{local}"]
        if not self._namespaces or self._namespaces[-1] != namespace:
            words.append(f' xmlns="{attribute(namespace)}"')
        for number, (full, value) in enumerate(attributes.items()):
            space, _, short = full.rpartition(_SEPARATOR)
            if space == XML:
                short = f"xml:{short}"
            elif space:
                words.append(f' xmlns:n{number}="{attribute(space)}"')
                short = f"n{number}:{short}"
            words.append(f' {short}="{attribute(value)}"')
        words.append(">")
        self._namespaces.append(namespace)
        self._names.append(local)
        self._add("".join(words))

    def _add(self, text: str) -> None:
        self._length += len(text)
        if self._length > LONGEST:
            raise XmlError(f"the extensions are longer than {LONGEST} characters")
        self._kept.append(text)


def _spell(name: str) -> str:
    """A name as people write it, cut where it is absurd."""
    namespace, _, local = name.rpartition(_SEPARATOR)
    return f"<{local[:80]}> of namespace {namespace[:80]!r}"


_TEXT = re.compile("[&<>\r]")
_ATTRIBUTE = re.compile('[&<>"\t\n\r]')
_REFERENCE: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}


def _reference(found: re.Match[str]) -> str:
    return _REFERENCE[found[0]]


def escape(text: str) -> str:
    """Text as it stands between tags. What XML cannot hold at all is left out."""
    return _TEXT.sub(_reference, _FORBIDDEN.sub("", text))


def attribute(text: str) -> str:
    """Text as it stands in an attribute, between double quotes. What XML cannot hold at all is left out."""
    return _ATTRIBUTE.sub(_reference, _FORBIDDEN.sub("", text))


def is_text(text: str) -> bool:
    """Whether XML can hold all of the text."""
    return _FORBIDDEN.search(text) is None


def is_language(text: str) -> bool:
    """Whether a text has the form of a language tag, as xml:lang wants it (RFC 3066)."""
    return _LANGUAGE.fullmatch(text) is not None


def is_absolute_uri(text: str) -> bool:
    """Whether a text has a scheme, something after it, and no white space or control characters."""
    return _URI.fullmatch(text) is not None
