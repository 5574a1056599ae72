"""``POST /im/{im-uri}``: a ``message/cpim`` object is brought to an inbox, and the answer is the result (RFC 3860).

What goes wrong first decides the answer, in the order of RFC 3860 section 3.4.1: an inbox that is none, one that cannot
be resolved, one that may not be written to, one that it could not be brought to.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from bridge.model import cpim, imdn
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.archive import UNDERSTOOD, Envelope, from_cpim
from bridge.model.cpim import CpimError, CpimMessage, HeaderName
from bridge.model.event import HOPS, Event, Protection
from bridge.model.message import Message
from bridge.model.result import Failure, Reason, Status
from bridge.model.uri import Uri, UriError
from bridge.submissions import Result, origin_of
from bridge.web.programs import PRIVATE, Programs, RefusedError, UnauthorisedError, asked, caller, resolved

LARGEST: Final = 64 * 1024
"""Bytes of an object."""

BODY_WITHIN: Final = 20.0
"""Seconds in which it has to have come whole."""

OLDEST: Final = 86400.0
"""Seconds before now that a program may say a message was written; older or later, it was written when it came."""

_UNDERSTOOD: Final[frozenset[HeaderName]] = UNDERSTOOD | {imdn.DISPOSITION_NOTIFICATION}

STATUS: Final[Mapping[Reason, int]] = {
    Reason.BAD_REQUEST: 400,
    Reason.CONFLICT: 409,
    Reason.FEATURE_NOT_IMPLEMENTED: 501,
    Reason.FORBIDDEN: 403,
    Reason.GONE: 410,
    Reason.INTERNAL_SERVER_ERROR: 500,
    Reason.ITEM_NOT_FOUND: 404,
    Reason.JID_MALFORMED: 400,
    Reason.NOT_ACCEPTABLE: 406,
    Reason.NOT_ALLOWED: 403,
    Reason.NOT_AUTHORIZED: 403,
    Reason.POLICY_VIOLATION: 429,
    Reason.RECIPIENT_UNAVAILABLE: 404,
    Reason.REDIRECT: 410,
    Reason.REGISTRATION_REQUIRED: 403,
    Reason.REMOTE_SERVER_NOT_FOUND: 502,
    Reason.REMOTE_SERVER_TIMEOUT: 504,
    Reason.RESOURCE_CONSTRAINT: 503,
    Reason.SERVICE_UNAVAILABLE: 404,
    Reason.SUBSCRIPTION_REQUIRED: 403,
    Reason.UNDEFINED_CONDITION: 502,
    Reason.UNEXPECTED_REQUEST: 409,
}
"""Each reason as a status of HTTP, after RFC 7247's table of those of SIP. Beyond that table: policy is mostly how much
may be written in an hour (429), a network that failed is a gateway's trouble (502, 504), and service-unavailable, by
which XMPP does not say whether there is anybody, is what RFC 9110 section 15.5.5 has 404 for."""


class FailedError(RefusedError):
    """The message was not delivered, and why."""

    def __init__(self, status: int, reason: Reason, text: str) -> None:
        super().__init__(status, text, result=Status.FAILURE.value, reason=reason.value)


async def take(programs: Programs, request: web.Request) -> web.StreamResponse:
    """Answer a POST. Raises `RefusedError`."""
    owner = caller(programs, request)
    if owner is None:
        raise UnauthorisedError("nobody writes without a token; say token to the bot")
    uri = asked(request, "im")
    read = _read(await _body(request))
    unknown = read.not_understood(_UNDERSTOOD)
    if unknown:
        # RFC 3862 section 4.7: it must not be processed.
        text = f"it requires what is not understood here: {', '.join(map(str, unknown))[:200]}"
        raise FailedError(501, Reason.FEATURE_NOT_IMPLEMENTED, text)
    sender, recipients = _uri(read.sender.uri, "From"), [_uri(each.uri, "To") for each in read.to]
    to = resolved(programs, uri)
    if resolved(programs, sender) != owner:
        raise FailedError(403, Reason.FORBIDDEN, "From is not whose token it is")
    if uri not in recipients and to not in [resolved(programs, each) for each in recipients]:
        raise FailedError(400, Reason.BAD_REQUEST, "To does not name the inbox of the path")
    message, envelope = _said(read)
    if envelope.hops <= 1:
        raise FailedError(406, Reason.NOT_ACCEPTABLE, "this message has passed too many gateways")
    message_id = envelope.id or imdn.new_id(secrets.token_bytes(12))
    result = await programs.submissions.submit(
        _event(message, envelope, Person(owner, programs.name_of(owner)), to, message_id, programs.clock())
    )
    return _response(read, result, message_id, programs.clock())


async def _body(request: web.Request) -> bytes:
    if request.content_type != cpim.MEDIA_TYPE:
        raise FailedError(415, Reason.NOT_ACCEPTABLE, f"send it as {cpim.MEDIA_TYPE}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FailedError(415, Reason.NOT_ACCEPTABLE, "send it as it is, without a content coding")
    too_large = FailedError(413, Reason.POLICY_VIOLATION, f"it is larger than {LARGEST} bytes")
    if (request.content_length or 0) > LARGEST:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > LARGEST:
                    raise too_large
    except TimeoutError:
        raise FailedError(408, Reason.REMOTE_SERVER_TIMEOUT, "it did not come whole in time") from None
    return bytes(body)


def _read(body: bytes) -> CpimMessage:
    try:
        return cpim.loads(body, strict=False)
    except CpimError as error:
        raise FailedError(400, Reason.BAD_REQUEST, f"no {cpim.MEDIA_TYPE}: {error}") from error


def _uri(text: str, header: str) -> Uri:
    try:
        uri = Uri.parse(text)
    except UriError as error:
        raise FailedError(400, Reason.JID_MALFORMED, f"{header}: {error}") from error
    if uri.scheme != "im":
        raise FailedError(400, Reason.JID_MALFORMED, f"{header}: {str(uri)[:200]} is no inbox")
    return uri.bare


def _said(read: CpimMessage) -> tuple[Message, Envelope]:
    try:
        read.content.text()
    except CpimError as error:
        raise FailedError(415, Reason.NOT_ACCEPTABLE, str(error)) from error
    try:
        message, envelope = from_cpim(read)
    except CpimError as error:
        raise FailedError(400, Reason.BAD_REQUEST, str(error)) from error
    if not message.body.text.strip() and not message.parts:
        raise FailedError(400, Reason.BAD_REQUEST, "it says nothing")
    return message, envelope


def _event(message: Message, envelope: Envelope, sender: Person, to: Address, message_id: str, now: float) -> Event:
    when = envelope.when
    return Event(
        origin_of(sender.address, message_id),
        Place(sender.address.network, sender.address.native, PlaceKind.USER),
        sender,
        when if when is not None and now - OLDEST <= when <= now else now,
        message,
        # What it says of its own protection is a stranger's word.
        protection=Protection.NONE,
        hops=min(envelope.hops, HOPS),
        to=to,
    )


def _response(read: CpimMessage, result: Result, message_id: str, now: float) -> web.Response:
    """The result: as a report, where the sender asked to be told it so (RFC 5438), else as an object of JSON."""
    status = _status(result)
    told = {
        Status.SUCCESS: (imdn.Kind.DELIVERY, imdn.Status.DELIVERED),
        Status.FAILURE: (imdn.Kind.DELIVERY, imdn.Status.FAILED),
        Status.INDETERMINANT: (imdn.Kind.PROCESSING, imdn.Status.PROCESSED),
    }[result.status]
    report = imdn.notification(read, *told, when=now, id=imdn.new_id(secrets.token_bytes(12)))
    if report is not None:
        return web.Response(body=report.content.body, status=status, content_type=report.content.type, headers=PRIVATE)
    fields = {"result": result.status.value, "message_id": message_id}
    if result.failure is not None:
        fields |= {"reason": result.failure.reason.value, "error": result.failure.text}
    return web.json_response(fields, status=status, headers=PRIVATE)


def _status(result: Result) -> int:
    failure: Failure | None = result.failure
    if failure is not None:
        return STATUS[failure.reason]
    return 200 if result.status is Status.SUCCESS else 202
