"""Those of a room's occupants who are ours: the bot and the puppets."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from adapters.xmpp.inbound import RoomPresence
from adapters.xmpp.presence import PLAIN, Appearance
from adapters.xmpp.standing import Mark
from bridge.model.address import Address


class Phase(StrEnum):
    """Where one of ours stands with the room."""

    ABSENT = "absent"
    ENTERING = "entering"
    PRESENT = "present"


@dataclass(eq=False, slots=True)
class Own:
    """The bot (`address` is None) or a puppet in one room. `jid` is full. Changed by `Owns` alone.

    `nick` is what the room shows; `wanted` what was asked for, as long as there is no answer, which `outcome` gets:
    the nick, or `errors.Refused`. `name` is the person's name that the nick was made of. `gathered` are the occupants
    as the room tells them to one who enters, which is done when it tells of ourselves. `wears` is what it is to show
    besides, `shows` what the room was last told of that.
    """

    jid: str
    address: Address | None
    phase: Phase = Phase.ABSENT
    nick: str = ""
    name: str = ""
    wanted: str = ""
    leaving: bool = False
    occupant_id: str | None = None
    outcome: asyncio.Future[str] | None = None
    farewell: asyncio.Future[None] | None = None
    gathered: dict[str, RoomPresence] | None = None
    wears: Appearance = PLAIN
    shows: Appearance | None = None

    @property
    def present(self) -> bool:
        """Whether it is in the room, and can speak."""
        return self.phase is Phase.PRESENT


class Owns:
    """All of ours in one room, found by full JID, by nick and by whom they stand for."""

    def __init__(self, bot: Own) -> None:
        self.bot = bot
        self._by_jid: dict[str, Own] = {bot.jid: bot}
        self._by_address: dict[Address, Own] = {}
        self._by_nick: dict[str, Own] = {}
        self._by_wish: dict[str, Own] = {}

    def __iter__(self) -> Iterator[Own]:
        return iter(tuple(self._by_jid.values()))

    def get(self, jid: str) -> Own | None:
        """Who of ours has that full JID."""
        return self._by_jid.get(jid)

    def of(self, address: Address) -> Own | None:
        """The puppet of that person."""
        return self._by_address.get(address)

    def called(self, nick: str) -> Own | None:
        """Who of ours is shown under that nick."""
        return self._by_nick.get(nick)

    def wanting(self, nick: str) -> Own | None:
        """Who of ours has asked for that nick and has no answer yet."""
        return self._by_wish.get(nick)

    def puppet(self, address: Address, jid: str) -> Own:
        """The puppet of that person, made if there is none yet."""
        own = self._by_address.get(address)
        if own is None:
            own = self._by_address[address] = self._by_jid[jid] = Own(jid, address)
        return own

    def successor(self) -> Own | None:
        """Who observes the room from now on: the bot if it is there, else any puppet that stays."""
        if self.bot.present:
            return self.bot
        there = [own for own in self if own.present]
        return next((own for own in there if not own.leaving), there[0] if there else None)

    def ask(self, own: Own, nick: str, *, gather: bool) -> asyncio.Future[str]:
        """A nick is being asked for; the answer goes to the future. `gather`: occupants are told along with it."""
        self._unwish(own)
        if own.outcome is not None and not own.outcome.done():
            own.outcome.cancel()
        own.wanted, self._by_wish[nick] = nick, own
        own.leaving = False
        own.gathered = {} if gather else None
        if own.phase is Phase.ABSENT:
            own.phase = Phase.ENTERING
        own.outcome = asyncio.get_running_loop().create_future()
        return own.outcome

    def wear(self, own: Own, appearance: Appearance) -> None:
        """It is to show this, and whose stand-in it is as before."""
        own.wears = replace(appearance, mark=own.wears.mark)

    def mark(self, own: Own, mark: Mark) -> None:
        """It is to say this of whose stand-in it is."""
        own.wears = replace(own.wears, mark=mark)

    def told(self, own: Own, appearance: Appearance | None) -> None:
        """The room was told that it shows this; None: it has not taken that."""
        own.shows = appearance

    def settle(self, own: Own, nick: str) -> None:
        """The room shows it, by this nick."""
        self.rename(own, nick)
        self._unwish(own)
        own.phase, own.gathered = Phase.PRESENT, None
        outcome, own.outcome = own.outcome, None
        if outcome is not None and not outcome.done():
            outcome.set_result(nick)

    def rename(self, own: Own, nick: str) -> None:
        """The room will call it so from now on."""
        if self._by_nick.get(own.nick) is own:
            del self._by_nick[own.nick]
        own.nick = nick
        if nick:
            self._by_nick[nick] = own

    def fail(self, own: Own, error: Exception) -> None:
        """What was asked for is not to be: entering, or another nick."""
        self._unwish(own)
        own.gathered = None
        if own.phase is Phase.ENTERING:
            own.phase = Phase.ABSENT
        outcome, own.outcome = own.outcome, None
        if outcome is not None and not outcome.done():
            outcome.set_exception(error)

    def dismiss(self, own: Own) -> asyncio.Future[None]:
        """It has asked to go; the future ends when it has gone."""
        own.leaving = True
        if own.farewell is None or own.farewell.done():
            own.farewell = asyncio.get_running_loop().create_future()
        return own.farewell

    def vanish(self, own: Own, error: Exception) -> None:
        """It is not in the room any more."""
        self.rename(own, "")
        own.phase, own.leaving = Phase.ABSENT, False
        self.fail(own, error)
        farewell, own.farewell = own.farewell, None
        if farewell is not None and not farewell.done():
            farewell.set_result(None)
        if own.address is not None:
            self._by_jid.pop(own.jid, None)
            self._by_address.pop(own.address, None)

    def _unwish(self, own: Own) -> None:
        if self._by_wish.get(own.wanted) is own:
            del self._by_wish[own.wanted]
        own.wanted = ""
