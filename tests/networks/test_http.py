"""Programs that see and write for people over HTTP, on real servers: a token by a word to the bot, presence of and
messages to somebody on each network."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from bridge.demo.clients import Seen, Sight
from bridge.demo.servers import InspIRCd, Prosody, Synapse
from bridge.model import pidf, watcherinfo
from bridge.model.address import Address
from bridge.model.presence import Absence, Basic, absence, best, words
from bridge.views import closed
from tests.networks.conftest import appservice
from tests.networks.world import DOMAIN, Cast, Stage, cast
from tests.web.asking import written

WORD = "web"
ANA = Address("office", f"ana{WORD}@localhost")
BO = Address("home", f"@bo{WORD}:localhost")
KESTREL = Address("libera", f"kestrel{WORD}")
PEOPLE = {"xmpp": ANA, "matrix": BO, "irc": KESTREL}
BOT_ON_XMPP, BOT_ON_MATRIX = f"rialto@{DOMAIN}", "@rialto:localhost"
KESTREL_ON_XMPP = f"kestrel{WORD}%libera@{DOMAIN}"
BO_ON_XMPP = f"bo{WORD}%localhost%home@{DOMAIN}"
ANA_ON_MATRIX = f"@_rialto_office_ana{WORD}=40localhost:localhost"
KESTREL_ON_MATRIX = f"@_rialto_libera_kestrel{WORD}:localhost"
TOKEN = re.compile(r"rialto_[A-Za-z0-9_-]{32}")
WITHIN = 60.0


class Programs:
    """One program for each person, with a token that the bot gave them."""

    def __init__(self, people: Cast) -> None:
        self.people = people
        self.bot_room = ""
        self.tokens: dict[Address, str] = {}
        self.answers: dict[str, str] = {}

    async def say(self, who: str, text: str, answer: str) -> str:
        """A word to the bot in private, and what it answers."""

        def answered(seen: Seen) -> bool:
            return answer in seen.text and not seen.own

        people = self.people
        if who == "xmpp":
            position = len(people.xmpp.seen)
            people.xmpp.tell(BOT_ON_XMPP, text)
            return (await people.xmpp.wait_for(answered, since=position)).text
        if who == "irc":
            position = len(people.irc.seen)
            people.irc.say("rialto", text)
            return (await people.irc.wait_for(answered, since=position)).text
        matrix = people.matrix
        if not self.bot_room:
            self.bot_room = room = await matrix.create_room(is_direct=True, invite=[BOT_ON_MATRIX])
            await matrix.wait_for(
                lambda seen: seen.kind is Sight.JOIN and seen.place == room and seen.sender == BOT_ON_MATRIX
            )
        position = len(matrix.seen)
        await matrix.say(self.bot_room, text)
        return (await matrix.wait_for(answered, since=position)).text

    async def begin(self) -> None:
        for who, address in PEOPLE.items():
            self.answers[who] = answer = await self.say(who, "token", "rialto_")
            (self.tokens[address],) = TOKEN.findall(answer)

    async def ask(
        self, method: str, path: str, by: Address | None, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        sent = dict(headers or {})
        if by is not None:
            sent["Authorization"] = f"Bearer {self.tokens[by]}"
        url = URL(f"http://127.0.0.1:{self.people.stage.http_port}{path}", encoded=True)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, headers=sent, data=body or None) as answer,
        ):
            return answer.status, answer.headers, await answer.read()

    async def see(self, target: Address, by: Address | None, tag: str = "") -> tuple[int, str, bytes]:
        """Status, tag and document of somebody's presence."""
        known = {"If-None-Match": tag} if tag else {}
        status, headers, body = await self.ask("GET", f"/presence/{target.uri('pres')}", by, known)
        return status, headers.get("ETag", ""), body

    async def until(self, target: Address, by: Address, is_it: Callable[[pidf.Document], bool]) -> str:
        """Ask until the document is so, as a program would; its tag."""
        seen = b""
        for _ in range(int(WITHIN / 0.1)):
            status, tag, seen = await self.see(target, by)
            if status == 200 and is_it(pidf.loads(seen)):
                return tag
            await asyncio.sleep(0.1)  # a program polls: nothing tells it when something has changed
        raise AssertionError(seen.decode())

    async def write(self, by: Address, to: Address, text: str) -> tuple[int, dict[str, Any]]:
        """Status and result of a message."""
        kind = {"Content-Type": "message/cpim"}
        body = written(text, by, to.uri("im"))
        status, _, answer = await self.ask("POST", f"/im/{to.uri('im')}", by, kind, body)
        return status, json.loads(answer)


