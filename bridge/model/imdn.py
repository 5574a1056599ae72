"""Instant Message Disposition Notification (RFC 5438): asking what became of a ``message/cpim`` object, and telling.

A message asks by headers in the namespace `NAMESPACE`. What became of it is told by another message, of which the
content is a `Report`. Three rules keep that from going round: a report is never reported on (`asked` says that it asks
for nothing), it asks for nothing itself, and only who passes messages on tells of processing, never its recipient. That
there is at most one report of a kind about a message is for its sender to see to, who alone has a memory.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bridge.model import rfc3339
from bridge.model.cpim import Content, CpimMessage, Extension, HeaderName, Mailbox
from bridge.model.cpim.grammar import ABSOLUTE_URI, MAILBOX, TOKEN
from bridge.model.elements import Known, Node, XmlError, escape, is_text, read

NAMESPACE = "urn:ietf:params:imdn"
XML_NAMESPACE = "urn:ietf:params:xml:ns:imdn"
MEDIA_TYPE = "message/imdn+xml"

MESSAGE_ID = HeaderName(NAMESPACE, "Message-ID")
DISPOSITION_NOTIFICATION = HeaderName(NAMESPACE, "Disposition-Notification")
ORIGINAL_TO = HeaderName(NAMESPACE, "Original-To")

RANDOMNESS = 8
"""Octets at least that make a Message-ID (section 6.3 asks for 64 bits)."""

LIMIT = 64 * 1024
"""Octets of a report that is looked at."""


class ImdnError(ValueError):
    """The octets are no report, or the value cannot be written as one."""


class Disposition(StrEnum):
    """What a sender may wish to be told of (section 6.2)."""

    POSITIVE_DELIVERY = "positive-delivery"
    NEGATIVE_DELIVERY = "negative-delivery"
    PROCESSING = "processing"
    DISPLAY = "display"


class Kind(StrEnum):
    """What a report is about (section 5). PROCESSING is told by who passes messages on, never by their recipient."""

    DELIVERY = "delivery"
    PROCESSING = "processing"
    DISPLAY = "display"


class Status(StrEnum):
    """What became of the message (section 11.1). FORBIDDEN hides that there was something to tell."""

    DELIVERED = "delivered"
    FAILED = "failed"
    PROCESSED = "processed"
    STORED = "stored"
    DISPLAYED = "displayed"
    FORBIDDEN = "forbidden"
    ERROR = "error"


STATUSES = {
    Kind.DELIVERY: frozenset({Status.DELIVERED, Status.FAILED, Status.FORBIDDEN, Status.ERROR}),
    Kind.PROCESSING: frozenset({Status.PROCESSED, Status.STORED, Status.FORBIDDEN, Status.ERROR}),
    Kind.DISPLAY: frozenset({Status.DISPLAYED, Status.FORBIDDEN, Status.ERROR}),
}
"""What may be said of what."""

_PREFIX = f"{XML_NAMESPACE} "
_WORDS: Known = {_PREFIX + status: {} for status in Status}
_NOTIFICATION: Known = {f"{_PREFIX}status": _WORDS}
_ABOUT = ("message-id", "datetime", "recipient-uri", "original-recipient-uri", "subject")
_DOCUMENT: Known = {
    f"{_PREFIX}imdn": {
        **{_PREFIX + name: {} for name in _ABOUT},
        **{f"{_PREFIX}{kind}-notification": _NOTIFICATION for kind in Kind},
    }
}


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the message `message_id`, which was sent at `when` (seconds since the epoch).

    `recipient` is whom it reached, `original_recipient` whom its sender named, both URIs: both are there, or neither is
    ("").
    """

    message_id: str
    when: float
    kind: Kind
    status: Status
    recipient: str = ""
    original_recipient: str = ""
    subject: str = ""


def new_id(randomness: bytes) -> str:
    """A Message-ID of these random octets, of which there are at least `RANDOMNESS`, or `ValueError` is raised."""
    if len(randomness) < RANDOMNESS:
        raise ValueError(f"a Message-ID takes {RANDOMNESS} random octets, not {len(randomness)}")
    return base64.urlsafe_b64encode(randomness).decode().rstrip("=")


def asking(message_id: str, dispositions: Iterable[Disposition] = ()) -> tuple[Extension, ...]:
    """The headers of a message with that id, about which those things are to be told. Raises `ImdnError`."""
    if not _is_id(message_id):
        raise ImdnError(f"{message_id[:60]!r} is no Message-ID")
    headers = [Extension(MESSAGE_ID, message_id)]
    wanted = set(dispositions)
    if wanted:
        headers.append(Extension(DISPOSITION_NOTIFICATION, ", ".join(each for each in Disposition if each in wanted)))
    return tuple(headers)


def is_report(message: CpimMessage) -> bool:
    """Is the message itself a notification?"""
    return message.content.type == MEDIA_TYPE


def message_id(message: CpimMessage) -> str | None:
    """The message's Message-ID, if it has a proper one."""
    header = message.extension(NAMESPACE, MESSAGE_ID.local)
    return header.value if header is not None and _is_id(header.value) else None


def _is_id(text: str) -> bool:
    return TOKEN.fullmatch(text) is not None and is_text(text)


def asked(message: CpimMessage) -> frozenset[Disposition]:
    """What its sender is to be told of: nothing about a report (section 7.2.1), and nothing without a Message-ID.

    Values that are not known are passed over, as the grammar's extension token asks.
    """
    header = message.extension(NAMESPACE, DISPOSITION_NOTIFICATION.local)
    if header is None or is_report(message) or message_id(message) is None:
        return frozenset()
    words = {word.strip(" ") for word in header.value.split(",")}
    return frozenset(each for each in Disposition if each in words)


