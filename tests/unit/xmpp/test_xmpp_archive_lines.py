"""Lines of a room's archive: what is read of them, and by which ids they are known again."""

from collections.abc import Callable
from xml.etree.ElementTree import Element, fromstring

import pytest

from adapters.xmpp.archive import PAGE, Pages, read_result
from adapters.xmpp.inbound import Line
from adapters.xmpp.naming import ARCHIVE, Naming
from adapters.xmpp.outbound import ask_archive
from adapters.xmpp.queries import Queries
from bridge.model.message import Message
from tests.unit.xmpp.muc import BOT, ROOM

STAMP = "<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:01:00Z'/>"
SAID = "<body>tea?</body>"


def result(inner: str, *, line: str = "s1", query: str = "q1") -> Element:
    """A message with a line of the archive."""
    return fromstring(
        f"<message from='{ROOM}'><result xmlns='{ARCHIVE}' queryid='{query}' id='{line}'>"
        f"<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded></result></message>"
    )


def message(body: str = SAID, *, sender: str = f"{ROOM}/Ana", kind: str = "groupchat") -> str:
    return f"<message xmlns='jabber:client' from='{sender}' type='{kind}' id='m1'>{body}</message>"


def test_a_line_has_the_archives_id_and_time() -> None:
    item = "<x xmlns='http://jabber.org/protocol/muc#user'><item jid='ana@example.org/phone'/></x>"
    forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='forged'/>"
    line = read_result(result(STAMP + message(SAID + item + forged))[0], ROOM)
    assert line is not None
    assert (line.nick, line.message_id, line.stanza_id, line.stamp) == ("Ana", "m1", "s1", 60.0)
    assert line.real_jid == "ana@example.org"
    assert isinstance(line.content, Message)
    assert line.content.body.text == "tea?"


@pytest.mark.parametrize(
    "inner",
    [
        message(),
        STAMP,
        STAMP + message(sender="elsewhere@conference.example.org/Ana"),
        STAMP + message(kind="chat"),
        STAMP + "<presence xmlns='jabber:client'/>",
    ],
)
def test_what_is_no_line_of_the_room_is_none(inner: str) -> None:
    assert read_result(result(inner)[0], ROOM) is None


async def test_a_page_is_what_came_before_its_answer_and_no_more_than_was_asked_for() -> None:
    pages = Pages(ROOM)
    queries: list[Queries] = []

    def write(stanza: str) -> None:
        token = fromstring(stanza).get("id", "")
        for number in range(PAGE + 5):
            assert pages.add(result(STAMP + message(f"<body>{number}</body>"), line=f"s{number}", query=token))
        assert not pages.add(result(STAMP + message(), query="another")), "nobody asked for it"
        rsm = "<set xmlns='http://jabber.org/protocol/rsm'><last>s9</last></set>"
        fin = f"<fin xmlns='{ARCHIVE}'>{rsm}</fin>"
        queries[0].answered(fromstring(f"<iq from='{ROOM}' type='result' id='{token}'>{fin}</iq>"))

    queries.append(Queries(write))
    page = await pages.ask(queries[0], BOT, after="s0", start=None)
    assert [line.stanza_id for line in page.lines] == [f"s{number}" for number in range(PAGE)]
    assert (page.last, page.complete) == ("s9", False)
    assert (await pages.ask(queries[0], BOT, after="s9", start=None)).complete, "it does not go on: no endless loop"
    assert not pages.add(result(STAMP + message(), query="q1"))


def test_what_is_asked_for_holds_no_foreign_xml() -> None:
    asked = fromstring(ask_archive(BOT, ROOM, "t", after="<&'\">", start=60.0, most=10))
    texts = [each.text for each in asked.iter() if each.text]
    assert texts == ["urn:xmpp:mam:2", "1970-01-01T00:01:00Z", "10", "<&'\">"]


EVERYTHING = frozenset({ARCHIVE})
LIVE = Line("Ana", message_id="0123456789abcdef-1")
KEPT = Line("Ana", message_id="0123456789abcdef-1", stanza_id="s1", stamp=90.0)


@pytest.fixture
def naming() -> Callable[[str | None, frozenset[str]], Naming]:
    def make(position: str | None, found: frozenset[str]) -> Naming:
        made = Naming(position, lambda line: None)
        made.features(found)
        return made

    return make


def test_a_line_taken_in_before_the_room_gave_ids_is_known_again_in_its_archive(
    naming: Callable[[str | None, frozenset[str]], Naming],
) -> None:
    before = naming(None, frozenset())
    known, _ = before.name(LIVE, 100.0)
    after = naming(before.position, EVERYTHING)
    assert after.name(KEPT, 90.0, known_until=100.0)[0] == known
    late = Line("Ana", message_id="0123456789abcdef-2", stanza_id="s2")
    assert after.name(late, 5000.0, known_until=100.0)[0] == "s2", "it cannot have been known before"
    # A line said while the archive was read comes live, too.
    assert after.name(KEPT, 200.0)[0] == known
    after.done(KEPT)
    after.history_ended()
    assert after.name(Line("Ana", message_id="0123456789abcdef-3", stanza_id="s3"), 90.0, known_until=100.0)[0] == "s3"


@pytest.mark.parametrize("position", [None, "s0"])
def test_where_the_room_gave_ids_all_along_they_are_what_counts(
    naming: Callable[[str | None, frozenset[str]], Naming], position: str | None
) -> None:
    assert naming(position, EVERYTHING).name(KEPT, 90.0, known_until=100.0) == ("s1", False)
