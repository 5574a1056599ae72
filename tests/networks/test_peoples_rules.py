"""Rules that people set by a word to the bot, on real servers: in force at once, after a restart, and while their owner
is away."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.demo.clients import MatrixClient, Seen, Sight
from bridge.demo.servers import NgIRCd, Prosody, Synapse
from tests.networks.conftest import appservice
from tests.networks.world import DOMAIN, Cast, Stage, cast

WORD = "rl"
ANA, BO, KESTREL = f"ana{WORD}@localhost", f"@bo{WORD}:localhost", f"libera:kestrel{WORD}"
KESTREL_ON_XMPP = f"kestrel{WORD}%libera@{DOMAIN}"
ANA_ON_MATRIX = f"@_rialto_office_ana{WORD}=40localhost:localhost"
KESTREL_ON_MATRIX = f"@_rialto_libera_kestrel{WORD}:localhost"
BOT_ON_XMPP, BOT_ON_MATRIX = f"rialto@{DOMAIN}", "@rialto:localhost"
REFUSED = "they do not take messages from you"


@pytest_asyncio.fixture(scope="module")
async def people(prosody: Prosody, ngircd: NgIRCd, new_folder: Callable[[str], Path]) -> AsyncIterator[Cast]:
    """Three people who share no room. Each test runs Rialto itself."""
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        stage = Stage(new_folder("rialto"), WORD, prosody, synapse, ngircd, rooms=())
        async with cast(stage) as three:
            yield three


async def room_with(client: MatrixClient, with_whom: str) -> str:
    room = await client.create_room(is_direct=True, invite=[with_whom])
    await client.wait_for(lambda seen: seen.kind is Sight.JOIN and seen.place == room and seen.sender == with_whom)
    return room


def reads(text: str) -> Callable[[Seen], bool]:
    return lambda seen: text in seen.text and not seen.own


@pytest.mark.conforms("RFC2779:2.3.5", "RFC2779:2.3.7", "RFC2779:5.4.1", "RFC2779:5.4.10")
async def test_somebody_on_irc_rejects_somebody_on_xmpp(people: Cast, unique: str) -> None:
    xmpp, irc = people.xmpp, people.irc
    async with people.stage.rialto():
        xmpp.tell(KESTREL_ON_XMPP, f"one {unique}")
        await irc.wait_for(reads(f"one {unique}"))
        irc.say("rialto", f"reject {ANA}")
        noted = await irc.wait_for(reads(f"Noted: {ANA} may not write to you in private"))
        assert (noted.kind, noted.who) == (Sight.NOTICE, "rialto")
        sent = xmpp.tell(KESTREL_ON_XMPP, f"two {unique}")
        error = await xmpp.wait_for(kind=Sight.ERROR)
        assert (error.id, error.text) == (sent, f"forbidden Not delivered: {REFUSED}.")
        # The other way stays open, and so does the answer to it from anybody else.
        irc.say("rialto", f"{ANA} three {unique}")
        await xmpp.wait_for(reads(f"three {unique}"))
    await irc.quit()
    async with people.stage.rialto():
        sent = xmpp.tell(KESTREL_ON_XMPP, f"four {unique}")
        error = await xmpp.wait_for(lambda seen: seen.kind is Sight.ERROR and seen.id == sent)
        # Of somebody who is away nothing else is to be said than of somebody who is there.
        assert error.text == f"forbidden Not delivered: {REFUSED}."
        await irc.connect()
        irc.say("rialto", "rules")
        listed = await irc.wait_for(reads("You decided:"))
        assert listed.text == f"You decided: reject {ANA}"
        irc.say("rialto", f"forget {ANA}")
        await irc.wait_for(reads(f'Forgotten: "reject {ANA}". {ANA} may write to you in private.'))
        xmpp.tell(KESTREL_ON_XMPP, f"five {unique}")
        await irc.wait_for(reads(f"five {unique}"))
    assert not irc.matching(reads(f"two {unique}"))
    assert not irc.matching(reads(f"four {unique}"))


@pytest.mark.conforms("RFC2779:2.3.5", "RFC2779:2.3.7", "RFC2779:5.4.1", "RFC2779:5.4.10")
async def test_somebody_on_matrix_rejects_somebody_on_irc(people: Cast, unique: str) -> None:
    matrix, irc = people.matrix, people.irc
    async with people.stage.rialto():
        irc.say("rialto", f"{BO} one {unique}")
        await matrix.join((await matrix.wait_for(kind=Sight.INVITE, sender=KESTREL_ON_MATRIX)).place)
        await matrix.wait_for(reads(f"one {unique}"))
        bot = await room_with(matrix, BOT_ON_MATRIX)
        await matrix.say(bot, f"reject {KESTREL}")
        noted = await matrix.wait_for(reads(f"Noted: {KESTREL} may not write to you in private"))
        assert (noted.kind, noted.place, noted.sender) == (Sight.NOTICE, bot, BOT_ON_MATRIX)
        irc.say("rialto", f"{BO} two {unique}")
        await irc.wait_for(lambda seen: seen.kind is Sight.NOTICE and REFUSED in seen.text)
    async with people.stage.rialto():
        position = len(irc.seen)
        irc.say("rialto", f"{BO} three {unique}")
        await irc.wait_for(lambda seen: seen.kind is Sight.NOTICE and REFUSED in seen.text, since=position)
        await matrix.say(bot, f"accept {KESTREL}")
        await matrix.wait_for(reads(f"Noted: {KESTREL} may write to you in private."))
        irc.say("rialto", f"{BO} four {unique}")
        await matrix.wait_for(reads(f"four {unique}"))
    assert not matrix.matching(reads(f"two {unique}"))
    assert not matrix.matching(reads(f"three {unique}"))


@pytest.mark.conforms("RFC2779:2.3.5", "RFC2779:2.3.7", "RFC2779:5.4.1", "RFC2779:5.4.10")
async def test_somebody_on_xmpp_rejects_all_of_a_homeserver(people: Cast, unique: str) -> None:
    xmpp, matrix = people.xmpp, people.matrix
    async with people.stage.rialto():
        room = await room_with(matrix, ANA_ON_MATRIX)
        await matrix.say(room, f"one {unique}")
        await xmpp.wait_for(reads(f"one {unique}"))
        xmpp.tell(BOT_ON_XMPP, "reject @*:localhost")
        noted = await xmpp.wait_for(reads("Noted: @*:localhost may not write to you in private"))
        assert noted.sender.startswith(BOT_ON_XMPP)
        await matrix.say(room, f"two {unique}")
        refusal = await matrix.wait_for(reads(REFUSED))
        assert (refusal.kind, refusal.place) == (Sight.NOTICE, room)
    xmpp.present("unavailable")
    async with people.stage.rialto():
        position = len(matrix.seen)
        await matrix.say(room, f"three {unique}")
        await matrix.wait_for(reads(REFUSED), since=position)
        xmpp.present()
        xmpp.tell(BOT_ON_XMPP, "forget @*:localhost")
        await xmpp.wait_for(reads('Forgotten: "reject @*:localhost".'))
        await matrix.say(room, f"four {unique}")
        await xmpp.wait_for(reads(f"four {unique}"))
    assert not xmpp.matching(reads(f"two {unique}"))
    assert not xmpp.matching(reads(f"three {unique}"))


async def test_help_in_a_few_lines_on_irc_and_whole_elsewhere(people: Cast) -> None:
    async with people.stage.rialto():
        position = len(people.irc.seen)
        people.irc.say("rialto", "help")
        await people.irc.wait_for(reads("WHO is a person"), since=position)
        notices = [seen for seen in people.irc.seen[position:] if seen.kind is Sight.NOTICE]
        assert len(notices) <= 5
        people.xmpp.tell(BOT_ON_XMPP, "help")
        told = await people.xmpp.wait_for(reads("You can say to me:"))
        assert "\n- forget WHO: " in told.text