def wants(message: CpimMessage, kind: Kind, status: Status) -> bool:
    """Is this to be told to who sent the message? Raises `ImdnError` for what cannot be said of that kind."""
    if status not in STATUSES[kind]:
        raise ImdnError(f"{status} is not said of {kind}")
    if kind is Kind.PROCESSING:
        wanted = Disposition.PROCESSING
    elif kind is Kind.DISPLAY:
        wanted = Disposition.DISPLAY
    else:
        delivered = status is Status.DELIVERED
        wanted = Disposition.POSITIVE_DELIVERY if delivered else Disposition.NEGATIVE_DELIVERY
    return wanted in asked(message)


def notification(message: CpimMessage, kind: Kind, status: Status, *, when: float, id: str) -> CpimMessage | None:  # noqa: A002
    """The message, with that id and time of its own, that tells the sender so; None where they did not ask for it.

    Raises `ImdnError` for what cannot be said of that kind, or an `id` that is none.
    """
    original = message_id(message)
    if not wants(message, kind, status) or original is None:
        return None
    reached = message.to[0].uri
    named = message.extension(NAMESPACE, ORIGINAL_TO.local)
    original_to = MAILBOX.fullmatch(named.value) if named is not None else None
    report = Report(
        original,
        when if message.when is None else message.when,
        kind,
        status,
        reached,
        original_to[3] if original_to is not None else reached,
        "".join(filter(is_text, message.subjects[0].text)) if message.subjects else "",
    )
    addressee = (Mailbox(message.sender.uri),)
    return CpimMessage(Mailbox(reached), addressee, content(report), when, extensions=asking(id))


def content(report: Report) -> Content:
    """What a message that carries the report has inside (section 7.2.1). Raises `ImdnError`."""
    return Content(dumps(report), MEDIA_TYPE, (), (("Content-Disposition", "notification"),))


def dumps(report: Report) -> bytes:
    """A ``message/imdn+xml`` document. Raises `ImdnError` for a value that cannot be written as one."""
    if report.status not in STATUSES[report.kind]:
        raise ImdnError(f"{report.status} is not said of {report.kind}")
    if not _is_id(report.message_id):
        raise ImdnError(f"{report.message_id[:60]!r} is no Message-ID")
    try:
        when = rfc3339.write(report.when)
    except ValueError as error:
        raise ImdnError(str(error)) from error
    elements = [_element("message-id", report.message_id), _element("datetime", when)]
    if report.recipient or report.original_recipient:
        elements += [_uri("recipient-uri", report.recipient), _uri("original-recipient-uri", report.original_recipient)]
        if report.subject:
            elements.append(_element("subject", report.subject))
    elif report.subject:
        raise ImdnError("a subject is told only with the recipients")
    kind = f"{report.kind}-notification"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<imdn xmlns="{XML_NAMESPACE}">',
        *elements,
        f"<{kind}><status><{report.status}/></status></{kind}>",
        "</imdn>",
        "",
    ]
    return "\r\n".join(lines).encode()


def _element(name: str, text: str) -> str:
    if not is_text(text):
        raise ImdnError(f"{text[:60]!r} cannot stand in XML")
    return f"<{name}>{escape(text)}</{name}>"


def _uri(name: str, uri: str) -> str:
    if not ABSOLUTE_URI.fullmatch(uri):
        raise ImdnError(f"{uri[:60]!r} is no absolute URI")
    return _element(name, uri)


def loads(data: bytes) -> Report:
    """Read a ``message/imdn+xml`` document; elements that RFC 5438 does not define are passed over.

    Raises `ImdnError`, and nothing else, also for a document type declaration: there are no entities here.
    """
    if len(data) > LIMIT:
        raise ImdnError(f"{len(data)} octets are more than the {LIMIT} that are read")
    try:
        root = read(data, _DOCUMENT)
    except XmlError as error:
        raise ImdnError(str(error)) from error
    elements: dict[str, Node] = {}
    for node in root.children:
        if node.name in elements:
            raise ImdnError(f"there are two of {node.name.removeprefix(_PREFIX)}")
        elements[node.name] = node
    return _report(elements)


def _report(elements: dict[str, Node]) -> Report:
    kinds = [kind for kind in Kind if f"{_PREFIX}{kind}-notification" in elements]
    if len(kinds) != 1:
        raise ImdnError("there is not one notification, of delivery, processing or display")
    (kind,) = kinds
    said = {status.name for each in elements[f"{_PREFIX}{kind}-notification"].children for status in each.children}
    statuses = [status for status in Status if _PREFIX + status in said]
    if len(statuses) != 1 or statuses[0] not in STATUSES[kind]:
        raise ImdnError(f"there is not one status of {kind}")

    def text(name: str) -> str:
        node = elements.get(_PREFIX + name)
        return "" if node is None else node.text

    identity = text("message-id").strip()
    if not _is_id(identity):
        raise ImdnError(f"{identity[:60]!r} is no Message-ID")
    try:
        when = rfc3339.read(text("datetime").strip())
    except ValueError as error:
        raise ImdnError(str(error)) from error
    recipients = text("recipient-uri").strip(), text("original-recipient-uri").strip()
    for uri in recipients:
        if uri and not ABSOLUTE_URI.fullmatch(uri):
            raise ImdnError(f"{uri[:60]!r} is no absolute URI")
    return Report(identity, when, kind, statuses[0], *recipients, text("subject"))
