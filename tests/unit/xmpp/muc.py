"""A room as the state machine sees it: what it writes and reports is kept, what the service says is short to write."""

from xml.etree.ElementTree import fromstring

from adapters.xmpp.memory import Remembered
from adapters.xmpp.own import Own
from adapters.xmpp.rooms import Room
from bridge.model.address import Address, Place
from bridge.model.event import Event, State
from bridge.model.result import Receipt

ROOM = "hall@conference.example.org"
DOMAIN = "bridge.example.org"
BOT = f"rialto@{DOMAIN}/rialto"
PLACE = Place("office", ROOM)
USER = "http://jabber.org/protocol/muc#user"
EVERYTHING = frozenset({"urn:xmpp:occupant-id:0", "urn:xmpp:sid:0"})


class FakeLink:
    """Keeps what the room does to the outside."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.items: list[Event | State] = []
        self.ignores: list[str] = []
        self.receipts: dict[str, Receipt] = {}
        self.reaches: list[str] = []

    def write(self, stanza: str) -> None:
        self.written.append(stanza)

    def emit(self, *items: Event | State) -> None:
        self.items.extend(items)

    def ignored(self, what: str, native_id: str = "") -> None:
        self.ignores.append(what)

    def reached(self, room: str, line: str) -> None:
        self.reaches.append(line)

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        self.receipts[part_id] = receipt

    def taken(self) -> list[Event | State]:
        """What was reported since the last time."""
        items, self.items = self.items, []
        return items


class Muc:
    """One room, its link and its clock."""

    def __init__(self, *known: tuple[Remembered, str], features: frozenset[str] = EVERYTHING) -> None:
        self.link = FakeLink()
        self.now = 1000.0
        self.room = Room(PLACE, self.link, bot=BOT, domain=DOMAIN, known=known, clock=lambda: self.now)
        self.room.features(features)

    @property
    def bot(self) -> Own:
        return self.room.owns.bot

    def puppet(self, name: str) -> Own:
        return self.room.owns.puppet(Address("libera", name), f"{name}%libera@{DOMAIN}/rialto")

    def presence(
        self,
        to: Own,
        nick: str,
        *codes: str,
        gone: bool = False,
        jid: str = "",
        occ: str = "",
        new: str = "",
        actor: str = "",
        reason: str = "",
        extra: str = "",
    ) -> None:
        """The service tells of an occupant, to one of ours who has that full JID."""
        kind = "type='unavailable'" if gone else ""
        item = "".join(f" {key}='{value}'" for key, value in (("jid", jid), ("nick", new)) if value)
        by = f"<actor nick='{actor}'/>" if actor else ""
        why = f"<reason>{reason}</reason>" if reason else ""
        status = "".join(f"<status code='{code}'/>" for code in codes)
        oid = f"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{occ}'/>" if occ else ""
        self._receive(
            to,
            f"<presence xmlns='jabber:component:accept' from='{ROOM}/{nick}' to='{to.jid}' {kind}>"
            f"<x xmlns='{USER}'><item{item}>{by}{why}</item>{status}</x>{oid}{extra}</presence>",
        )

    def refuse(self, to: Own, nick: str, condition: str) -> None:
        """The service answers what one of ours asked for with an error."""
        self._receive(
            to,
            f"<presence xmlns='jabber:component:accept' from='{ROOM}/{nick}' to='{to.jid}' type='error'><error"
            f" type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
        )

    def _receive(self, to: Own, stanza: str) -> None:
        own = self.room.owns.get(to.jid)
        if own is not None:
            self.room.presence(own, fromstring(stanza))

    def line(
        self,
        nick: str,
        inner: str,
        *,
        to: str = "",
        mid: str = "0123456789abcdef-1",
        sid: str = "",
        occ: str = "",
        stamp: str = "",
    ) -> None:
        """The room's copy for the observer (or for `to`), as the dispatcher would let it through."""
        if (to or self.room.observer_jid) != self.room.observer_jid:
            return
        source = f"{ROOM}/{nick}" if nick else ROOM
        extra = f"<stanza-id xmlns='urn:xmpp:sid:0' id='{sid}' by='{ROOM}'/>" if sid else ""
        extra += f"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{occ}'/>" if occ else ""
        extra += f"<delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='{stamp}'/>" if stamp else ""
        self.room.line(
            fromstring(
                f"<message xmlns='jabber:component:accept' from='{source}' type='groupchat' id='{mid}'>"
                f"{inner}{extra}</message>"
            )
        )

    def body(self, nick: str, text: str, **more: str) -> None:
        self.line(nick, f"<body>{text}</body>", **more)

    def enter(self, own: Own, nick: str, *, occ: str = "", subject: bool = True) -> None:
        """One of ours enters, and is let in with nobody else there."""
        self.room.enter(own, nick)
        self.presence(own, nick, "110", occ=occ)
        if subject:
            self.line("", "<subject/>", to=own.jid)
