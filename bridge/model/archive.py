"""Messages of the model as ``message/cpim`` objects (RFC 3862), and back: the form of the archive and of what comes by
HTTP.

The body is ``text/plain; charset=utf-8``, its lines ended by CRLF; its language is Content-Language, the subject's is
``Subject;lang``. The event's id is ``imdn.Message-ID`` (RFC 5438 section 6.3). What RFC 3862 has no header for stands
in extension headers of the namespace `NAMESPACE`, so that a reader that knows none of them still has everything that
was said:

================ ======================================= =======================================================
header           value                                   parameters
================ ======================================= =======================================================
``Kind``         ``emote`` or ``notice``
``Thread``       id of the thread, percent-encoded
``Reply-To``     id of the message answered, as above
``Replaces``     id of the message edited, as above
``Span``         a style, as ``bold``                    ``start`` and ``end``, in characters of the text with LF
                                                         for CRLF; ``value``
``Media``        a kind, as ``image``                    ``name``, ``url``, ``mime``, ``size`` in bytes
``Location``     ``geo``                                 ``uri``, ``label``
``Mention``      an ``im:`` URI
``Network``      where it was said: a network's name
``Native-Id``    its id there, percent-encoded
``Protection``   ``transport`` or ``end-to-end``
``Hops``         gateways it may still pass
================ ======================================= =======================================================

Ids are those of the network where the message was said. What an object says of itself is worth as much as who brought
it: whoever takes in a stranger's believes neither its ``Network`` nor its ``From``.

Three things are lost on the way: spaces around a subject, its spans, and CR beside LF in the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, TypeVar

from bridge.model import imdn
from bridge.model.address import Address, AddressError, Place
from bridge.model.cpim import Content, CpimError, CpimMessage, Extension, HeaderName, Mailbox, Subject
from bridge.model.cpim.grammar import LANGUAGE, TOKEN
from bridge.model.event import HOPS, Event, Origin, Protection
from bridge.model.message import Location, Media, MediaKind, Message, MessageKind, Span, Style, Text
from bridge.model.uri import UriError, decode, encode

NAMESPACE = "org.rialto.bridge:cpim"
"""A URI of a scheme of our own, named as RFC 7595 section 3.8 asks of private ones, and as our marks elsewhere are.
Nothing can be fetched there."""

_CONTENT = "content"
_NUMBER = re.compile(r"[0-9]{1,15}")


def _named(local: str) -> HeaderName:
    return HeaderName(NAMESPACE, local)


KIND, THREAD, REPLY_TO, REPLACES = (_named(each) for each in ("Kind", "Thread", "Reply-To", "Replaces"))
SPAN, MEDIA, LOCATION, MENTION = (_named(each) for each in ("Span", "Media", "Location", "Mention"))
NETWORK, NATIVE_ID, PROTECTION, HOP_LIMIT = (_named(each) for each in ("Network", "Native-Id", "Protection", "Hops"))

UNDERSTOOD = frozenset(
    {KIND, THREAD, REPLY_TO, REPLACES, SPAN, MEDIA, LOCATION, MENTION, NETWORK, NATIVE_ID, PROTECTION, HOP_LIMIT}
    | {imdn.MESSAGE_ID}
)
"""What `from_cpim` takes into account, to ask `CpimMessage.not_understood` with."""

_V = TypeVar("_V", MessageKind, Style, MediaKind, Protection)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is known of a message beside what it says. `when` is in seconds since the epoch; None is for a stranger's
    that told no time, of which it is the arrival that counts."""

    sender: Mailbox
    to: tuple[Mailbox, ...]
    when: float | None
    id: str = ""
    origin: Origin | None = None
    protection: Protection = Protection.NONE
    hops: int = HOPS

    @classmethod
    def of(cls, event: Event) -> Self:
        """The event's: from its sender, to the person it is for, or else to the room."""
        to = event.to or _inbox(event.place)
        return cls(
            Mailbox(event.sender.address.uri("im"), event.sender.name),
            (Mailbox(to.uri("im")),),
            event.when,
            event.id,
            event.origin,
            event.protection,
            event.hops,
        )


def _inbox(place: Place) -> Address:
    """A room is an inbox, too, and nobody's presence (RFC 2779 requirement 2.1.2)."""
    return Address(place.network, place.native)


def to_cpim(message: Message, envelope: Envelope) -> CpimMessage:
    """The object. Raises `CpimError` for text that is not Unicode; `cpim.dumps` may, too."""
    try:
        body = message.body.text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
    except UnicodeError as error:
        raise CpimError("it is not Unicode text", _CONTENT) from error
    language = _language(message.body)
    headers = (("Content-Language", language),) if language else ()
    try:
        extensions = (*_about(envelope), *_said(message))
    except UriError as error:
        raise CpimError(str(error)) from error
    return CpimMessage(
        envelope.sender,
        envelope.to,
        Content(body, headers=headers),
        envelope.when,
        _subjects(message.subject),
        extensions=extensions,
    )


def _language(text: Text) -> str:
    return text.language if text.language and LANGUAGE.fullmatch(text.language) else ""


def _subjects(subject: Text | None) -> tuple[Subject, ...]:
    text = subject.text.strip(" ") if subject is not None else ""
    return (Subject(text, _language(subject)),) if subject is not None and text else ()


