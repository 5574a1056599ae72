"""Entity expansion ("billion laughs") and outside entities: no document type is taken on any stream (RFC 6120 11.1)."""

import tracemalloc
from xml.etree.ElementTree import Element

import pytest

from adapters.xmpp.account.connection import Connection
from adapters.xmpp.component import Component
from tests.security.inside import xmpp
from tests.unit.xmpp import test_xmpp_account_connection as account
from tests.unit.xmpp import test_xmpp_stream as component

LAUGHS = "<!DOCTYPE lolz [<!ENTITY l0 'lol'>" + "".join(
    f"<!ENTITY l{number + 1} '{f'&l{number};' * 10}'>" for number in range(9)
)
DECLARATIONS = [
    f"{LAUGHS}]>",
    "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>",
    "<!DOCTYPE x [<!ENTITY % outside SYSTEM 'http://127.0.0.1:1/x'> %outside;]>",
    "<!DOCTYPE x [<!ATTLIST message to CDATA 'pwned'>]>",
    "<!ENTITY x 'y'>",
]
HEADERS = {
    "component": component.HEADER.decode().partition("?>")[2],
    "account": account.HEADER.decode().partition("?>")[2],
}


def opened(kind: str) -> tuple[Component | Connection, component.Wire | account.Line, list[Element]]:
    """A connection whose server has said nothing yet."""
    if kind == "component":
        made, wire, ear = component.connected()
        return made, wire, ear.stanzas
    connection, line, heard = account.connected()
    connection.init_parser()
    connection.xml_root = None
    connection.xml_depth = 0
    return connection, line, heard.stanzas


@pytest.mark.parametrize("kind", ["component", "account"])
@pytest.mark.parametrize("declaration", DECLARATIONS)
@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_none_before_the_stream(kind: str, declaration: str, size: int) -> None:
    made, line, stanzas = opened(kind)
    data = f"<?xml version='1.0'?>{declaration}{HEADERS[kind]}<message><body>&l9;</body></message>".encode()
    tracemalloc.start()
    try:
        for start in range(0, len(data), size):
            made.data_received(data[start : start + size])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert line.gone
    assert (await made.finished)[0] == "restricted-xml"
    assert not stanzas
    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize(
    "inside", ["<!DOCTYPE x>", f"{LAUGHS}]>", "&lol;", "<message>&lol;</message>", "<!ENTITY x 'y'>"]
)
async def test_none_within_it(inside: str) -> None:
    made, wire, ear = component.connected()
    made.data_received(component.HEADER + b"<handshake/>")
    made.data_received(inside.encode())
    assert wire.gone
    assert (await made.finished)[0] == "not-well-formed"
    assert not ear.stanzas


async def test_the_five_entities_of_xml_itself_are_text() -> None:
    async with xmpp() as (_, core, server):
        server.say(
            "<message from='ana@example.org/x' to='kestrel%libera@bridge.example.org' type='chat'>"
            "<body>&lt;!DOCTYPE x&gt; &amp;l9; &apos;&quot;</body></message>"
        )
        event = await core.heard("<!DOCTYPE x> &l9; '\"")
        assert event.sender.address.native == "ana@example.org"
