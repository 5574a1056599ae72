"""An XMPP client (slixmpp): one account, in any number of rooms (XEP-0045)."""

import asyncio
from collections.abc import Mapping
from typing import Any, Self
from xml.etree.ElementTree import Element

from slixmpp import JID, ClientXMPP
from slixmpp.exceptions import IqError, IqTimeout, PresenceError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from bridge.demo.clients.seen import Client, ClientError, Seen, Sight, patience

_CLIENT = "{jabber:client}"
_MUC_USER = "{http://jabber.org/protocol/muc#user}"
_DELAY = "{urn:xmpp:delay}delay"
_STANZA_ERROR = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
_ME = "/me "  # XEP-0245


class XmppClient(Client):
    """`jid` is the bare JID of an account on the server that listens on loopback's `port`, without TLS.

    `occupants` holds, for each room joined, the nicks in it and the real JIDs as far as they are shown. Presence from
    outside of rooms is seen as `Sight.OTHER`, its text the type (``available`` where it has none), show and status;
    subscriptions are approved by hand only.
    """

    network = "XMPP"

    def __init__(self, jid: str, password: str, port: int, *, host: str = "127.0.0.1") -> None:
        super().__init__(jid)
        self.occupants: dict[str, dict[str, str]] = {}
        self.nicks: dict[str, str] = {}
        self.topics: dict[str, str] = {}
        self._address = (host, port)
        # Rooms we are about to be in: who is there already did not join before our eyes.
        self._arriving: set[str] = set()
        self._renamed: set[tuple[str, str]] = set()
        self.xmpp = ClientXMPP(
            jid, password, plugin_config={"feature_mechanisms": {"unencrypted_plain": True, "unencrypted_scram": True}}
        )
        roster: Any = self.xmpp.client_roster
        roster.auto_authorize = None  # neither yes nor no; slixmpp takes it for a bool
        roster.auto_subscribe = False
        self.xmpp.enable_plaintext = True
        self.xmpp.enable_starttls = False
        self.xmpp.enable_direct_tls = False
        for plugin in ("xep_0030", "xep_0045", "xep_0199"):
            self.xmpp.register_plugin(plugin)
        self.xmpp.register_handler(Callback("seen message", StanzaPath("message"), self._message))
        self.xmpp.register_handler(Callback("seen presence", StanzaPath("presence"), self._presence))

    async def connect(self) -> None:
        """Log in. Raises `ClientError`."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def begun(_: object) -> None:
            if not started.done():
                started.set_result(None)

        def refused(what: object) -> None:
            if not started.done():
                started.set_exception(ClientError(f"{self.name} was not let in: {what}"))

        self.xmpp.add_event_handler("session_start", begun, disposable=True)
        self.xmpp.add_event_handler("failed_all_auth", refused)
        self.xmpp.add_event_handler("connection_failed", refused)
        self.xmpp.connect(*self._address)
        async with patience(f"login of {self.name}"):
            await started
            # Who has not asked for it hears nothing of subscriptions (RFC 6121 section 2.2).
            await self.xmpp.get_roster()
        self.xmpp.send_presence()

    async def close(self) -> None:
        """Log out."""
        if self.xmpp.is_connected():
            await self.xmpp.disconnect(wait=10.0)
        self.xmpp.cancel_connection_attempt()
        # slixmpp ends the task that sends only when it is itself collected, which is too late for the event loop.
        sending = self.xmpp._run_out_filters  # noqa: SLF001  see above
        if sending is not None:
            sending.cancel()
            await asyncio.wait([sending])

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def join(self, room: str, nick: str, *, config: Mapping[str, str] | None = None) -> None:
        """Join a room; where we are its creator, accept it as it is, with the fields of `config` changed.

        Returns when the room's topic has arrived, which ends a join (XEP-0045 section 7.1).
        """
        self.occupants[room] = {}
        self.nicks[room] = nick
        self._arriving.add(room)
        muc = self.xmpp.plugin["xep_0045"]
        try:
            async with patience(f"{self.name} joining {room}"):
                presence, *_ = await muc.join_muc_wait(JID(room), nick)
                if 201 in presence["muc"]["status_codes"]:
                    await self._configure(room, config or {})
        except PresenceError as error:
            raise ClientError(f"{self.name} could not join {room}: {error.condition} {error.text}") from error

    async def _configure(self, room: str, changes: Mapping[str, str]) -> None:
        form = self.xmpp.plugin["xep_0004"].stanza.Form()
        if changes:
            form.add_field(var="FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/muc#roomconfig")
        for var, value in changes.items():
            form.add_field(var=var, value=value)
        await self.xmpp.plugin["xep_0045"].set_room_config(JID(room), form)

    def say(self, room: str, text: str) -> str:
        """Say something in the room; gives the stanza's id."""
        message = self.xmpp.make_message(mto=JID(room), mbody=text, mtype="groupchat")
        message["id"] = self.xmpp.new_id()
        message.send()
        return str(message["id"])

    def emote(self, room: str, text: str) -> str:
        """Do something in the room (XEP-0245)."""
        return self.say(room, _ME + text)

    def tell(self, jid: str, text: str) -> str:
        """Say something to one address (an occupant's too) alone."""
        message = self.xmpp.make_message(mto=JID(jid), mbody=text, mtype="chat")
        message["id"] = self.xmpp.new_id()
        message.send()
        return str(message["id"])

    def present(self, kind: str = "", *, to: str = "", show: str = "", status: str = "") -> None:
        """Send presence: our own to all who may know it, or with `to` and a kind a subscription stanza."""
        presence = self.xmpp.make_presence(pto=JID(to) if to else None, pshow=show, pstatus=status)
        if kind:
            presence["type"] = kind
        presence.send()

    def subscribe(self, jid: str) -> None:
        """Ask to be told somebody's presence."""
        self.present("subscribe", to=jid)

    def approve(self, jid: str) -> None:
        """Let somebody know our presence."""
        self.present("subscribed", to=jid)

    async def wait_for_presence(self, text: str, who: str, *, since: int = 0) -> Seen:
        """Presence of somebody outside of rooms, by the text it is seen as and their bare JID."""
        return await self.wait_for(kind=Sight.OTHER, who=who, text=text, since=since)

    def set_topic(self, room: str, text: str) -> None:
        """Set the room's subject."""
        self.xmpp.plugin["xep_0045"].set_subject(JID(room), text)

    async def rename(self, room: str, nick: str) -> None:
        """Change our nick in the room. Raises `ClientError` where it is refused."""
        position = len(self.seen)
        self.xmpp.send_presence(pto=f"{room}/{nick}")
        seen = await self.wait_for(
            lambda seen: (seen.kind is Sight.RENAME and seen.own) or seen.kind is Sight.ERROR,
            place=room,
            since=position,
        )
        if seen.kind is Sight.ERROR:
            raise ClientError(f"{self.name} could not become {nick} in {room}: {seen.text}")

    async def leave(self, room: str, reason: str = "") -> None:
        """Leave the room; returns when the room has let us go."""
        position = len(self.seen)
        self.xmpp.send_presence(pto=f"{room}/{self.nicks[room]}", ptype="unavailable", pstatus=reason)
        await self.wait_for(kind=Sight.LEAVE, own=True, place=room, since=position)

    async def kick(self, room: str, nick: str, reason: str = "") -> None:
        """Put somebody out. Raises `ClientError`."""
        try:
            async with patience(f"kick of {nick}"):
                await self.xmpp.plugin["xep_0045"].set_role(JID(room), nick, "none", reason=reason)
        except (IqError, IqTimeout) as error:
            raise ClientError(f"{self.name} could not kick {nick} out of {room}: {error}") from error

    def _message(self, message: Any) -> None:
        origin: JID = message["from"]
        room = origin.bare
        kind = message["type"]
        in_room = room in self.occupants and kind in ("groupchat", "error")
        who = origin.resource if room in self.occupants else origin.bare
        common: dict[str, Any] = {
            "who": who,
            "place": room if in_room else "",
            "sender": self.occupants.get(room, {}).get(origin.resource) or str(origin),
            "id": message["id"],
            "own": in_room and who == self.nicks.get(room),
            "history": message.xml.find(_DELAY) is not None,
        }
        if kind == "error":
            self._see(Seen(Sight.ERROR, text=_error_text(message.xml), **common))
            return
        body = message.xml.findtext(f"{_CLIENT}body")
        subject = message.xml.findtext(f"{_CLIENT}subject")
        if subject is not None and body is None and kind == "groupchat":
            # The subject sent on arrival has no occupant, or a delay; anything else is a change.
            self.topics[room] = subject
            if room not in self._arriving or (origin.resource and not common["history"]):
                self._see(Seen(Sight.TOPIC, text=subject, **common))
            self._arriving.discard(room)
        elif body is not None and body.startswith(_ME):
            self._see(Seen(Sight.EMOTE, text=body.removeprefix(_ME), **common))
        elif body is not None:
            self._see(Seen(Sight.TEXT, text=body, **common))

    def _presence(self, presence: Any) -> None:
        origin: JID = presence["from"]
        room, nick = origin.bare, origin.resource
        if room not in self.occupants:
            if room != self.xmpp.boundjid.bare:
                self._see(Seen(Sight.OTHER, room, _presence_text(presence.xml), sender=str(origin)))
            return
        if presence["type"] == "error":
            self._see(Seen(Sight.ERROR, nick, _error_text(presence.xml), room, sender=str(origin)))
            return
        extension = presence.xml.find(f"{_MUC_USER}x")
        item = None if extension is None else extension.find(f"{_MUC_USER}item")
        codes = set() if extension is None else {each.get("code") for each in extension.findall(f"{_MUC_USER}status")}
        jid = "" if item is None else item.get("jid", "")
        own = "110" in codes
        if presence["type"] == "unavailable":
            self._gone(room, nick, codes, item, own=own, status=presence["status"])
            return
        known = nick in self.occupants[room]
        self.occupants[room][nick] = jid
        if own:
            self.nicks[room] = nick
        if (room, nick) in self._renamed:
            self._renamed.discard((room, nick))
        elif not known and (own or room not in self._arriving):
            self._see(Seen(Sight.JOIN, nick, place=room, sender=jid or str(origin), own=own))

    def _gone(
        self, room: str, nick: str, codes: set[str | None], item: Element | None, *, own: bool, status: str
    ) -> None:
        sender = self.occupants[room].pop(nick, "") or f"{room}/{nick}"
        reason = "" if item is None else item.findtext(f"{_MUC_USER}reason", "")
        if "303" in codes and item is not None:
            new = item.get("nick", "")
            self._renamed.add((room, new))
            self._see(Seen(Sight.RENAME, nick, new, room, sender=sender, own=own))
        elif codes & {"301", "307", "321", "322"}:
            actor = None if item is None else item.find(f"{_MUC_USER}actor")
            by = "" if actor is None else actor.get("nick", "")
            self._see(Seen(Sight.KICK, by, reason, room, whom=nick, sender=by and f"{room}/{by}", own=own))
        else:
            self._see(Seen(Sight.LEAVE, nick, status or reason, room, sender=sender, own=own))


def _presence_text(stanza: Element) -> str:
    """Type, show and status (RFC 6121 section 4.7); the condition of an error."""
    kind = stanza.get("type") or "available"
    words = (_error_text(stanza), stanza.findtext(f"{_CLIENT}show"), stanza.findtext(f"{_CLIENT}status"))
    return " ".join([kind, *(word for word in words if word)])


def _error_text(stanza: Element) -> str:
    """The condition of a stanza error and its text (RFC 6120 section 8.3)."""
    error = stanza.find(f"{_CLIENT}error")
    if error is None:
        return ""
    conditions = [each.tag.removeprefix(_STANZA_ERROR) for each in error if each.tag.startswith(_STANZA_ERROR)]
    text = error.findtext(f"{_STANZA_ERROR}text", "")
    return " ".join([*(each for each in conditions if each != "text"), text]).strip()
