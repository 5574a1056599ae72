"""Private messages between people on real servers, in all six directions, with no room configured at all."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.demo.clients import MatrixClient, Seen, Sight
from bridge.demo.servers import NgIRCd, Prosody, Synapse
from tests.networks.conftest import appservice
from tests.networks.world import DOMAIN, Cast, Stage, cast

WORD = "dm"
KESTREL_ON_XMPP = f"kestrel{WORD}%libera@{DOMAIN}"
BO_ON_XMPP = f"bo{WORD}%localhost%home@{DOMAIN}"
ANA_ON_MATRIX = f"@_rialto_office_ana{WORD}=40localhost:localhost"
KESTREL_ON_MATRIX = f"@_rialto_libera_kestrel{WORD}:localhost"


@pytest_asyncio.fixture(scope="module")
async def people(prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path]) -> AsyncIterator[Cast]:
    """Three people who share no room, over one Rialto that runs for all tests of this module."""
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        stage = Stage(
            new_folder("rialto"), WORD, prosody, synapse, ngircd, rooms=(), rules={"deny": ["office:troll@localhost"]}
        )
        async with cast(stage) as three, stage.rialto():
            yield three


async def private_room(client: MatrixClient, with_whom: str) -> str:
    """A new conversation, begun by the client as other clients do; returns when the other is in it."""
    room = await client.create_room(is_direct=True, invite=[with_whom])
    await client.wait_for(lambda seen: seen.kind is Sight.JOIN and seen.place == room and seen.sender == with_whom)
    return room


async def invitation(client: MatrixClient, from_whom: str) -> str:
    """The room of a conversation that `from_whom` began; the client comes in."""
    seen = await client.wait_for(lambda seen: seen.kind is Sight.INVITE and seen.sender == from_whom)
    return await client.join(seen.place)


def is_private(text: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.kind is Sight.TEXT and seen.text == text and not seen.own


@pytest.mark.conforms("RFC2779:2.4.3", "RFC2779:4.1.3", "RFC2779:5.4.4", "RFC2779:2.3.6")
async def test_xmpp_to_irc_and_back(people: Cast, unique: str) -> None:
    people.xmpp.tell(KESTREL_ON_XMPP, f"psst {unique}")
    seen = await people.irc.wait_for(is_private(f"psst {unique}"))
    assert (seen.who, seen.place) == (f"ana{WORD}", "")
    people.irc.say(seen.who, f"yes? {unique}")
    answer = await people.xmpp.wait_for(is_private(f"yes? {unique}"))
    assert answer.sender.startswith(KESTREL_ON_XMPP)


@pytest.mark.conforms("RFC2779:2.2.1", "RFC2779:4.1.3", "RFC2779:5.4.4")
async def test_xmpp_to_matrix_and_back(people: Cast, unique: str) -> None:
    people.xmpp.tell(BO_ON_XMPP, f"psst {unique}")
    room = await invitation(people.matrix, ANA_ON_MATRIX)
    seen = await people.matrix.wait_for(is_private(f"psst {unique}"))
    assert (seen.sender, seen.place) == (ANA_ON_MATRIX, room)
    await people.matrix.say(room, f"yes? {unique}")
    answer = await people.xmpp.wait_for(is_private(f"yes? {unique}"))
    assert answer.sender.startswith(BO_ON_XMPP)
    people.xmpp.tell(BO_ON_XMPP, f"again {unique}")
    assert (await people.matrix.wait_for(is_private(f"again {unique}"))).place == room


@pytest.mark.conforms("RFC2779:5.4.4")
async def test_matrix_to_irc_and_back(people: Cast, unique: str) -> None:
    room = await private_room(people.matrix, KESTREL_ON_MATRIX)
    await people.matrix.say(room, f"psst {unique}")
    seen = await people.irc.wait_for(is_private(f"psst {unique}"))
    assert (seen.who, seen.place) == (f"bo{WORD}", "")
    people.irc.say(seen.who, f"yes? {unique}")
    answer = await people.matrix.wait_for(is_private(f"yes? {unique}"))
    assert (answer.sender, answer.place) == (KESTREL_ON_MATRIX, room)


@pytest.mark.conforms("RFC2779:5.4.4")
async def test_matrix_to_xmpp_and_back(people: Cast, unique: str) -> None:
    room = await private_room(people.matrix, ANA_ON_MATRIX)
    await people.matrix.say(room, f"psst {unique}")
    seen = await people.xmpp.wait_for(is_private(f"psst {unique}"))
    assert seen.sender.startswith(BO_ON_XMPP)
    people.xmpp.tell(BO_ON_XMPP, f"yes? {unique}")
    answer = await people.matrix.wait_for(is_private(f"yes? {unique}"))
    assert answer.sender == ANA_ON_MATRIX


@pytest.mark.conforms("RFC2779:5.4.4")
async def test_irc_to_xmpp_through_the_bot(people: Cast, unique: str) -> None:
    people.irc.say("rialto", f"ana{WORD}@localhost psst {unique}")
    seen = await people.xmpp.wait_for(is_private(f"psst {unique}"))
    assert seen.sender.startswith(KESTREL_ON_XMPP)
    await people.irc.wait_for(lambda seen: seen.kind is Sight.NOTICE and seen.who == "rialto")


@pytest.mark.conforms("RFC2779:5.4.4")
async def test_irc_to_matrix_through_the_bot(people: Cast, unique: str) -> None:
    people.irc.say("rialto", f"@bo{WORD}:localhost psst {unique}")
    if not any(seen.kind is Sight.TEXT and seen.sender == KESTREL_ON_MATRIX for seen in people.matrix.seen):
        await invitation(people.matrix, KESTREL_ON_MATRIX)
    seen = await people.matrix.wait_for(is_private(f"psst {unique}"))
    assert seen.sender == KESTREL_ON_MATRIX


@pytest.mark.conforms("RFC2779:5.4.8")
async def test_emotes_and_long_texts_cross_in_private_too(people: Cast, unique: str) -> None:
    words = " ".join([unique, *(f"word{number}" for number in range(150))])
    people.xmpp.tell(KESTREL_ON_XMPP, words)
    await people.irc.wait_for(lambda seen: seen.text.endswith("word149"))
    said = [seen.text for seen in people.irc.matching(lambda seen: seen.who == f"ana{WORD}" and not seen.place)]
    assert words in " ".join(said)
    people.xmpp.tell(KESTREL_ON_XMPP, f"/me waves {unique}")
    assert (await people.irc.wait_for(text=f"waves {unique}", kind=Sight.EMOTE)).place == ""


@pytest.mark.conforms("RFC2779:5.4.1", "RFC3860:3.4.1:2")
async def test_nobody_by_that_nick_is_an_error_stanza(people: Cast, unique: str) -> None:
    sent = people.xmpp.tell(f"nobody{unique}%libera@{DOMAIN}", "hello?")
    error = await people.xmpp.wait_for(lambda seen: seen.kind is Sight.ERROR and seen.id == sent)
    assert error.sender.startswith(f"nobody{unique}%libera@")


@pytest.mark.conforms("RFC2779:5.4.1")
async def test_nobody_of_that_name_on_matrix_is_an_error_stanza(people: Cast, unique: str) -> None:
    sent = people.xmpp.tell(f"nobody{unique}%localhost%home@{DOMAIN}", "hello?")
    await people.xmpp.wait_for(lambda seen: seen.kind is Sight.ERROR and seen.id == sent)


@pytest.mark.conforms("RFC2779:5.4.1")
async def test_nobody_on_irc_is_a_notice_in_the_matrix_room(people: Cast, unique: str) -> None:
    room = await private_room(people.matrix, f"@_rialto_libera_nobody{unique}:localhost")
    await people.matrix.say(room, "hello?")
    notice = await people.matrix.wait_for(lambda seen: seen.kind is Sight.NOTICE and seen.place == room)
    assert "not delivered" in notice.text.lower()


async def test_nobody_on_xmpp_is_a_notice_in_the_matrix_room(people: Cast, unique: str) -> None:
    room = await private_room(people.matrix, f"@_rialto_office_nobody{unique}=40localhost:localhost")
    await people.matrix.say(room, "hello?")
    notice = await people.matrix.wait_for(lambda seen: seen.kind is Sight.NOTICE and seen.place == room)
    assert "not delivered" in notice.text.lower()


@pytest.mark.conforms("RFC2779:5.4.1")
async def test_nobody_elsewhere_is_a_notice_on_irc(people: Cast, unique: str) -> None:
    for address in (f"nobody{unique}@localhost", f"@nobody{unique}:localhost"):
        people.irc.say("rialto", f"{address} hello?")
        await people.irc.wait_for(
            lambda seen, address=address: (  # type: ignore[misc]  # bound now
                seen.kind is Sight.NOTICE and address in seen.text and "not delivered" in seen.text.lower()
            )
        )


async def test_words_to_the_bot_alone_are_answered_with_how_to_write(people: Cast) -> None:
    people.irc.say("rialto", "hello")
    await people.irc.wait_for(lambda seen: seen.kind is Sight.NOTICE and "@ana:example.org" in seen.text)


async def test_who_is_denied_is_told_so(people: Cast) -> None:
    people.irc.say("rialto", "troll@localhost hello")
    await people.irc.wait_for(lambda seen: seen.kind is Sight.NOTICE and "nobody can be written to there" in seen.text)
