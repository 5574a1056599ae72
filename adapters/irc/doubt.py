"""Whether lines of ours arrived of which nobody heard: looked for in the channel's history, by the ids they bear."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from adapters.irc.bot import Bot
from adapters.irc.catchup import OVERLAP, pages, reaches
from adapters.irc.link.connection import Connection
from adapters.irc.protocol.servertime import timestamp
from adapters.irc.protocol.tracking import PART_TAG
from adapters.irc.puppets import Puppets
from bridge.contract import Handover, Part, SendError
from bridge.model.address import Place, PlaceKind
from bridge.model.result import Reason, Receipt, Status

log = structlog.get_logger(__name__)


class Doubt:
    """Looks for parts in doubt. What it can prove neither way is marked when it is sent again."""

    def __init__(self, bot: Bot, puppets: Puppets) -> None:
        self._bot = bot
        self._puppets = puppets
        self._unproven: set[str] = set()

    def can_ask(self, place: Place) -> bool:
        """Whether the server keeps what is said in the place, and our ids with it."""
        return self._reader(place) is not None

    async def ask(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
        """Receipts of those parts, all for one channel, that are in its history, by id. Raises `SendError`."""
        if not parts:
            return {}
        place = parts[0].place
        connection = self._reader(place)
        if connection is None:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"nobody of ours is in {place.native}")
        wanted, arrived = {part.id for part in parts}, {}
        oldest = min(part.when for part in parts)
        begins, nameless = None, False
        async for page in pages(connection, place.native, oldest - OVERLAP):
            begins = begins or timestamp(page[0].when, 0.0)
            for said in page:
                if not (said.own or self._puppets.had(self._bot.fold(said.source.nick))):
                    continue
                nameless = nameless or not said.part
                if said.part in wanted:
                    arrived[said.part] = Receipt(said.msgid or None)
        missing = wanted - arrived.keys()
        if missing:
            behind = (begins is not None and begins < oldest) or await reaches(
                connection, place.native, oldest - OVERLAP
            )
            # Bouncers keep lines without their tags.
            if nameless or not behind:
                log.warning("the history proves nothing", place=str(place), parts=sorted(missing))
                self._unproven |= missing
        return arrived

    def mark(self, part: Part, handover: Handover) -> Handover:
        """The part is sent. If it may have arrived before, its receipt will say that nobody knows."""
        if part.id not in self._unproven:
            return handover
        marked: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

        def decided(done: asyncio.Future[Receipt]) -> None:
            if marked.done():
                return
            if done.cancelled():
                marked.cancel()
            elif (error := done.exception()) is not None:
                marked.set_exception(error)
            else:
                self._unproven.discard(part.id)
                marked.set_result(replace(done.result(), status=Status.INDETERMINANT))

        def given_up(_: asyncio.Future[Receipt]) -> None:
            if marked.cancelled():
                handover.confirmation.cancel()

        handover.confirmation.add_done_callback(decided)
        marked.add_done_callback(given_up)
        return replace(handover, confirmation=marked)

    def _reader(self, place: Place) -> Connection | None:
        """Who of ours can ask: it is in the channel, on a server that keeps what was said there, with our tags."""
        if place.kind is PlaceKind.USER:
            return None
        puppet = self._puppets.inside(place.native)
        candidates = (self._bot.connection, puppet.connection if puppet is not None else None)
        return next((each for each in candidates if each is not None and _can_ask(each, place.native)), None)


def _can_ask(connection: Connection, channel: str) -> bool:
    session = connection.session
    return connection.ready and channel in session.channels and session.caps.history and session.sends_tag(PART_TAG)
