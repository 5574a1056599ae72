"""The topic follows: when it is changed in one place of a room, it is set in the others.

A room has one topic that is wanted, the one set last, and every place that hears is brought to it. What is read back of
what we wrote, perhaps cut to the network's limit, is noted and never travels; but where it shows that an older topic of
ours has overwritten the latest, the latest is set again. At the first sight of a place its topic is noted too: nobody
changed it just now. If after a restart it is another one than was noted, it was changed meanwhile, and travels.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog

from bridge.contract import Adapter, SendError, Topical
from bridge.model.address import Place
from bridge.model.event import TopicSet
from bridge.model.result import Reason
from bridge.model.room import Room
from bridge.reports import Reports
from bridge.router import Router
from bridge.store import Store, states
from bridge.store.states import Topic
from bridge.tasks import cancel, spawn

log = structlog.get_logger(__name__)

PAUSE = 10.0
"""Seconds between attempts to set a topic."""

SET_WITHIN = 60.0
"""Seconds a network has to set a topic, before it is tried again."""

REPEATS = 3
"""How often one topic is set again in a place that reads back another. Whoever changes it there is stronger then."""


@dataclass(frozen=True, slots=True, eq=False)
class _Latest:
    """The topic set last in a room, in the order of numbers."""

    text: str
    number: int
    cause: TopicSet | None


class Topics:
    """Owns what is known of topics. Called on the event loop."""

    def __init__(
        self,
        router: Router,
        adapters: Mapping[str, Adapter],
        store: Store,
        reports: Reports,
        known: Iterable[Topic],
    ) -> None:
        """`known`: what the store kept. What was heard just before the end takes effect now."""
        self._router = router
        self._adapters = adapters
        self._store = store
        self._reports = reports
        self._seen: dict[Place, str] = {}
        self._latest: dict[str, _Latest] = {}
        self._behind: set[Place] = set()
        self._under_way: set[Place] = set()
        self._again: set[Place] = set()
        self._repeats: Counter[Place] = Counter()
        self._online: set[str] = set()
        self._tasks: dict[Place, asyncio.Task[None]] = {}
        self._load(list(known))

    def _load(self, known: list[Topic]) -> None:
        for each in known:
            if each.seen is not None:
                self._seen[each.place] = each.seen
            room = self._router.room(each.place)
            if each.wanted is not None and room is not None:
                self._latest.setdefault(room.name, _Latest(each.wanted, 1, None))
                self._behind.add(each.place)
        for each in known:
            if each.heard is not None:
                self.apply(each.heard)

    async def stop(self) -> None:
        """Let go; what is still to be set is in the store."""
        await cancel(list(self._tasks.values()))

    def online(self, network: str, *, online: bool) -> None:
        """The network can, or cannot, be spoken to."""
        if not online:
            self._online.discard(network)
            return
        self._online.add(network)
        for place in list(self._behind):
            if place.network == network:
                self._start(place)

    def apply(self, topic: TopicSet) -> None:
        """An adapter tells of a topic."""
        place, before = topic.place, self._seen.get(topic.place)
        self._seen[place] = topic.text
        room = self._router.room(place)
        if room is None:
            changed: set[Place] = set()
        elif topic.own:
            changed = self._read_back(room, topic)
        elif topic.initial and before and not topic.text:
            changed = self._forgotten(room, place, before)
        elif self._is_news(room, topic, before):
            changed = self._said(room, topic)
        else:
            changed = set()
        # Together with what follows from it, or a crash between the two would leave the room with two topics.
        self._note({place} | changed, topic)
        for each in changed & self._behind:
            self._start(each)

    def _is_news(self, room: Room, topic: TopicSet, before: str | None) -> bool:
        member, latest = self._router.member(topic.place), self._latest.get(room.name)
        if topic.text == before or member is None or not member.speaks:
            return False
        if topic.initial and before is None:
            return False
        if topic.initial and (_is_cut(topic.text, before or "") or (latest and _is_cut(topic.text, latest.text))):
            # What we set before the connection broke, or before a restart, as the network cut it.
            return False
        if topic.by is not None and not self._router.welcome(topic.by.address):
            log.info("topic stays where it is: its author may not speak through this bridge", place=str(topic.place))
            return False
        return True

    def _forgotten(self, room: Room, place: Place, before: str) -> set[Place]:
        """The place has no topic on our arrival, and had one: a server was restarted, nobody cleared it. It is to have
        the room's again. Returns the place if it must be written."""
        member = self._router.member(place)
        if member is None or not member.hears:
            return set()
        self._latest.setdefault(room.name, _Latest(before, 1, None))
        self._behind.add(place)
        return {place}

    def _said(self, room: Room, topic: TopicSet) -> set[Place]:
        """Whoever spoke last is right: from now on the room wants this topic. Returns the places it matters to."""
        latest = self._latest.get(room.name)
        if latest is None or latest.text != topic.text:
            self._latest[room.name] = _Latest(topic.text, latest.number + 1 if latest else 1, topic)
            for member in room.members:
                del self._repeats[member.place]
                self._again.discard(member.place)
        hearing = {member.place for member in room.others(topic.place)}
        wrong = {place for place in hearing if self._seen.get(place) != topic.text}
        # An older topic on its way to a place, this one included, may arrive after this one.
        wrong |= (hearing | {topic.place}) & self._under_way
        self._behind -= hearing | {topic.place}
        self._behind |= wrong
        return hearing

    def _read_back(self, room: Room, topic: TopicSet) -> set[Place]:
        """What we wrote is there. Returns the place if it must be written again."""
        place, latest = topic.place, self._latest.get(room.name)
        if latest is None or _is_cut(topic.text, latest.text):
            self._again.discard(place)
            return set()
        if self._repeats[place] >= REPEATS:
            log.warning("another topic is read back than was set; it is left", place=str(place), number=latest.number)
            return set()
        self._repeats[place] += 1
        self._again.add(place)
        self._behind.add(place)
        return {place}

    def _start(self, place: Place) -> None:
        if place.network in self._online and place not in self._tasks:
            self._tasks[place] = spawn(self._bring(place), name=f"topic {place}")

    async def _bring(self, place: Place) -> None:
        """Set topics in the place until it has the latest."""
        try:
            while place in self._behind and place.network in self._online:
                room = self._router.room(place)
                if room is None:
                    return
                latest = self._latest[room.name]
                pause = await self._set(place, latest)
                if pause is not None:
                    await asyncio.sleep(pause)
                elif self._latest[room.name] is latest and place not in self._again:
                    self._behind.discard(place)
                    self._note({place})
        finally:
            # Here, not in a callback: whatever comes after the last look at `_behind` starts a new task.
            del self._tasks[place]

    async def _set(self, place: Place, latest: _Latest) -> float | None:
        """One attempt. Returns the seconds to wait before the next, None if there need not be one."""
        adapter, by = self._adapters[place.network], latest.cause.by if latest.cause else None
        before = self._seen.get(place)
        self._again.discard(place)
        self._under_way.add(place)
        try:
            if not isinstance(adapter, Topical):
                raise SendError.permanent(Reason.FEATURE_NOT_IMPLEMENTED, "this network has no topics")
            async with asyncio.timeout(SET_WITHIN):
                await adapter.set_topic(place, latest.text, by)
        except SendError as error:
            if error.temporary:
                return error.retry_after or PAUSE
            log.warning("topic not set", place=str(place), error=str(error))
            if latest.cause is not None and by is not None:
                self._reports.say(
                    latest.cause.place,
                    by,
                    f"Topic not set in {place.native} on {place.network}: {error.failure.text}.",
                )
        except TimeoutError:
            log.warning("no word on whether the topic was set", place=str(place), seconds=SET_WITHIN)
            return PAUSE
        except Exception:
            # The adapter's fault must not keep the place from the topics that follow.
            log.exception("topic not set", place=str(place))
        else:
            if self._seen.get(place) == before:
                self._seen[place] = latest.text
        finally:
            self._under_way.discard(place)
        return None

    def _note(self, places: Iterable[Place], applied: TopicSet | None = None) -> None:
        topics = [Topic(place, self._seen.get(place), self._wanted(place)) for place in places]
        self._store.write(partial(states.note_topics, topics=topics, applied=applied)).add_done_callback(_log_failure)

    def _wanted(self, place: Place) -> str | None:
        room = self._router.room(place)
        return self._latest[room.name].text if room is not None and place in self._behind else None


def _is_cut(text: str, whole: str) -> bool:
    """Whether `text` is `whole` as a network may show it: on one line, and cut to a limit."""
    shown, meant = " ".join(text.split()), " ".join(whole.split())
    if shown == meant:
        return True
    shown = shown.removesuffix("\N{HORIZONTAL ELLIPSIS}").removesuffix("...").rstrip()
    return bool(shown) and meant.startswith(shown)


def _log_failure(done: asyncio.Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("a topic could not be noted", error=f"{type(error).__name__}: {error}")
