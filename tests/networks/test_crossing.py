"""People on a real Prosody, a real Synapse and real IRC servers in one room, through one Rialto."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.demo.clients import Client, Seen, Sight
from bridge.demo.servers import InspIRCd, NgIRCd, Prosody, Synapse
from tests.networks.conftest import appservice
from tests.networks.world import Cast, Stage, cast

ALL = ("xmpp", "matrix", "irc", "second")
PATHS = [(source, target) for source in ALL for target in ALL if source != target]


@pytest_asyncio.fixture(scope="module")
async def people(
    prosody: Prosody, ngircd: NgIRCd, inspircd: InspIRCd, new_folder: Callable[[str], Path]
) -> AsyncIterator[Cast]:
    """Four people in two rooms, over one Rialto that runs for all tests of this module."""
    async with Synapse(new_folder("synapse"), appservice=appservice(path="/home")) as synapse:
        stage = Stage(new_folder("rialto"), "crossing", prosody, synapse, ngircd, inspircd, rooms=("crossing", "other"))
        async with cast(stage) as four, stage.rialto():
            for client, names in (
                (four.xmpp, ("bocrossing", "kestrelcrossing", "ospreycrossing")),
                (four.irc, ("bocrossing", "Anacrossing", "ospreycrossing")),
            ):
                for name in names:
                    await client.wait_for(partial(came, name))
            yield four


def came(name: str, seen: Seen) -> bool:
    return seen.kind is Sight.JOIN and seen.who.lower() == name.lower()


def begins(text: str, seen: Seen) -> bool:
    return seen.text.startswith(text)


def client_of(people: Cast, network: str) -> Client:
    return dict(zip(ALL, people.all, strict=True))[network]


def name_of(network: str) -> str:
    return {
        "xmpp": "Anacrossing",
        "matrix": "bocrossing",
        "irc": "kestrelcrossing",
        "second": "ospreycrossing",
    }[network]


@pytest.mark.parametrize(("source", "target"), PATHS)
async def test_what_one_says_the_other_hears_from_a_puppet_of_that_name(
    people: Cast, unique: str, source: str, target: str
) -> None:
    text = f"from {source} to {target} {unique}"
    await people.say(source, text)
    seen = await client_of(people, target).wait_for(text=text)
    assert seen.kind is Sight.TEXT
    assert seen.who.lower().rstrip("_`").startswith(name_of(source).lower()), seen


@pytest.mark.conforms("RFC2779:5.4.2")
async def test_every_line_comes_once_and_not_back_to_its_own_network(people: Cast, unique: str) -> None:
    texts = {source: [f"{unique} {source} {number}" for number in range(5)] for source in ALL}
    for source, lines in texts.items():
        for line in lines:
            await people.say(source, line)
    for target in ALL:
        client = client_of(people, target)
        for source, lines in texts.items():
            if target in ("irc", "second") and source == target:
                continue  # who writes on IRC does not hear themselves
            for line in lines:
                await client.wait_for(text=line)
            heard = [seen.text for seen in client.matching(partial(begins, f"{unique} {source}"))]
            assert heard == lines, f"{target} heard {heard} from {source}"


async def test_two_rooms_do_not_mix(people: Cast, unique: str) -> None:
    await people.say("xmpp", f"in the other room {unique}", "other")
    seen = await people.irc.wait_for(text=f"in the other room {unique}")
    assert seen.place == "#other"
    seen = await people.matrix.wait_for(text=f"in the other room {unique}")
    assert seen.place == people.matrix_rooms["other"]


async def test_emotes_and_notices_keep_their_kind(people: Cast, unique: str) -> None:
    people.irc.emote("#crossing", f"waves {unique}")
    for client in (people.xmpp, people.matrix, people.second):
        assert client is not None
        assert (await client.wait_for(text=f"waves {unique}")).kind is Sight.EMOTE
    await people.matrix.notice(people.matrix_rooms["crossing"], f"beep {unique}")
    assert (await people.irc.wait_for(text=f"beep {unique}")).kind is Sight.NOTICE
    await people.xmpp.wait_for(text=f"beep {unique}")


async def test_the_topic_follows(people: Cast, unique: str) -> None:
    people.xmpp.set_topic(people.stage.muc(), f"tea {unique}")
    for client in (people.matrix, people.irc, people.second):
        assert client is not None
        await client.wait_for(kind=Sight.TOPIC, text=f"tea {unique}")


@pytest.mark.conforms("RFC2779:5.4.8")
async def test_a_reaction_and_an_edit_cross_as_a_readable_line(people: Cast, unique: str) -> None:
    room = people.matrix_rooms["crossing"]
    event = await people.matrix.say(room, f"teh line {unique}")
    await people.irc.wait_for(text=f"teh line {unique}")
    await people.matrix.edit(room, event, f"the line {unique}")
    await people.irc.wait_for(lambda seen: f"the line {unique}" in seen.text)
    await people.matrix.react(room, event, "👍")
    await people.irc.wait_for(lambda seen: "👍" in seen.text)


@pytest.mark.parametrize("text", ["hi\rNICK pwned", "hi\nQUIT :pwned", "\x01VERSION\x01", "\x01ACTION x"])
async def test_no_line_can_be_smuggled_to_irc_from_matrix(people: Cast, unique: str, text: str) -> None:
    room = people.matrix_rooms["crossing"]
    await people.matrix.say(room, f"{text} {unique}")
    await people.matrix.say(room, f"fence {unique}")
    fence = await people.irc.wait_for(text=f"fence {unique}")
    assert fence.who.startswith("bocrossing")
    assert not people.irc.matching(kind=Sight.RENAME, who=fence.who)
    assert not people.irc.matching(kind=Sight.LEAVE, who=fence.who)
    assert not any("\x01VERSION" in line for line in people.irc.lines)


async def test_no_line_can_be_smuggled_to_irc_from_xmpp(people: Cast, unique: str) -> None:
    people.xmpp.say(people.stage.muc(), f"hi\rNICK pwned {unique}")
    people.xmpp.say(people.stage.muc(), f"fence {unique}")
    fence = await people.irc.wait_for(text=f"fence {unique}")
    assert fence.who.startswith("Anacrossing")
    assert not people.irc.matching(kind=Sight.RENAME, who=fence.who)


@pytest.mark.parametrize(
    "noise", [b"\x02bold\x02", b"\x0304red\x03", "￾".encode(), b"\xff\xfe", b"a\x00b", b"\x1b[31m"]
)
async def test_what_xml_forbids_does_not_end_the_component(people: Cast, unique: str, noise: bytes) -> None:
    people.irc.raw(b"PRIVMSG #crossing :" + noise.replace(b"\x00", b"") + f" noise {unique}".encode())
    await people.xmpp.wait_for(lambda seen: seen.text.endswith(f" noise {unique}"))
    await people.say("xmpp", f"still here {unique}")
    await people.irc.wait_for(text=f"still here {unique}")


@pytest.mark.conforms("RFC2779:5.4.1", "RFC2779:5.4.8")
async def test_a_line_of_20_kb_is_refused_to_irc_and_said_so_and_reaches_the_others(people: Cast, unique: str) -> None:
    text = unique + " " + "long " * 4000
    await people.matrix.say(people.matrix_rooms["crossing"], text)
    seen = await people.xmpp.wait_for(lambda seen: seen.text.startswith(unique + " long"))
    assert seen.text.strip() == text.strip()
    await people.matrix.wait_for(lambda seen: "Not delivered to #crossing on libera" in seen.text)
    assert not people.irc.matching(lambda seen: seen.text.startswith(unique))


async def test_leaving_and_coming_show_as_puppets_going_and_coming(people: Cast) -> None:
    mark = len(people.xmpp.seen)
    await people.irc.part("#other", "tea time")
    await people.xmpp.wait_for(
        lambda seen: seen.who == "kestrelcrossing" and "other@" in seen.place, kind=Sight.LEAVE, since=mark
    )
    mark = len(people.xmpp.seen)
    await people.irc.join("#other")
    await people.xmpp.wait_for(
        lambda seen: seen.who == "kestrelcrossing" and "other@" in seen.place, kind=Sight.JOIN, since=mark
    )


async def test_bye_and_leave_at_once_the_line_arrives_by_that_puppet(people: Cast, unique: str) -> None:
    room = people.matrix_rooms["other"]
    await people.matrix.wait_for(lambda _: "@_rialto_libera_kestrelcrossing:localhost" in people.matrix.members[room])
    mark = len(people.matrix.seen)
    people.irc.say("#other", f"bye {unique}")
    await people.irc.part("#other")
    seen = await people.matrix.wait_for(text=f"bye {unique}", since=mark)
    assert seen.who == "kestrelcrossing"
    said = people.matrix.seen.index(seen)
    coming_and_going = [
        before.kind
        for before in people.matrix.seen[:said]
        if before.place == room and before.who == seen.who and before.kind in (Sight.JOIN, Sight.LEAVE)
    ]
    assert coming_and_going[-1] is Sight.JOIN, people.matrix.report()
    await people.matrix.wait_for(kind=Sight.LEAVE, who="kestrelcrossing", place=room, since=said)
    await people.irc.join("#other")


async def test_a_nick_change_shows_as_another_puppet(people: Cast, unique: str) -> None:
    mark = len(people.xmpp.seen)
    await people.irc.rename(f"falcon{unique}")
    await people.xmpp.wait_for(kind=Sight.JOIN, who=f"falcon{unique}", since=mark)
    people.irc.say("#crossing", f"new name {unique}")
    assert (await people.xmpp.wait_for(text=f"new name {unique}")).who == f"falcon{unique}"
    await people.irc.rename("kestrelcrossing")
    await people.xmpp.wait_for(kind=Sight.JOIN, who="kestrelcrossing", since=mark)
