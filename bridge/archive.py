"""The archive: what is kept of what crossed, if the operator wants it, for `rialto export`. Off by default."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from bridge.model.address import Address, Person, Place
from bridge.model.command import Offer
from bridge.model.event import Event
from bridge.model.message import Gap
from bridge.store import Store, archive
from bridge.text import duration


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the operator wants kept. `seconds`: for how long, None for nothing at all. `omit`: rooms of which nothing
    is kept. `private`: whether what is said in private is kept, too."""

    seconds: int | None = None
    omit: frozenset[str] = frozenset()
    private: bool = False


KEEP_NOTHING = Keeping()


class Archive:
    """Decides which events are kept, and knows of whom nothing is. Called on the event loop."""

    def __init__(
        self,
        store: Store,
        keeping: Keeping,
        room_of: Callable[[Place], str | None],
        opted_out: Iterable[Address] = (),
    ) -> None:
        """`room_of`: the name of the configured room that the place belongs to. `opted_out`: as the store has it."""
        self._store = store
        self._keeping = keeping
        self._room_of = room_of
        self._opted_out = set(opted_out)

    def keeps(self, events: Iterable[Event]) -> list[tuple[Event, str | None]]:
        """Those of the events that are to be kept, each with the name of its room, None for private ones."""
        if self._keeping.seconds is None:
            return []
        return [(each, room) for each in events for room in self._room(each)]

    def is_kept(self, owner: Address) -> bool:
        """Whether what this person says may be kept."""
        return owner not in self._opted_out

    async def opt_out(self, owner: Address) -> int:
        """Keep nothing of what this person says, and erase what is kept. Returns how many messages that were."""
        self._opted_out.add(owner)
        return await self._store.write(partial(archive.opt_out, owner=owner))

    async def opt_in(self, owner: Address) -> None:
        """Keep what this person says from now on."""
        await self._store.write(partial(archive.opt_in, owner=owner))
        self._opted_out.discard(owner)

    def command(self) -> tuple[Offer, Callable[[Person, str], Awaitable[str]]]:
        """What a person tells the bot who does not want to be kept, or does again."""
        return Offer("archive", "[on|off]", "whether what you say is kept"), self._obey

    async def _obey(self, person: Person, arguments: str) -> str:
        owner, wish = person.address, arguments.strip().lower()
        if wish == "off":
            erased = await self.opt_out(owner)
            gone = f" Erased from it: {erased} of your messages." if erased else ""
            return f"Nothing that you say as {owner} is kept in the bridge's archive from now on.{gone}"
        if wish == "on":
            await self.opt_in(owner)
        elif wish:
            raise ValueError('say "archive off", "archive on", or "archive" to see what holds')
        if not self.is_kept(owner):
            return (
                f'Nothing that you say as {owner} is kept in the bridge\'s archive. To change that, say "archive on".'
            )
        if self._keeping.seconds is None:
            return "The bridge has no archive: nothing that anybody says is kept for longer than it takes to bring it."
        what = "in its rooms and in private" if self._keeping.private else "in its rooms"
        long = duration(self._keeping.seconds)
        return f'The bridge keeps what is said {what} for {long}. If you do not want to be kept, say "archive off".'

    async def forget(self, now: float) -> int:
        """Erase some of what has been kept for long enough, and say how much; 0 where nothing is left to erase."""
        if self._keeping.seconds is None:
            return 0
        return await self._store.write(partial(archive.forget, before=now - self._keeping.seconds))

    def _room(self, event: Event) -> list[str | None]:
        """The room to file it under, in a list that is empty where it is not kept."""
        if isinstance(event.content, Gap) or event.sender.address in self._opted_out:
            return []
        if event.to is not None:
            return [None] if self._keeping.private and event.to not in self._opted_out else []
        room = self._room_of(event.place)
        return [] if room is None or room in self._keeping.omit else [room]
