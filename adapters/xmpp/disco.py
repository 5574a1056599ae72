"""Answers to IQ requests: what we and our puppets are (XEP-0030), our version (XEP-0092), pings (XEP-0199).

Every request gets an answer, if only an error (RFC 6120 section 8.2.3): none is met with silence.
"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from xml.etree.ElementTree import Element

from adapters.xmpp import ids, outbound
from adapters.xmpp.forms import COMMANDS
from adapters.xmpp.sanitise import attribute, escape
from bridge.model.address import Address, Place
from bridge.model.result import Reason

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
VERSION = "jabber:iq:version"
PING = "urn:xmpp:ping"
MUC = "http://jabber.org/protocol/muc"

NAME = "Rialto"

_HANDLED = {"{" + INFO + "}query", "{" + ITEMS + "}query", "{" + VERSION + "}query", "{" + PING + "}ping"}


def _version() -> str:
    try:
        return version("rialto-bridge")
    except PackageNotFoundError:
        return "unknown"


_VERSION = _version()  # read once, at import: it lies in a file


class Responder:
    """Answers for the component, the bot and the puppets.

    `read` is `Names.from_xmpp_local`; `present` tells whether the puppet or bot with a full JID is in a room, in any
    if that is None; `is_room` whether a bare JID is a room we know; `contact` whether somebody, by bare JID, has the
    puppet with a bare JID as a contact, or wrote with it. `commands`: the component and the bot take ad-hoc commands.
    """

    def __init__(
        self,
        *,
        domain: str,
        bot: str,
        read: Callable[[str], Address | Place],
        present: Callable[[str, str | None], bool],
        is_room: Callable[[str], bool],
        contact: Callable[[str, str], bool] = lambda asker, puppet: False,
        commands: bool = False,
    ) -> None:
        self._commands = commands
        self._domain = domain
        self._bot = bot
        self._read = read
        self._present = present
        self._is_room = is_room
        self._contact = contact

    def answer(self, request: Element) -> str:
        """The answer to an IQ of type ``get`` or ``set``, as a stanza."""
        payload = next(iter(request), None)
        if payload is None:
            return outbound.error(request, Reason.BAD_REQUEST)
        identity, refusal = self._whom(request.get("to", ""), request.get("from", ""), payload.tag)
        if identity is None:
            return outbound.error(request, refusal)
        if payload.tag not in _HANDLED or request.get("type") != "get":
            return outbound.error(request, Reason.SERVICE_UNAVAILABLE)
        if payload.tag == "{" + PING + "}ping":
            return outbound.result(request)
        if payload.tag == "{" + VERSION + "}query":
            words = f"<name>{NAME}</name><version>{escape(_VERSION)}</version>"
            return outbound.result(request, f'<query xmlns="{VERSION}">{words}</query>')
        if payload.get("node"):
            return outbound.error(request, Reason.ITEM_NOT_FOUND)
        if payload.tag == "{" + ITEMS + "}query":
            return outbound.result(request, f'<query xmlns="{ITEMS}"/>')
        category, kind, name = identity
        commands = [COMMANDS] if self._commands and (category == "component" or kind == "bot") else []
        features = "".join(f'<feature var="{var}"/>' for var in (INFO, ITEMS, MUC, VERSION, PING, *commands))
        tag = f'<identity category="{category}" type="{kind}" name="{attribute(name)}"/>'
        return outbound.result(request, f'<query xmlns="{INFO}">{tag}{features}</query>')

    def _whom(self, to: str, asker: str, tag: str) -> tuple[tuple[str, str, str] | None, Reason]:
        """Category, type and name of whom the request is for; else why there is nobody to answer it."""
        if to == self._domain:
            return ("component", "generic", NAME), Reason.SERVICE_UNAVAILABLE
        bare, resource = ids.bare(to), ids.resource(to)
        if resource and resource != ids.RESOURCE:
            return None, Reason.SERVICE_UNAVAILABLE
        if bare == ids.bare(self._bot):
            return self._resident(to, asker, ("client", "bot", NAME))
        local, at, domain = bare.rpartition("@")
        if not at or domain != self._domain:
            return None, Reason.ITEM_NOT_FOUND
        here = self._present(f"{bare}/{ids.RESOURCE}", None)
        who: Address | Place | str
        try:
            who = self._read(local)
        except ValueError:
            # A name that was too long, and is only a digest, cannot be read back; but who is here, is here.
            who = local
            if not here:
                return None, Reason.ITEM_NOT_FOUND
        if isinstance(who, Place):
            return None, Reason.ITEM_NOT_FOUND
        if not resource:
            if tag == "{" + PING + "}ping" and not here and not self._contact(ids.bare(asker), bare):
                return None, Reason.SERVICE_UNAVAILABLE
            return ("account", "registered", str(who)), Reason.SERVICE_UNAVAILABLE
        return self._resident(to, asker, ("client", "pc", str(who)))

    def _resident(
        self, to: str, asker: str, identity: tuple[str, str, str]
    ) -> tuple[tuple[str, str, str] | None, Reason]:
        # XEP-0410: who asks through a room, asks whether we are in that room.
        room = ids.bare(asker) if self._is_room(ids.bare(asker)) else None
        if not ids.resource(to) or self._present(to, room):
            return identity, Reason.SERVICE_UNAVAILABLE
        if room is None and self._contact(ids.bare(asker), ids.bare(to)):
            return identity, Reason.SERVICE_UNAVAILABLE
        return None, Reason.ITEM_NOT_FOUND if room else Reason.SERVICE_UNAVAILABLE
