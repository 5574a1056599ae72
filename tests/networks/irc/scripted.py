"""An IRC server that keeps what is said (IRCv3 draft/chathistory), for the tests: no packaged server does.

It says no more than it has understood: registration with capabilities, channels, messages with tags, echoes by label,
who is there, and the two ways of reading a history that Rialto uses. What a server may do otherwise is for a test to
choose. Thousands of people who say nothing are names on a list, without a connection each.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from adapters.irc.protocol.message import Line, parse

CAPS: Final = frozenset(
    {
        "batch",
        "draft/chathistory",
        "echo-message",
        "labeled-response",
        "message-tags",
        "server-time",
        "standard-replies",
    }
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A line in the history of a channel, with the tags that clients gave it."""

    when: datetime
    msgid: str
    source: str
    command: str
    text: str
    tags: str

    @property
    def stamp(self) -> str:
        return f"{self.when.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


@dataclass(slots=True, eq=False)
class Client:
    """A connection. `lines` is what it sent."""

    writer: asyncio.StreamWriter
    nick: str = ""
    caps: set[str] = field(default_factory=set)
    lines: list[Line] = field(default_factory=list)

    @property
    def source(self) -> str:
        return f"{self.nick}!{self.nick.lower()}@scripted"

    def say(self, line: str, **tags: str) -> None:
        """Send a line, with those tags that the client has asked for."""
        needs = {"time": "server-time", "label": "labeled-response", "batch": "batch"}
        shown = [f"{name}={value}" for name, value in tags.items() if needs.get(name, "message-tags") in self.caps]
        self.writer.write((f"@{';'.join(shown)} {line}\r\n" if shown else f"{line}\r\n").encode())


