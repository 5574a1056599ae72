"""What the IRC adapter's tests share: a core that records, people on real servers, and a way to wait for things."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from adapters.irc import ADAPTER, IrcSettings
from adapters.irc.adapter import IrcAdapter
from adapters.irc.protocol.message import Line, parse
from bridge.contract import Context, Core, Handover, Part, Voice
from bridge.model.address import Address, Person, Place
from bridge.model.event import Event, State
from bridge.model.message import Message, MessageKind, Text
from bridge.model.result import Failure, Receipt
from bridge.model.room import Member
from bridge.names import Kind, Named, Names
from tests.networks.onlooker import Onlooker

T = TypeVar("T")

WITHIN = 30.0
_numbers = itertools.count(1)

ANA = Person(Address("office", "ana@example.org"), "Ana")
BO = Person(Address("home", "@bo:example.org"), "Bo")


class RecordingCore(Onlooker, Core):
    """A core of one network, in memory. Everything taken in stands in `items`, in order."""

    def __init__(self, network: str, members: Sequence[Member]) -> None:
        super().__init__()
        self.network = network
        self.items: list[Event | State] = []
        self.dropped: list[tuple[str, str]] = []
        self.failures: list[Failure] = []
        self.places: dict[str, Failure | None] = {}
        self.memory: dict[str, str] = {}
        self.earlier: list[Event] = []
        """What a core before this one took in."""
        self.onlines = 0
        self.is_online = False
        self._members = tuple(members)
        self._changed = asyncio.Condition()
        self._names = Names(
            [Named(network, Kind.IRC), Named("office", Kind.XMPP, True), Named("home", Kind.MATRIX, True)]
        )

    async def accept(self, *items: Event | State, remember: Mapping[str, str | None] | None = None) -> None:
        await self.remember(remember or {})
        self.items += items

    def online(self) -> None:
        self.onlines += 1
        self.is_online = True

    def offline(self, failure: Failure) -> None:
        self.failures.append(failure)
        self.is_online = False

    def inside(self, place: Place, failure: Failure | None) -> None:
        self.places[place.native] = failure

    def ignored(self, what: str, native_id: str = "") -> None:
        self.dropped.append((what, native_id))

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        raise AssertionError("IRC knows no part ids")

    def recall(self, prefix: str = "") -> Mapping[str, str]:
        return {key: value for key, value in self.memory.items() if key.startswith(prefix)}

    async def remember(self, values: Mapping[str, str | None]) -> None:
        for key, value in values.items():
            if value is None:
                self.memory.pop(key, None)
            else:
                self.memory[key] = value

    def members(self, network: str | None = None) -> Sequence[Member]:
        return self._members if network in (None, self.network) else ()

    def last_seen(self, place: Place) -> float | None:
        known = (*self.earlier, *self.all(Event))
        return max((event.when for event in known if event.place == place), default=None)

    @property
    def names(self) -> Names:
        return self._names

    def all(self, kind: type[T]) -> list[T]:
        """All items of a kind."""
        return [item for item in self.items if isinstance(item, kind)]

    def said(self) -> list[tuple[str, MessageKind, str]]:
        """Everything people said: by whom, how, and what."""
        return [
            (event.sender.name, event.content.kind, event.content.body.text)
            for event in self.all(Event)
            if isinstance(event.content, Message)
        ]

    def ignored_kinds(self) -> list[str]:
        """What was dropped, by its label."""
        return [what for what, _ in self.dropped]


async def until(
    condition: Callable[[], T], what: str, seen: Callable[[], object] = lambda: "", within: float = WITHIN
) -> T:
    """Wait until the condition holds; what it gave. On failure the message tells what was seen instead."""
    deadline = asyncio.get_running_loop().time() + within
    while not (result := condition()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"within {within:.0f} s there was no {what}; seen: {seen()}")
        await asyncio.sleep(0.01)
    return result


async def next_second() -> None:
    """Wait until another second has begun: some servers tell the times of what they repeat in whole ones."""
    now = int(time.time())
    await until(lambda: int(time.time()) > now, "next second")


class Human:
    """Somebody with a plain IRC client. All lines they ever got are in `lines`."""

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self.lines: list[Line] = []
        self.closed = False
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, port: int, nick: str, *channels: str, caps: str = "") -> Self:
        human = cls(nick)
        reader, human._writer = await asyncio.open_connection("127.0.0.1", port)
        human._task = asyncio.create_task(human._read(reader))
        if caps:
            human.send(f"CAP REQ :{caps}")
        human.send(f"NICK {nick}", f"USER {nick} 0 * :{nick}")
        if caps:
            human.send("CAP END")
        await human.see(lambda line: line.command in ("376", "422"), "end of the greeting")
        for channel in channels:
            await human.join(channel)
        return human

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while raw := await reader.readline():
            line = parse(raw.rstrip(b"\r\n"))
            self.lines.append(line)
            if line.command == "PING":
                self.send(f"PONG :{line.param(-1)}")
        self.closed = True

    def send(self, *lines: str) -> None:
        self.send_raw(b"".join(line.encode() + b"\r\n" for line in lines))

    def send_raw(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)

    async def join(self, channel: str) -> None:
        self.send(f"JOIN {channel}")
        await self.see(lambda line: line.command == "366" and line.param(1) == channel, f"entry into {channel}")

    def say(self, target: str, text: str) -> None:
        self.send(f"PRIVMSG {target} :{text}")

    async def see(self, test: Callable[[Line], bool], what: str, within: float = WITHIN) -> Line:
        """Wait for a line, perhaps one that has come already."""
        return await until(
            lambda: next((line for line in self.lines if test(line)), None),
            f"{what} for {self.nick}",
            self.tail,
            within,
        ) or Line("")

    async def hear(self, text: str, by: str | None = None, command: str = "PRIVMSG") -> Line:
        """Wait for something said."""
        return await self.see(
            lambda line: (
                line.command == command
                and line.param(-1) == text
                and (by is None or (line.source is not None and line.source.nick == by))
            ),
            f"{command} {text!r} by {by}",
        )

    def heard(self, channel: str) -> list[tuple[str, str]]:
        """Everything said in a channel: by whom, and what."""
        return [
            (line.source.nick if line.source else "", line.param(1))
            for line in self.lines
            if line.command in ("PRIVMSG", "NOTICE") and line.param(0).lower() == channel.lower()
        ]

    def tail(self) -> list[str]:
        return [f"{line.source} {line.command} {line.params}" for line in self.lines[-25:]]

    async def round_trip(self) -> None:
        """Wait until the server has answered everything sent so far."""
        token = f"rt{next(_numbers)}"
        self.send(f"PING {token}")
        await self.see(lambda line: line.command == "PONG" and line.param(-1) == token, f"PONG {token}")

    async def oper(self) -> None:
        self.send("OPER oper operpw")
        await self.see(lambda line: line.command == "381", "operator's rights")

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class Crowd:
    """People who are sent home when the test is over."""

    def __init__(self) -> None:
        self.people: list[Human] = []

    async def connect(self, port: int, nick: str, *channels: str, caps: str = "") -> Human:
        human = await Human.connect(port, nick, *channels, caps=caps)
        self.people.append(human)
        return human

    async def close(self) -> None:
        for human in self.people:
            await human.close()


def member(channel: str, **values: Any) -> Member:
    """A configured channel of the network ``libera``."""
    return Member(Place("libera", channel), **values)


def part(
    place: Place, speaker: Person, text: str, voice: Voice = Voice.PUPPET, kind: MessageKind = MessageKind.TEXT
) -> Part:
    """Something to say."""
    return Part(f"part-{next(_numbers)}", place, speaker, voice, kind, Text(text), 0.0)


@asynccontextmanager
async def running(
    port: int,
    *members: Member,
    nick: str = "rialto",
    memory: dict[str, str] | None = None,
    core: RecordingCore | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[IrcAdapter, RecordingCore]]:
    """The adapter, connected to the server on that port, and its core."""
    values: dict[str, Any] = {"flood": {"burst": 1000, "per_second": 1000}} | settings
    values = {"server": f"irc://127.0.0.1:{port}", "nick": nick} | values
    core = core or RecordingCore("libera", members)
    core.memory = memory if memory is not None else core.memory
    adapter = ADAPTER.create(IrcSettings.model_validate(values), Context("libera", "http://127.0.0.1", Path()))
    assert isinstance(adapter, IrcAdapter)
    before = core.onlines
    await adapter.start(core)
    try:
        await until(lambda: core.onlines > before, "connection", lambda: core.failures)
        # Whose answer is late, the network is online without: see `adapters.irc.bot.SETTLE`.
        await until(lambda: len(core.places) == len(members), "word of every channel", lambda: core.places)
        yield adapter, core
    finally:
        await adapter.stop()


async def confirmed(handover: Handover) -> Receipt:
    """The receipt of what was handed over."""
    async with asyncio.timeout(WITHIN):
        return await handover.confirmation
