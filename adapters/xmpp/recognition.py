"""Telling ours from people among a room's occupants, also when the room hides who they are.

Three kinds of occupants are put aside until it is clear who they are: those who have a nick that one of ours is just
asking for (`undecided`), those who are ours from before a restart (stale), and those who may be, because a puppet had
their nick once and the room gives no ids (suspects).
"""

from collections.abc import Iterable, Iterator

from adapters.xmpp import ids
from adapters.xmpp.inbound import Line, RoomPresence
from adapters.xmpp.memory import Remembered
from adapters.xmpp.own import Own, Owns


class Recognition:
    """Over the `owns` of one room. `known` are our puppets there before a restart, each with its full JID.

    `stable_ids`: the room can be believed about occupant ids (XEP-0421); `shows_jids`: about whom its history is from.
    """

    def __init__(self, owns: Owns, domain: str, known: Iterable[tuple[Remembered, str]]) -> None:
        self.stable_ids = False
        self.shows_jids = False
        self._owns = owns
        self._domain = domain
        self._undecided: dict[str, RoomPresence] = {}
        self._stale: dict[str, str] = {}
        self._suspects: dict[str, tuple[RoomPresence, str]] = {}
        self._former_nicks: dict[str, str] = {}
        self._former_ids: dict[str, str] = {}
        self._nick_only: set[str] = set()
        for remembered, jid in known:
            self._remember(remembered.nick, remembered.occupant_id, jid)

    def begin(self) -> None:
        """The room tells of everybody anew."""
        self._undecided.clear()
        self._stale.clear()
        self._suspects.clear()

    def entered(self, own: Own, occupant_id: str | None) -> None:
        """One of ours is in the room."""
        self.settle(own.nick)
        if occupant_id:
            # Kept even if it cannot be believed (yet): we send none of our own that the room might pass on.
            own.occupant_id = occupant_id
        if own.address is not None:
            self._remember(own.nick, own.occupant_id, own.jid)

    def settle(self, nick: str) -> None:
        """Who has that nick is clear, or nobody has it any more."""
        self._undecided.pop(nick, None)
        self._stale.pop(nick, None)
        self._suspects.pop(nick, None)

    def is_ours(self, presence: RoomPresence, *, found: bool = False) -> bool:
        """Whether the occupant is one of ours. Who cannot be told yet is put aside, and counts as ours till then.

        `found`: it was there before us, so it may be one of ours from before a restart.
        """
        nick, real = presence.nick, presence.real_jid
        if self._owns.called(nick) is not None:
            return True
        if real is not None:
            if ids.domain(real) != self._domain:
                return False
            if self._owns.wanting(nick) is None:
                self._stale[nick] = f"{real}/{ids.RESOURCE}"
            return True
        if self._owns.wanting(nick) is not None:
            self._undecided[nick] = presence
            return True
        if self.stable_ids:
            former = self._former_ids.get(presence.occupant_id or "")
            if former is not None:
                self._stale[nick] = former
                return True
            if nick not in self._nick_only:
                return False
        if found and nick in self._former_nicks:
            self._suspects[nick] = (presence, self._former_nicks[nick])
            return True
        return False

    def said_by_us(self, line: Line) -> bool:
        """Whether a line of the room's history was said by one of ours.

        A nick of ours may have been somebody else's then, and a person may copy our ids: so both have to be ours. The
        nick is enough for a puppet whose occupant id we never learnt.
        """
        if ids.part_id(line.message_id) is None and ids.part_id(line.origin_id) is None:
            return False
        if self.shows_jids and line.real_jid and self._domain and ids.domain(line.real_jid) == self._domain:
            return True
        own = self._owns.called(line.nick)
        if self.stable_ids and line.occupant_id:
            known = own is not None and own.occupant_id in (line.occupant_id, None)
            ours = line.occupant_id in self._former_ids or line.occupant_id == self._owns.bot.occupant_id
            return known or ours or line.nick in self._nick_only
        return own is not None or line.nick in self._former_nicks

    def not_wanted(self, nick: str) -> RoomPresence | None:
        """None of ours asks for the nick any more: who has it, is a person."""
        return self._undecided.pop(nick, None)

    def spoke(self, nick: str) -> RoomPresence | None:
        """Somebody who is not (yet) ours spoke under that nick: if they were put aside, they are a person now."""
        if nick in self._suspects:
            return self._suspects.pop(nick)[0]
        return self._undecided.pop(nick, None)

    def strays(self) -> Iterator[tuple[str, str]]:
        """Nick and full JID of those from before a restart, sure or not, who have not come back since."""
        perhaps = {nick: jid for nick, (_, jid) in self._suspects.items()}
        for nick, jid in (self._stale | perhaps).items():
            own = self._owns.get(jid)
            if own is None or not own.present:
                yield nick, jid

    def acquit(self) -> list[RoomPresence]:
        """Those who may have been ours and are still there, though they were sent away: they are people."""
        suspects, self._suspects = self._suspects, {}
        return [presence for presence, _ in suspects.values()]

    def _remember(self, nick: str, occupant_id: str | None, jid: str) -> None:
        self._former_nicks[nick] = jid
        if occupant_id:
            self._former_ids[occupant_id] = jid
            self._nick_only.discard(nick)
        else:
            self._nick_only.add(nick)