class ScriptedIrcServer:
    """`most` lines are told at once. `msgids`: a history can be asked for by them.

    With `refuse`, nobody is told any history. `caps` are offered. With `strip`, what is kept loses the tags that
    clients gave it, as with some bouncers. `swallow` are texts that arrive, whose sender is cut off before that is
    confirmed. After `cut_after` pages the connection that asked is cut off, once, and `on_cut` is called. `silent` are
    people without a connection, by channel.
    """

    def __init__(self, *, caps: frozenset[str] = CAPS) -> None:
        self.most = 100
        self.msgids = True
        self.caps = caps
        self.refuse = False
        self.strip = False
        self.swallow: set[str] = set()
        self.cut_after: int | None = None
        self.on_cut: Callable[[], object] = lambda: None
        self.asked: list[str] = []
        self.clients: dict[str, Client] = {}
        self.channels: dict[str, list[Client]] = {}
        self.histories: dict[str, list[Kept]] = {}
        self.silent: dict[str, list[str]] = {}
        self.port = 0
        self._numbers = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    def note(self, channel: str, source: str, text: str, when: datetime | None = None) -> Kept:
        """Something is said in the channel, of which nobody who is there now is told."""
        kept = Kept(when or datetime.now(UTC), f"id{next(self._numbers)}", source, "PRIVMSG", text, "")
        self.histories.setdefault(channel, []).append(kept)
        return kept

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        client = Client(writer)
        try:
            while raw := await reader.readline():
                line = parse(raw.rstrip(b"\r\n"))
                client.lines.append(line)
                self._handle(client, line)
        except ConnectionError:
            pass  # as good an end as any other
        finally:
            self._tasks.discard(task)
            self._gone(client)

    def _gone(self, client: Client) -> None:
        if self.clients.get(client.nick) is client:
            del self.clients[client.nick]
            there = [members for members in self.channels.values() if client in members]
            for members in there:
                members.remove(client)
            for other in {other for members in there for other in members}:
                other.say(f":{client.source} QUIT :gone")
        client.writer.close()

    def _handle(self, client: Client, line: Line) -> None:
        label = line.tags.get("label", "")
        match line.command, line.params:
            case "CAP", [subcommand, *more]:
                self._cap(client, subcommand.upper(), more)
            case "NICK", [nick]:
                self._nick(client, nick)
            case "USER", _ if "LS" not in client.caps:
                self._welcome(client)
            case "PING", [token, *_]:
                client.say(f":scripted PONG scripted :{token}", **_labelled(label))
            case "JOIN", [names, *_]:
                for name in names.split(","):
                    self._join(client, name.lower())
            case "PART", [name, *_]:
                for member in self.channels[name.lower()]:
                    member.say(f":{client.source} PART {name}")
                self.channels[name.lower()].remove(client)
            case (("PRIVMSG" | "NOTICE"), [target, text]):
                self._said(client, line, target.lower(), text, label)
            case "CHATHISTORY", [which, target, selector, limit]:
                self._history(client, which.upper(), target.lower(), selector, int(limit), label)
            case "NAMES", [name]:
                self._names(client, name.lower())
            case "WHO", [mask, *_]:
                self._who(client, mask.lower(), **_labelled(label))
            case "QUIT", _:
                self._gone(client)
            case _:
                if label:
                    client.say(":scripted ACK", label=label)

    def _cap(self, client: Client, subcommand: str, more: list[str]) -> None:
        match subcommand:
            case "LS":
                client.caps.add("LS")
                client.say(f":scripted CAP * LS :{' '.join(sorted(self.caps))}")
            case "REQ":
                client.caps |= set(more[-1].split()) & self.caps
                client.say(f":scripted CAP * ACK :{more[-1]}")
            case "END":
                client.caps.discard("LS")
                self._welcome(client)

    def _nick(self, client: Client, nick: str) -> None:
        if nick in self.clients:
            client.say(f":scripted 433 * {nick} :taken")
        else:
            client.nick = nick
            self.clients[nick] = client

    def _welcome(self, client: Client) -> None:
        refs = "msgid,timestamp" if self.msgids else "timestamp"
        client.say(f":scripted 001 {client.nick} :Welcome {client.source}")
        client.say(
            f":scripted 005 {client.nick} CASEMAPPING=ascii CHANTYPES=# CHATHISTORY={self.most} MSGREFTYPES={refs} "
            "NETWORK=Scripted :are supported"
        )
        client.say(f":scripted 422 {client.nick} :no message of the day")

    def _join(self, client: Client, name: str) -> None:
        members = self.channels.setdefault(name, [])
        members.append(client)
        stamp = f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
        for member in members:
            member.say(f":{client.source} JOIN {name}", time=stamp)
        self._names(client, name)

    def _names(self, client: Client, name: str) -> None:
        nicks = [*(member.nick for member in self.channels[name]), *self.silent.get(name, ())]
        for some in range(0, len(nicks), 20):
            client.say(f":scripted 353 {client.nick} = {name} :{' '.join(nicks[some : some + 20])}")
        client.say(f":scripted 366 {client.nick} {name} :end")

    def _who(self, client: Client, mask: str, **tags: str) -> None:
        """Everybody in a channel is here, and not away; of anybody else nothing is told."""
        nicks = [*(member.nick for member in self.channels.get(mask, ())), *self.silent.get(mask, ())]
        tied = {"batch": f"b{next(self._numbers)}"} if tags and "batch" in client.caps else {}
        if tied:
            client.say(f":scripted BATCH +{tied['batch']} labeled-response", **tags)
        for nick in nicks:
            client.say(f":scripted 352 {client.nick} {mask} {nick} host scripted {nick} H :0 {nick}", **tied)
        client.say(f":scripted 315 {client.nick} {mask} :end", **tied)
        if tied:
            client.say(f":scripted BATCH -{tied['batch']}")

    def split(self, channel: str, nicks: Iterable[str]) -> None:
        """These are lost with another server, as seen by whoever is in the channel."""
        lost = set(nicks)
        self.silent[channel] = [nick for nick in self.silent[channel] if nick not in lost]
        self._show(channel, (f":{nick}!{nick}@host QUIT :hub.scripted leaf.scripted" for nick in lost))

    def join(self, channel: str, nicks: Iterable[str]) -> None:
        """These come, or come back."""
        come = list(nicks)
        self.silent.setdefault(channel, []).extend(come)
        self._show(channel, (f":{nick}!{nick}@host JOIN {channel}" for nick in come))

    def cut(self, nick: str) -> None:
        """A connection breaks."""
        self._gone(self.clients[nick])

    def _show(self, channel: str, lines: Iterable[str]) -> None:
        for line in lines:
            for member in self.channels.get(channel, ()):
                member.say(line)

    def _said(self, client: Client, line: Line, target: str, text: str, label: str) -> None:
        tags = "" if self.strip else ";".join(f"{key}={tag}" for key, tag in line.tags.items() if key.startswith("+"))
        said = Kept(datetime.now(UTC), f"id{next(self._numbers)}", client.source, line.command, text, tags)
        self.histories.setdefault(target, []).append(said)
        members = self.channels.get(target, [])
        for member in members:
            if member is not client:
                self._tell(member, target, said)
        if text in self.swallow:
            self.swallow.discard(text)
            self._gone(client)
        elif "echo-message" in client.caps:
            self._tell(client, target, said, **_labelled(label))

    def _tell(self, client: Client, target: str, said: Kept, **tags: str) -> None:
        own = dict(pair.split("=", 1) for pair in said.tags.split(";") if pair)
        ids = {"msgid": said.msgid} if self.msgids else {}
        client.say(f":{said.source} {said.command} {target} :{said.text}", **{"time": said.stamp} | ids | own | tags)

    def _history(self, client: Client, which: str, target: str, selector: str, limit: int, label: str) -> None:
        self.asked.append(f"{which} {selector} {limit}")
        if self.refuse or client not in self.channels.get(target, []):
            client.say(f":scripted FAIL CHATHISTORY INVALID_TARGET {which} {target} :no history", **_labelled(label))
            return
        lines = self.histories.get(target, [])
        found = _chosen(lines, which, selector, min(limit, self.most))
        reference = f"b{next(self._numbers)}"
        client.say(f":scripted BATCH +{reference} chathistory {target}", **_labelled(label))
        for each in found:
            self._tell(client, target, each, batch=reference)
        client.say(f":scripted BATCH -{reference}")
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after < 0:
                self.cut_after = None
                self._gone(client)
                self.on_cut()


def _labelled(label: str) -> dict[str, str]:
    return {"label": label} if label else {}


def _chosen(lines: list[Kept], which: str, selector: str, limit: int) -> list[Kept]:
    """What comes after or before the line or the time, and no more than `limit` of it, those next to it."""
    kind, _, value = selector.partition("=")
    if kind == "msgid":
        place = next(number for number, each in enumerate(lines) if each.msgid == value)
        after, before = lines[place + 1 :], lines[:place]
    else:
        moment = datetime.fromisoformat(value)
        # What is told of a time has milliseconds, and so has what is asked.
        after = [each for each in lines if _cut(each.when) > moment]
        before = [each for each in lines if _cut(each.when) < moment]
    return after[:limit] if which == "AFTER" else before[-limit:]


def _cut(when: datetime) -> datetime:
    return when - timedelta(microseconds=when.microsecond % 1000)
