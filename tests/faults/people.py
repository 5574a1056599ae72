"""People who come back: clients that connect again when their server was away, and remember what they saw before."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator, Mapping

import aiohttp

from bridge.demo.clients import Client, ClientError, IrcClient, MatrixClient, Seen, Sight, XmppClient
from bridge.demo.servers import Prosody
from tests.faults.tally import NUMBERED, Gap, Line, Report, Sighting

AGAIN = 0.2
"""Seconds between two attempts to connect."""

_UNDELIVERED = re.compile(r"(?:(\d+) more messages? (?:was|were) )?\bnot delivered\b", re.IGNORECASE)


class Person:
    """Somebody on one network, in some rooms, by the rooms' short names."""

    network: str

    def __init__(self, rooms: Mapping[str, str]) -> None:
        self.rooms = dict(rooms)
        self._short = {native.lower(): short for short, native in rooms.items()}
        self.here = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._known: dict[int, list[Sighting | None]] = {}

    async def start(self) -> None:
        """Come, and stay until `stop`."""
        self._task = asyncio.create_task(self._stay(), name=f"person on {self.network}")
        here = asyncio.create_task(self.here.wait())
        await asyncio.wait([self._task, here], timeout=60, return_when=asyncio.FIRST_COMPLETED)
        here.cancel()
        if self._task.done():
            await self._task
        assert self.here.is_set(), f"the person on {self.network} could not come"

    async def stop(self) -> None:
        """Go."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def say(self, room: str, text: str) -> None:
        """Say it, if the server takes it; whether it did, `sightings` tell."""
        raise NotImplementedError

    def sightings(self) -> Iterator[Sighting]:
        """What was seen in all sessions, in order."""
        raise NotImplementedError

    def seen(self) -> list[Seen]:
        """All that was seen, in order."""
        raise NotImplementedError

    async def _stay(self) -> None:
        raise NotImplementedError

    def _read(self, client: Client) -> Iterator[tuple[Seen, Sighting | None]]:
        """All that the client saw, and what each is to us. It is asked often: nothing is read twice."""
        known = self._known.setdefault(id(client), [])
        known.extend(self._told(seen) for seen in client.seen[len(known) :])
        return zip(client.seen, known, strict=False)

    def _told(self, seen: Seen) -> Sighting | None:
        """A numbered message, or a report of one."""
        room = self._short.get(seen.place.lower(), "")
        if report := _UNDELIVERED.search(seen.text):
            return Report(room, seen.text, int(report[1] or 1))
        found = NUMBERED.search(seen.text) if seen.kind in (Sight.TEXT, Sight.OTHER) else None
        if found is None or not room:
            return None
        return Line(found[1], found[2], int(found[3]), seen.when)


class _Returning(Person):
    """Needs a new client for each session."""

    def __init__(self, rooms: Mapping[str, str]) -> None:
        super().__init__(rooms)
        self.sessions: list[Client] = []

    def seen(self) -> list[Seen]:
        return [seen for session in self.sessions for seen in session.seen]

    async def _stay(self) -> None:
        while True:
            try:
                await self._session()
            except (ClientError, OSError, EOFError):
                await asyncio.sleep(AGAIN)  # the server is away, and nothing tells when it is back
            finally:
                self.here.clear()

    async def _session(self) -> None:
        """Come, be `here`, return when the connection is gone."""
        raise NotImplementedError


class XmppPerson(_Returning):
    """Ana. What she says counts as said when the room gave it back to her."""

    network = "xmpp"

    def __init__(self, prosody: Prosody, jid: str, nick: str, rooms: Mapping[str, str]) -> None:
        super().__init__(rooms)
        self._prosody, self._jid, self._nick = prosody, jid, nick
        self.client: XmppClient | None = None

    async def _session(self) -> None:
        client = XmppClient(self._jid, "password", self._prosody.c2s_port)
        gone = asyncio.Event()
        client.xmpp.add_event_handler("disconnected", lambda _: gone.set())
        try:
            await client.connect()
            self.sessions.append(client)
            for room in self.rooms.values():
                await client.join(room, self._nick)
            self.client = client
            self.here.set()
            await gone.wait()
        finally:
            self.client = None
            await client.close()

    async def say(self, room: str, text: str) -> None:
        if self.client is not None:
            self.client.say(self.rooms[room], text)

    def sightings(self) -> Iterator[Sighting]:
        known: set[tuple[str, str]] = set()
        for session in self.sessions:
            for seen, told in self._read(session):
                # What she saw before comes again as history when she comes again.
                if told is None or (seen.history and (seen.id, seen.text) in known):
                    continue
                known.add((seen.id, seen.text))
                yield told


class IrcPerson(_Returning):
    """Kestrel, or the onlooker, who sees what Kestrel says and when the bridge is not there to hear it."""

    network = "irc"

    def __init__(self, port: int, nick: str, rooms: Mapping[str, str], people: frozenset[str]) -> None:
        """`people` are the nicks that are not of the bridge."""
        super().__init__(rooms)
        self._port, self._nick, self._people = port, nick, people
        self._found: list[dict[str, set[str]]] = []
        self.client: IrcClient | None = None

    async def _session(self) -> None:
        client = IrcClient(self._nick, self._port)
        await client.connect()
        try:
            self.sessions.append(client)
            self._found.append({})
            for short, channel in self.rooms.items():
                await client.join(channel)
                self._found[-1][short] = client.names.get(channel.lower(), set()) - self._people
            self.client = client
            self.here.set()
            assert client._connection is not None
            await asyncio.shield(client._connection.gone)
        finally:
            self.client = None
            await client.quit()

    async def say(self, room: str, text: str) -> None:
        if self.client is not None:
            self.client.say(self.rooms[room], text)

    def bridged(self, room: str) -> set[str]:
        """Who of the bridge is in the channel now."""
        return set() if self.client is None else self.client.names[self.rooms[room].lower()] - self._people

    def sightings(self) -> Iterator[Sighting]:
        there: dict[str, set[str]] = {}
        for session, found in zip(self.sessions, self._found, strict=True):
            # Before our first arrival nobody was there; what changed while we were not there, we do not know.
            for room in self.rooms:
                before, there[room] = there.get(room), set(found.get(room, set()))
                if before is None or bool(before) != bool(there[room]):
                    yield Gap(room, gone=not there[room], when=session.seen[0].when if session.seen else 0.0)
            for seen, told in self._read(session):
                room = self._short.get(seen.place.lower(), "")
                if room and (change := self._moved(there[room], seen)) is not None:
                    yield Gap(room, gone=change, when=seen.when)
                elif told is not None:
                    yield told

    def _moved(self, there: set[str], seen: Seen) -> bool | None:
        """Somebody of the bridge came or went: whether nobody is there from now on, None if that is as before."""
        before = bool(there)
        if seen.kind is Sight.JOIN and seen.who not in self._people:
            there.add(seen.who)
        elif seen.kind is Sight.LEAVE:
            there.discard(seen.who)
        elif seen.kind is Sight.KICK:
            there.discard(seen.whom)
        elif seen.kind is Sight.RENAME and seen.who in there:
            there.discard(seen.who)
            there.add(seen.text)
        return None if before == bool(there) else not there


class MatrixPerson(Person):
    """Bo. What he says counts as said when it comes down his sync."""

    network = "matrix"

    def __init__(self, client: MatrixClient, rooms: Mapping[str, str]) -> None:
        super().__init__(rooms)
        self.client = client

    async def _stay(self) -> None:
        # The client itself goes on after a failed sync.
        self.here.set()
        await asyncio.Event().wait()

    async def say(self, room: str, text: str) -> None:
        with contextlib.suppress(ClientError, aiohttp.ClientError, TimeoutError):
            await self.client.say(self.rooms[room], text)

    def seen(self) -> list[Seen]:
        return list(self.client.seen)

    def sightings(self) -> Iterator[Sighting]:
        return (told for _, told in self._read(self.client) if told is not None)


async def settled(condition: Callable[[], bool], within: float) -> bool:
    """Wait until the condition holds; whether it did in time."""
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.1)  # several clients are looked at, and no one event tells
    return True
