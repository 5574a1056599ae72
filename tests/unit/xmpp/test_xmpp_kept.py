"""A component stream that another process goes on with: where it begins, and that no stanza is missed or doubled."""

import asyncio
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from adapters.xmpp.component import Component
from adapters.xmpp.kept import KeptTransport, Snapshot
from adapters.xmpp.meanwhile import Meanwhile
from bridge.keeper.client import Kept

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:x='urn:x' id='1'"
    b" xmlns:stream='http://etherx.jabber.org/streams' from='bridge.example.org'>"
)
HANDSHAKE = b"<handshake/>"
STANZAS = [
    b"<message id='1' from='a@b' to='c@d'><body>one</body></message>",
    b" ",
    b"<presence id='2' note='1>0'/>",
    b"<message id='3'><body>a > b</body><x:more><x:y/></x:more></message>",
    b"<iq id='4' type='get'><query xmlns='jabber:iq:version'/></iq>",
]
WHOLE = HEADER + HANDSHAKE + b"".join(STANZAS)


class Ear:
    """Who lives on the stream."""

    def __init__(self) -> None:
        self.opens = 0
        self.ids: list[str] = []

    def opened(self) -> None:
        self.opens += 1

    def received(self, stanza: Element) -> None:
        self.ids.append(stanza.get("id", ""))


class Bridge:
    """One process's side, and what it says to the keeper."""

    def __init__(self) -> None:
        self.ear = Ear()
        self.said: list[tuple[str, bytes, dict[str, Any]]] = []
        self.kept = Kept(self._say, "c-1", "office/component", secure=False, snapshot=b"", is_open=True)
        self.component = Component("bridge.example.org", "secret", self.ear)
        self.known: list[str] = []
        self.transport = KeptTransport(self.kept, self.component, "settings", lambda: None, self.known.append)

    def _say(self, kind: str, body: bytes = b"", **values: Any) -> None:
        self.said.append((kind, body, values))

    def acknowledged(self) -> tuple[int, bytes]:
        """Make all durable: up to where, and the snapshot if one was made."""
        mark = self.transport.mark()
        assert mark is not None
        mark()
        kind, body, values = self.said[-1]
        assert kind == "ack"
        return values["upto"], body


async def begun() -> Bridge:
    bridge = Bridge()
    bridge.component.connection_made(bridge.transport)
    return bridge


@pytest.mark.parametrize("cut", range(len(HEADER) + len(HANDSHAKE), len(WHOLE) + 1, 3))
async def test_wherever_the_first_one_ends_the_second_goes_on_at_a_stanza(cut: int) -> None:
    first = await begun()
    first.transport.got(0, WHOLE[:cut], 1.0)
    upto, body = first.acknowledged()
    assert upto <= cut
    snapshot = Snapshot.model_validate_json(body)
    assert snapshot.header.encode() == HEADER
    second = Bridge()
    second.transport.begin(snapshot.header.encode())
    second.component.resume(second.transport, snapshot.header.encode())
    assert second.ear.opens == 1
    second.transport.got(upto, WHOLE[upto:], 1.0)
    assert first.ear.ids + second.ear.ids == ["1", "2", "3", "4"]
    assert second.said == [] or second.said[0][0] == "ack"  # no header, no handshake


@pytest.mark.parametrize("size", [1, 2, 7, 50])
async def test_a_stanza_has_one_name_however_it_comes(size: int) -> None:
    whole, split = await begun(), await begun()
    names: dict[str, list[tuple[str, float]]] = {"whole": [], "split": []}
    for word, bridge in (("whole", whole), ("split", split)):
        bridge.ear.received = naming(bridge, names[word])  # type: ignore[method-assign,assignment]
    whole.transport.got(0, WHOLE, 1.0)
    for start in range(0, len(WHOLE), size):
        split.transport.got(start, WHOLE[start : start + size], 1.0)
    assert names["whole"] == names["split"]
    assert len(set(names["whole"])) == 4


def naming(bridge: Bridge, names: list[tuple[str, float]]) -> Callable[[Element], None]:
    return lambda stanza: names.append(bridge.transport.origin)


async def test_before_the_handshake_nothing_is_acknowledged() -> None:
    bridge = await begun()
    bridge.transport.got(0, HEADER, 1.0)
    assert bridge.transport.mark() is None
    bridge.transport.got(len(HEADER), HANDSHAKE, 1.0)
    assert bridge.acknowledged()[0] == len(HEADER + HANDSHAKE)
    assert bridge.transport.mark() is None


async def test_what_a_key_was_written_with_is_known() -> None:
    bridge = await begun()
    assert not bridge.transport.is_old("part-1")
    bridge.transport.begin(HEADER)
    assert bridge.transport.is_old("part-1")
    bridge.transport.write_once(b"<message/>", "part-1")
    assert bridge.said[-1] == ("write", b"<message/>", {"conn": "c-1", "key": "part-1"})
    assert not bridge.transport.is_old("part-1")
    bridge.transport.known("part-1")
    assert bridge.known == ["part-1"]


async def test_the_end_is_told_and_forgotten() -> None:
    bridge = await begun()
    bridge.transport.lost(ConnectionResetError("gone"))
    async with asyncio.timeout(5):
        assert await bridge.component.finished == ("", "gone")
    mark = bridge.transport.mark()
    assert mark is not None
    mark()
    assert bridge.said[-1][0] == "forget"


def test_lines_of_a_room_are_kept_as_its_history() -> None:
    meanwhile = Meanwhile()
    line = "<message xmlns='jabber:component:accept' from='r@c/ana'><body>hi</body></message>"
    meanwhile.take(fromstring(line), "r@c", 0.0)
    assert meanwhile.end(named=True) == []
    meanwhile.begin()
    meanwhile.take(fromstring(line), "r@c", 1_700_000_000.5)
    meanwhile.take(fromstring(line.replace("body", "subject")), "r@c", 1_700_000_000.5)
    (kept,) = meanwhile.end(named=True)
    delay = kept.find("{urn:xmpp:delay}delay")
    assert delay is not None
    assert dict(delay.attrib) == {"from": "r@c", "stamp": "2023-11-14T22:13:20.500Z"}
    assert not meanwhile.is_kept


def test_what_could_not_be_known_again_is_left_to_the_rooms_history() -> None:
    meanwhile = Meanwhile()
    meanwhile.begin()
    for name in ("7", "c0ffee00-c0ffee00-c0ffee00"):
        meanwhile.take(fromstring(f"<message from='r@c/ana' id='{name}'><body>hi</body></message>"), "r@c", 1.0)
    assert [line.get("id") for line in meanwhile.end()] == ["c0ffee00-c0ffee00-c0ffee00"]
