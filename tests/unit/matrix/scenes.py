"""What the Matrix tests have in common: names, a scene, PDUs."""

from typing import Any

from adapters.matrix.ids import Namespace
from adapters.matrix.inbound import Scene
from adapters.matrix.standing import Mark
from bridge.contract import Part, Voice
from bridge.model.address import Address, Person, Place
from bridge.model.message import MessageKind, Text
from bridge.names import Kind, Named, Names

NAMES = Names([Named("home", Kind.MATRIX, True), Named("libera", Kind.IRC), Named("office", Kind.XMPP, True)])
OURS = Namespace("example.org", "_rialto_", "rialto")
LOBBY = Place("home", "#lobby:example.org")
ANA = "@ana:matrix.org"
KESTREL = "@_rialto_libera_kestrel:example.org"
NOW = 1_800_000_000.0


def scene(
    people: dict[str, str] | None = None,
    puppets: dict[str, str] | None = None,
    marks: dict[str, Mark] | None = None,
) -> Scene:
    """The lobby, with Ana and Kestrel's puppet in it unless told otherwise."""
    return Scene(
        LOBBY,
        OURS,
        {ANA: "Ana"} if people is None else people,
        {KESTREL: "kestrel"} if puppets is None else puppets,
        lambda user_id: OURS.read(user_id, NAMES),
        NOW,
        marks or {},
    )


def pdu(kind: str, content: Any, sender: str = ANA, **more: Any) -> dict[str, Any]:
    """A PDU as a homeserver pushes it."""
    return {
        "type": kind,
        "event_id": "$event",
        "sender": sender,
        "origin_server_ts": 1_700_000_000_123,
        "room_id": "!lobby",
        "content": content,
    } | more


def member(user_id: str, membership: str, sender: str | None = None, before: str | None = None, **more: Any) -> Any:
    """A membership PDU; `before` is what the homeserver tells of the membership until then."""
    unsigned = {"prev_content": {"membership": before}} if before else {}
    content = {"membership": membership} | more
    return pdu("m.room.member", content, sender or user_id, state_key=user_id, unsigned=unsigned)


def part(text: str = "hello", **changes: Any) -> Part:
    """A part that Kestrel says in the lobby."""
    values: dict[str, Any] = {
        "id": "01HZX-1-0",
        "place": LOBBY,
        "speaker": Person(Address("libera", "kestrel"), "kestrel"),
        "voice": Voice.PUPPET,
        "kind": MessageKind.TEXT,
        "text": Text(text),
        "when": NOW,
        "source": "abc",
    }
    return Part(**values | changes)