@pytest_asyncio.fixture(scope="module")
async def programs(prosody: Prosody, inspircd: InspIRCd, new_folder: Callable[[str], Path]) -> AsyncIterator[Programs]:
    """Three people in a room, over one Rialto that runs for all tests of this module."""
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        stage = Stage(new_folder("rialto"), WORD, prosody, synapse, inspircd)
        async with cast(stage) as three, stage.rialto():
            made = Programs(three)
            await made.begin()
            yield made


def reads(text: str, who: str = "") -> Callable[[Seen], bool]:
    return lambda seen: seen.text == text and not seen.own and seen.sender.startswith(who)


def is_away(document: pidf.Document, target: Address, text: str) -> bool:
    presence = document.presence(target)
    device = best(presence)
    return device is not None and absence(device) is Absence.AWAY and words(presence, device) == text


def is_here(document: pidf.Document, target: Address) -> bool:
    device = best(document.presence(target))
    return device is not None and device.basic is Basic.OPEN and absence(device) is Absence.NONE


async def test_the_bot_gives_a_token_on_every_network_and_says_where_it_went_in_clear(programs: Programs) -> None:
    assert len(set(programs.tokens.values())) == 3
    assert {who: "in clear" in answer for who, answer in programs.answers.items()} == {
        "xmpp": False,
        "matrix": False,
        "irc": True,
    }


@pytest.mark.conforms("RFC2779:3.1.1", "RFC2779:3.3.1", "RFC2779:3.3.2")
async def test_somebody_on_irc_has_a_document_that_follows_them(programs: Programs) -> None:
    irc = programs.people.irc
    here = await programs.until(KESTREL, BO, lambda document: is_here(document, KESTREL))
    assert (await programs.see(KESTREL, BO, here))[0] == 304
    irc.raw("AWAY :making tea")
    away = await programs.until(KESTREL, BO, lambda document: is_away(document, KESTREL, "making tea"))
    assert away != here
    assert (await programs.see(KESTREL, ANA, away))[0] == 304, "who may see the same sees the same"
    irc.raw("AWAY")
    await programs.until(KESTREL, ANA, lambda document: is_here(document, KESTREL))


async def test_somebody_on_matrix_has_one(programs: Programs) -> None:
    await programs.people.matrix.show("unavailable", "reading")
    await programs.until(BO, KESTREL, lambda document: is_away(document, BO, "reading"))
    await programs.people.matrix.show("online")
    await programs.until(BO, ANA, lambda document: is_here(document, BO))


async def test_somebody_on_xmpp_has_one_once_they_let_the_bridge_see_them(programs: Programs) -> None:
    xmpp = programs.people.xmpp
    xmpp.subscribe(KESTREL_ON_XMPP)
    await xmpp.wait_for_presence("subscribe", KESTREL_ON_XMPP)
    xmpp.approve(KESTREL_ON_XMPP)
    xmpp.present(show="away", status="at lunch")
    await programs.until(ANA, KESTREL, lambda document: is_away(document, ANA, "at lunch"))
    xmpp.present()
    await programs.until(ANA, BO, lambda document: is_here(document, ANA))