def _about(envelope: Envelope) -> Iterator[Extension]:
    if envelope.id:
        if not TOKEN.fullmatch(envelope.id):
            raise CpimError(f"{envelope.id[:60]!r} is no Message-ID", "Message-ID")
        yield Extension(imdn.MESSAGE_ID, envelope.id)
    if envelope.origin is not None:
        yield Extension(NETWORK, envelope.origin.network)
        yield Extension(NATIVE_ID, encode(envelope.origin.native_id))
    if envelope.protection is not Protection.NONE:
        yield Extension(PROTECTION, envelope.protection.value)
    if envelope.hops != HOPS:
        yield Extension(HOP_LIMIT, str(envelope.hops))


def _said(message: Message) -> Iterator[Extension]:
    if message.kind is not MessageKind.TEXT:
        yield Extension(KIND, message.kind.value)
    for name, target in ((THREAD, message.thread), (REPLY_TO, message.reply_to), (REPLACES, message.replaces)):
        if target:
            yield Extension(name, encode(target))
    for span in message.body.spans:
        yield Extension(SPAN, span.style.value, _given(start=str(span.start), end=str(span.end), value=span.value))
    for part in message.parts:
        if isinstance(part, Media):
            size = None if part.size is None else str(part.size)
            given = _given(name=part.name, url=part.url, mime=part.mime, size=size)
            yield Extension(MEDIA, part.kind.value, given)
        else:
            yield Extension(LOCATION, "geo", _given(uri=part.uri, label=part.label))
    for address in message.mentions:
        yield Extension(MENTION, address.uri("im"))


def _given(**parameters: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in parameters.items() if value is not None)


def from_cpim(read: CpimMessage) -> tuple[Message, Envelope]:
    """What an object says, and what is known of it.

    Raises `CpimError` for content that is not plain text in UTF-8 or US-ASCII (RFC 3922 section 4.2.9), and for headers
    of our namespace that are not as above. Whether everything that it requires is understood is for the caller to ask
    first, with `UNDERSTOOD`. Of several subjects the first is taken; cc is left out, as section 4.2.3 asks.
    """
    text = read.content.text()
    language = read.content.header("Content-Language")
    spans: list[Span] = []
    parts: list[Media | Location] = []
    mentions: list[Address] = []
    single: dict[HeaderName, str] = {}
    for each in read.extensions:
        if each.name == SPAN:
            spans.append(_span(each, len(text)))
        elif each.name == MEDIA:
            size = each.parameter("size")
            parts.append(
                Media(
                    _value(MediaKind, each.value, each.name),
                    each.parameter("name") or "",
                    each.parameter("url"),
                    each.parameter("mime"),
                    None if size is None else _number(size, MEDIA),
                )
            )
        elif each.name == LOCATION:
            parts.append(Location(each.parameter("uri") or "", each.parameter("label")))
        elif each.name == MENTION:
            mentions.append(_mention(each.value))
        elif each.name in UNDERSTOOD:
            single.setdefault(each.name, each.value)
    subject = read.subjects[0] if read.subjects else None
    message = Message(
        Text(text, tuple(spans), language if language and LANGUAGE.fullmatch(language) else None),
        _value(MessageKind, single.get(KIND, MessageKind.TEXT), KIND),
        tuple(parts),
        Text(subject.text, language=subject.language or None) if subject is not None else None,
        _id(single, THREAD),
        _id(single, REPLY_TO),
        _id(single, REPLACES),
        tuple(mentions),
    )
    network, native_id = single.get(NETWORK), _id(single, NATIVE_ID)
    envelope = Envelope(
        read.sender,
        read.to,
        read.when,
        imdn.message_id(read) or "",
        Origin(network, native_id) if network is not None and native_id is not None else None,
        _value(Protection, single.get(PROTECTION, Protection.NONE), PROTECTION),
        _number(single[HOP_LIMIT], HOP_LIMIT) if HOP_LIMIT in single else HOPS,
    )
    return message, envelope


def _value(kind: type[_V], value: str, header: HeaderName) -> _V:
    try:
        return kind(value)
    except ValueError as error:
        raise CpimError(f"{value[:60]!r} is none of {', '.join(kind)}", header.local) from error


def _number(text: str, header: HeaderName) -> int:
    if not _NUMBER.fullmatch(text):
        raise CpimError(f"{text[:60]!r} is no number", header.local)
    return int(text)


def _id(single: dict[HeaderName, str], header: HeaderName) -> str | None:
    value = single.get(header)
    if value is None:
        return None
    try:
        return decode(value)
    except UriError as error:
        raise CpimError(str(error), header.local) from error


def _span(header: Extension, length: int) -> Span:
    start, end = (_number(header.parameter(each) or "", SPAN) for each in ("start", "end"))
    if not start < end <= length:
        raise CpimError(f"{start} to {end} is not in a text of {length} characters", SPAN.local)
    return Span(start, end, _value(Style, header.value, SPAN), header.parameter("value"))


def _mention(uri: str) -> Address:
    try:
        return Address.from_uri(uri)
    except AddressError as error:
        raise CpimError(str(error)[:120], MENTION.local) from error
