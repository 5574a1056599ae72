"""Errors: stanza errors (RFC 6120 section 8.3) and stream errors (section 4.9) to reasons, and back."""

from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

from bridge.contract import SendError
from bridge.model.result import Failure, Reason

STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
STREAMS = "urn:ietf:params:xml:ns:xmpp-streams"

ErrorType = Literal["auth", "cancel", "continue", "modify", "wait"]

ERROR_TYPES: dict[Reason, ErrorType] = {
    Reason.BAD_REQUEST: "modify",
    Reason.CONFLICT: "cancel",
    Reason.FEATURE_NOT_IMPLEMENTED: "cancel",
    Reason.FORBIDDEN: "auth",
    Reason.GONE: "cancel",
    Reason.INTERNAL_SERVER_ERROR: "cancel",
    Reason.ITEM_NOT_FOUND: "cancel",
    Reason.JID_MALFORMED: "modify",
    Reason.NOT_ACCEPTABLE: "modify",
    Reason.NOT_ALLOWED: "cancel",
    Reason.NOT_AUTHORIZED: "auth",
    Reason.POLICY_VIOLATION: "modify",
    Reason.RECIPIENT_UNAVAILABLE: "wait",
    Reason.REDIRECT: "modify",
    Reason.REGISTRATION_REQUIRED: "auth",
    Reason.REMOTE_SERVER_NOT_FOUND: "cancel",
    Reason.REMOTE_SERVER_TIMEOUT: "wait",
    Reason.RESOURCE_CONSTRAINT: "wait",
    Reason.SERVICE_UNAVAILABLE: "cancel",
    Reason.SUBSCRIPTION_REQUIRED: "auth",
    Reason.UNDEFINED_CONDITION: "cancel",
    Reason.UNEXPECTED_REQUEST: "wait",
}
"""The error type that goes with each condition, as RFC 6120 section 8.3.3 recommends."""

_PASSING = frozenset(
    {
        Reason.INTERNAL_SERVER_ERROR,
        Reason.RECIPIENT_UNAVAILABLE,
        Reason.REMOTE_SERVER_TIMEOUT,
        Reason.RESOURCE_CONSTRAINT,
        Reason.UNEXPECTED_REQUEST,
    }
)

_JOIN: dict[Reason, str] = {
    Reason.NOT_AUTHORIZED: "the room asks for another password: give it in the configuration, {id: ROOM, key: ...}",
    Reason.REGISTRATION_REQUIRED: "the room is for members only: an owner of it has to make us members",
    Reason.FORBIDDEN: "banned from the room: one of its owners has to lift the ban",
    Reason.ITEM_NOT_FOUND: "the room does not exist, or is locked: one of its owners has to configure it",
    Reason.NOT_ALLOWED: "the room does not exist, and may not be made: make it, or correct rooms: in the configuration",
    Reason.NOT_ACCEPTABLE: "the room allows reserved nicknames only",
    Reason.SERVICE_UNAVAILABLE: "the room is full",
    Reason.GONE: "the room is gone",
    Reason.REMOTE_SERVER_NOT_FOUND: "the room's server is not found",
}
"""XEP-0045 section 7.2: what an error on entering a room means."""

_JOIN_PASSING = _PASSING | {Reason.SERVICE_UNAVAILABLE, Reason.REMOTE_SERVER_NOT_FOUND}

_SAY: dict[Reason, str] = {
    Reason.FORBIDDEN: "no right to speak in the room: it is moderated",
    Reason.NOT_ACCEPTABLE: "not in the room at the moment",
}

_DIRECT_PASSING = frozenset({Reason.INTERNAL_SERVER_ERROR, Reason.REMOTE_SERVER_TIMEOUT, Reason.RESOURCE_CONSTRAINT})

_DIRECT: dict[Reason, str] = {
    # RFC 6121 section 8.5.1: it does not say more, for it would tell who has an account there.
    Reason.SERVICE_UNAVAILABLE: "there is nobody of that address, or they take no messages at the moment",
    Reason.ITEM_NOT_FOUND: "there is nobody of that address",
    Reason.RECIPIENT_UNAVAILABLE: "they take no messages at the moment",
    Reason.FORBIDDEN: "they take no messages from you",
    Reason.NOT_ALLOWED: "messages to them are not allowed",
    Reason.NOT_ACCEPTABLE: "they do not take this message",
    Reason.REMOTE_SERVER_NOT_FOUND: "their server is not found",
    Reason.REMOTE_SERVER_TIMEOUT: "their server cannot be reached",
    Reason.GONE: "they are gone from that address",
}

_DIRECT_KNOWN = _DIRECT | {
    Reason.SERVICE_UNAVAILABLE: "they are offline, and their server keeps no messages for them, or they block you",
}

_OCCUPANT: dict[Reason, str] = {
    Reason.ITEM_NOT_FOUND: "they are not in the room any more",
    Reason.FORBIDDEN: "the room allows no private messages",
    Reason.NOT_ACCEPTABLE: "not in the room at the moment",
}

_EXPELLING = frozenset(
    {
        Reason.GONE,
        Reason.INTERNAL_SERVER_ERROR,
        Reason.ITEM_NOT_FOUND,
        Reason.JID_MALFORMED,
        Reason.RECIPIENT_UNAVAILABLE,
        Reason.REDIRECT,
        Reason.REMOTE_SERVER_NOT_FOUND,
        Reason.REMOTE_SERVER_TIMEOUT,
        Reason.SERVICE_UNAVAILABLE,
    }
)
"""Errors for which a room takes the one who sends them to be gone, and puts them out (XEP-0045 section 18.1.2; the
list is the one that services use in practice)."""