@pytest.mark.conforms("RFC2779:2.3.1", "RFC2779:2.3.3", "RFC2779:3.3.3", "RFC2779:5.1.3", "RFC2779:5.1.15")
async def test_a_word_to_the_bot_changes_the_answer(programs: Programs) -> None:
    tag = await programs.until(KESTREL, ANA, lambda document: is_here(document, KESTREL))
    await programs.say("irc", f"polite-block {ANA.native}", "Noted")
    status, _, body = await programs.see(KESTREL, ANA, tag)
    assert (status, pidf.loads(body).presence(KESTREL)) == (200, closed(KESTREL))
    assert (await programs.see(KESTREL, BO, tag))[0] == 304
    await programs.say("irc", f"block {ANA.native}", "Noted")
    assert (await programs.see(KESTREL, ANA, tag))[0] == 403
    assert (await programs.see(KESTREL, None))[0] == 401
    await programs.say("irc", "allow anonymous", "Noted")
    assert (await programs.see(KESTREL, None, tag))[0] == 304
    await programs.say("irc", "forget anonymous", "Forgotten")
    await programs.say("irc", f"forget {ANA.native}", "Forgotten")
    assert (await programs.see(KESTREL, ANA, tag))[0] == 304
    _, _, told = await programs.ask("GET", f"/presence/{KESTREL.uri('pres')}/watchers", KESTREL)
    watchers = {row.uri for row in watcherinfo.loads(told).lists[0].watchers}
    assert {ANA.uri("pres"), BO.uri("pres"), "pres:anonymous@anonymous.invalid"} <= watchers


@pytest.mark.conforms("RFC3860:3.1:message", "RFC2779:4.2.1", "RFC2779:4.1.3", "RFC2779:5.4.4")
async def test_a_message_to_somebody_on_irc_and_their_answer(programs: Programs, unique: str) -> None:
    status, result = await programs.write(ANA, KESTREL, f"one {unique}")
    assert (status, result["result"]) == (200, "success")
    seen = await programs.people.irc.wait_for(reads(f"one {unique}"))
    programs.people.irc.say(seen.who, f"yes? {unique}")
    await programs.people.xmpp.wait_for(reads(f"yes? {unique}", KESTREL_ON_XMPP))
    assert (await programs.write(BO, KESTREL, f"two {unique}"))[0] == 200
    await programs.people.irc.wait_for(reads(f"two {unique}"))


@pytest.mark.conforms("RFC3860:3.1:message", "RFC3860:3.4.1:4:success")
async def test_a_message_to_somebody_on_xmpp(programs: Programs, unique: str) -> None:
    for by, puppet in ((KESTREL, KESTREL_ON_XMPP), (BO, BO_ON_XMPP)):
        status, result = await programs.write(by, ANA, f"{by.network} {unique}")
        await programs.people.xmpp.wait_for(reads(f"{by.network} {unique}", puppet))
        assert (status, result["result"]) in ((200, "success"), (202, "indeterminant"))


@pytest.mark.conforms("RFC3860:3.1:message", "RFC2779:4.2.1")
async def test_a_message_to_somebody_on_matrix(programs: Programs, unique: str) -> None:
    matrix = programs.people.matrix
    for by, puppet in ((KESTREL, KESTREL_ON_MATRIX), (ANA, ANA_ON_MATRIX)):
        status, result = await programs.write(by, BO, f"{by.network} {unique}")
        assert (status, result["result"]) == (200, "success")
        invitation = await matrix.wait_for(kind=Sight.INVITE, sender=puppet)
        await matrix.join(invitation.place)
        await matrix.wait_for(reads(f"{by.network} {unique}", puppet))


@pytest.mark.conforms("RFC3860:3.4.1:2", "RFC2779:4.2.1", "RFC2779:5.4.1")
async def test_a_message_to_nobody_fails_and_the_program_is_told(programs: Programs, unique: str) -> None:
    before = [len(client.seen) for client in programs.people.all]
    for by, to in (
        (ANA, Address("libera", f"no{unique}")),
        (KESTREL, Address("home", f"@no{unique}:localhost")),
        (BO, Address("office", f"no{unique}@localhost")),
    ):
        status, result = await programs.write(by, to, "is anybody there?")
        assert (status, result["result"]) == (404, "failure"), (to, result)
        assert result["error"]
    # Who asked was told; in this order on one connection, nobody else can still be.
    for who in PEOPLE:
        await programs.say(who, "rules", "decided")
    for client, position in zip(programs.people.all, before, strict=True):
        assert not [seen for seen in client.seen[position:] if "not delivered" in seen.text.lower()]


async def test_what_was_taken_back_opens_nothing(programs: Programs) -> None:
    await programs.say("xmpp", "token revoke", "Taken back: 1.")
    assert (await programs.see(KESTREL, ANA))[0] == 401
    (programs.tokens[ANA],) = TOKEN.findall(await programs.say("xmpp", "token", "rialto_"))
    assert (await programs.see(KESTREL, ANA))[0] == 200
