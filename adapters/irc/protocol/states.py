"""The life of one connection as a table (RFC 2812 section 3.1, IRCv3 capability-negotiation).

    NEW -> NEGOTIATING -> (AUTHENTICATING ->) REGISTERING -> GREETED -> (IDENTIFYING ->) READY -> CLOSING -> CLOSED

Rule 1: nothing but registration is sent before READY. Rule 2: a server without CAP greets us while we negotiate, and
one that is impatient while we log in. Rule 3: a connection can be lost in any state, and a lost one stays so. Rule 4:
what the table does not list is an error of whoever caused it, and changes nothing. Rule 5: a login later than READY
(SASL that was away when we came) changes no state. Rule 6: a connection that another process brought to READY is
taken up there.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from adapters.irc.protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError


class State(StrEnum):
    """Where a session stands."""

    NEW = "new"
    NEGOTIATING = "negotiating"
    AUTHENTICATING = "authenticating"
    REGISTERING = "registering"
    GREETED = "greeted"
    IDENTIFYING = "identifying"
    READY = "ready"
    CLOSING = "closing"
    CLOSED = "closed"


class Trigger(StrEnum):
    """What moves it: those in `OURS` are our doing, the others the server's."""

    START = "start"
    CAPS_SETTLED = "caps settled"
    AUTHENTICATE = "authenticate"
    SASL_OVER = "sasl over"
    WELCOME = "welcome"
    GREETING_OVER = "greeting over"
    IDENTIFY = "identify"
    IDENTIFIED = "identified"
    RESUME = "resume"
    QUIT = "quit"
    LOST = "lost"


OURS: Final = frozenset({Trigger.START, Trigger.AUTHENTICATE, Trigger.IDENTIFY, Trigger.RESUME, Trigger.QUIT})

TRANSITIONS: Final = MappingProxyType(
    {
        (State.NEW, Trigger.START): State.NEGOTIATING,
        (State.NEW, Trigger.RESUME): State.READY,
        (State.NEGOTIATING, Trigger.CAPS_SETTLED): State.REGISTERING,
        (State.NEGOTIATING, Trigger.AUTHENTICATE): State.AUTHENTICATING,
        (State.AUTHENTICATING, Trigger.SASL_OVER): State.REGISTERING,
        (State.NEGOTIATING, Trigger.WELCOME): State.GREETED,
        (State.AUTHENTICATING, Trigger.WELCOME): State.GREETED,
        (State.REGISTERING, Trigger.WELCOME): State.GREETED,
        (State.GREETED, Trigger.GREETING_OVER): State.READY,
        (State.GREETED, Trigger.IDENTIFY): State.IDENTIFYING,
        (State.IDENTIFYING, Trigger.IDENTIFIED): State.READY,
        (State.NEGOTIATING, Trigger.QUIT): State.CLOSING,
        (State.AUTHENTICATING, Trigger.QUIT): State.CLOSING,
        (State.REGISTERING, Trigger.QUIT): State.CLOSING,
        (State.GREETED, Trigger.QUIT): State.CLOSING,
        (State.IDENTIFYING, Trigger.QUIT): State.CLOSING,
        (State.READY, Trigger.QUIT): State.CLOSING,
    }
    | {(state, Trigger.LOST): State.CLOSED for state in State}
)


def step(state: State, trigger: Trigger) -> State:
    """The state after the trigger. Raises `LocalProtocolError` or `RemoteProtocolError` where the table has none."""
    try:
        return TRANSITIONS[state, trigger]
    except KeyError:
        family: type[ProtocolError] = LocalProtocolError if trigger in OURS else RemoteProtocolError
        raise family(f"{trigger.value} is not possible while {state.value}") from None