_TOPIC: dict[Reason, str] = {Reason.FORBIDDEN: "no right to set the room's subject"}


_REASONS = {reason.value: reason for reason in Reason}


@dataclass(frozen=True, slots=True)
class StanzaError:
    """An error stanza's error: its condition, type and text. `type` is empty if it had none that is known."""

    reason: Reason
    type: str = ""
    text: str = ""

    def said(self, words: dict[Reason, str]) -> str:
        """For a person: our words for it, and the server's own."""
        ours = words.get(self.reason, "" if self.text else f"refused by the XMPP server ({self.reason})")
        return ": ".join(filter(None, (ours, self.text)))


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """Somebody answered with an error stanza."""

    def __init__(self, error: StanzaError) -> None:
        super().__init__(f"{error.reason} ({error.text})" if error.text else str(error.reason))
        self.error = error


def read_error(stanza: Element) -> StanzaError:
    """The error of a stanza of type ``error``. Whatever it holds, there is an answer."""
    error = next((child for child in stanza if child.tag.rpartition("}")[2] == "error"), None)
    if error is None:
        return StanzaError(Reason.UNDEFINED_CONDITION)
    reason, text = Reason.UNDEFINED_CONDITION, ""
    for child in error:
        namespace, _, name = child.tag.rpartition("}")
        if namespace != "{" + STANZAS:
            continue
        if name == "text":
            text = (child.text or "").strip()[:500]
        else:
            reason = _REASONS.get(name, reason)
    kind = error.get("type", "")
    return StanzaError(reason, kind if kind in ("auth", "cancel", "continue", "modify", "wait") else "", text)


def _send_error(error: StanzaError, passing: frozenset[Reason], words: dict[Reason, str]) -> SendError:
    temporary = error.reason in passing or error.type == "wait"
    return SendError(Failure(error.reason, error.said(words)), temporary=temporary)


def join_refused(error: StanzaError) -> SendError:
    """What it means that a room did not let one of us in."""
    return _send_error(error, _JOIN_PASSING, _JOIN)


def line_refused(error: StanzaError) -> SendError:
    """What it means that a room did not take a line. A sender who is no occupant (any more) can become one."""
    return _send_error(error, _PASSING | {Reason.NOT_ACCEPTABLE}, _SAY)


def topic_refused(error: StanzaError) -> SendError:
    """What it means that a room did not take a subject."""
    return _send_error(error, _PASSING | {Reason.NOT_ACCEPTABLE}, _TOPIC)


def direct_refused(error: StanzaError, *, known: bool) -> SendError:
    """What it means that a message to somebody came back. `known`: there certainly is such a person."""
    if known and error.reason is Reason.SERVICE_UNAVAILABLE:
        words = error.said(_DIRECT_KNOWN)
        return SendError(Failure(Reason.RECIPIENT_UNAVAILABLE, words), temporary=error.type == "wait")
    return _send_error(error, _DIRECT_PASSING, _DIRECT)


def occupant_refused(error: StanzaError) -> SendError:
    """What it means that a private message to an occupant of a room came back."""
    return _send_error(error, _DIRECT_PASSING | {Reason.NOT_ACCEPTABLE}, _OCCUPANT)


def through_room(reason: Reason) -> Reason:
    """The condition to send through a room, which must not take it as a word about its sender."""
    return Reason.UNDEFINED_CONDITION if reason in _EXPELLING else reason


_STREAM: dict[str, tuple[Reason, str]] = {
    "not-authorized": (
        Reason.NOT_AUTHORIZED,
        "{server} refused the component secret: set networks.{network}.secret to the component_secret of {domain}",
    ),
    "conflict": (
        Reason.CONFLICT,
        "another connection has the component {domain}: is a second gateway running? Trying again",
    ),
    "host-unknown": (
        Reason.ITEM_NOT_FOUND,
        "{server} has no component {domain}: add what `rialto registration {network}` prints to its configuration",
    ),
    "host-gone": (Reason.GONE, "{server} serves the component {domain} no more"),
    "system-shutdown": (Reason.SERVICE_UNAVAILABLE, "the XMPP server is shutting down"),
    "not-well-formed": (Reason.BAD_REQUEST, "the XMPP server found something we sent not to be XML"),
    "policy-violation": (Reason.POLICY_VIOLATION, "the XMPP server found something we sent against its policy"),
    "resource-constraint": (Reason.RESOURCE_CONSTRAINT, "the XMPP server lacks resources"),
    "invalid-from": (Reason.JID_MALFORMED, "the XMPP server found a sender of ours to be none of {domain}"),
}


def stream_failure(condition: str, text: str, *, network: str, domain: str, server: str) -> Failure:
    """Why a stream ended, and what to do, from the server's stream error."""
    if condition in _STREAM:
        reason, words = _STREAM[condition]
        said = words.format(network=network, domain=domain, server=server)
    else:
        reason, said = Reason.UNDEFINED_CONDITION, f"the XMPP server ended the stream ({condition})"
    return Failure(reason, f"{said} (it says: {text[:200]})" if text else said)


def read_stream_error(element: Element) -> tuple[str, str]:
    """Condition and text of a ``stream:error``."""
    condition, text = "undefined-condition", ""
    for child in element:
        namespace, _, name = child.tag.rpartition("}")
        if namespace == "{" + STREAMS:
            if name == "text":
                text = (child.text or "").strip()
            else:
                condition = name
    return condition, text
