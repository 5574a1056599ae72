"""When things go wrong: kicks under load, broken text, servers that stop, refuse, or have another of us."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest
from slixmpp import JID

from bridge.contract import SendError
from bridge.demo.clients import Sight
from bridge.demo.servers import Prosody, free_ports
from bridge.model.event import Left, Roster
from bridge.model.result import Failure, Reason
from bridge.model.weight import ENTRY
from tests.networks.world import settled
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, in_rooms, part, person, running, say

NON_ANONYMOUS = {"muc#roomconfig_whois": "anyone"}
NewProsody = Callable[..., Awaitable[Prosody]]


async def test_the_bot_is_kicked_while_everybody_talks(
    prosody: Prosody, room: str, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that people say is lost or comes twice, and every line of the puppets is confirmed once."""
    # So long that the bot is not back before the puppet that observes meanwhile has left, either.
    monkeypatch.setattr("adapters.xmpp.attendance.PAUSES", (10.0, 600.0))
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    place = core.places[0]
    puppets = [person("Kestrel"), person("Merlin")]
    count = 300
    async with running(prosody, "bridge2.localhost", core) as adapter:
        for who in puppets:
            await adapter.join(place, who)
        await ana.wait_for(kind=Sight.JOIN, who="rialto")
        kicked = len(ana.seen)
        confirmations = []

        async def people() -> None:
            for number in range(count):
                ana.say(room, f"person {number}")
                if number % 10 == 0:
                    await asyncio.sleep(0.01)

        async def ours() -> None:
            for number in range(count):
                confirmations.append(adapter.send(part(place, puppets[number % 2], f"puppet {number}")).confirmation)
                if number % 10 == 0:
                    await asyncio.sleep(0.01)

        async def kicks() -> None:
            await core.heard("person 50")
            await ana.kick(room, "rialto", "begone")
            await core.heard("person 150")
            # Then the puppet that observes, too; whoever it is, there is another.
            observer = adapter._find(place).observer
            assert observer is not None
            assert observer.jid in ("kestrel%libera@bridge2.localhost/rialto", "merlin%libera@bridge2.localhost/rialto")
            await adapter.leave(place, puppets[1].address, None)

        puppets_done = asyncio.gather(people(), ours(), kicks(), return_exceptions=True)
        results = await puppets_done
        assert isinstance(results[1], SendError | None), results[1]
        await core.heard(f"person {count - 1}", within=60)
        async with asyncio.timeout(30):
            receipts = await asyncio.gather(*confirmations)
        # The bot comes back by itself, and observes again.
        await ana.wait_for(kind=Sight.JOIN, who="rialto", since=kicked, timeout=60)
        await core.until("bot observes", lambda: adapter._find(place).observer_jid.startswith("rialto@"))
        ana.say(room, "after")
        await core.heard("after")
        await ana.wait_for(text="after")
    assert [text for text in core.texts() if text.startswith("person")] == [f"person {n}" for n in range(count)]
    assert core.repeated == []
    said = [seen.text for seen in ana.matching(kind=Sight.TEXT) if seen.text.startswith("puppet")]
    assert len(said) == len(set(said)) == len(receipts)
    assert len({receipt.native_id for receipt in receipts}) == len(receipts)
    assert core.receipts == {}
    assert results[0] is None
    assert results[2] is None


async def test_what_xml_forbids_and_what_is_too_large_never_reaches_the_stream(
    prosody: Prosody, room: str, new_client: NewClient
) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana", config={"muc#roomconfig_changesubject": "1"})
    core = RecordingCore(room)
    place = core.places[0]
    # A name of the worst, too.
    kestrel = person("Kes\x02trel\x00\ufffe\ud800 \u202e<&>'\"", native="kestrel")
    async with running(prosody, "bridge2.localhost", core) as adapter:
        await adapter.join(place, kestrel)
        bad = "".join(chr(code) for code in range(32)) + "\x7f\x85\ufffe\uffff\ud800\udfff\U0001fffe ]]> <&>\"'"
        await say(adapter, part(place, kestrel, bad))
        heard = await ana.wait_for(lambda seen: seen.kind is Sight.TEXT and "]]>" in seen.text)
        assert heard.text.endswith(" ]]> <&>\"'")
        assert heard.text.count("\n") == 2
        await adapter.set_topic(place, "topic \x03\ufffe", None)
        await ana.wait_for(kind=Sight.TOPIC, text="topic \ufffd\ufffd")
        ok = "x" * 300_000
        await say(adapter, part(place, kestrel, ok), within=60)
        with pytest.raises(SendError) as refused:
            adapter.send(part(place, kestrel, "x" * 600_000))
        assert (refused.value.failure.reason, refused.value.temporary) == (Reason.POLICY_VIOLATION, False)
        # What is right at the limit in text may be above it as XML.
        with pytest.raises(SendError):
            adapter.send(part(place, kestrel, "&" * 100_000))
        await say(adapter, part(place, kestrel, "still up"))
        await ana.wait_for(kind=Sight.TEXT, text="still up")
    assert core.log == ["online"]


async def test_prosody_restarts(new_prosody: NewProsody, new_client: NewClient) -> None:
    server = await new_prosody()
    room = f"hall@{server.muc}"
    ana = await new_client(server, "ana")
    await ana.join(room, "Ana", config={"muc#roomconfig_persistentroom": "1"})
    core = RecordingCore(room)
    place = core.places[0]
    kestrel = person("Kestrel")
    async with running(server, "bridge1.localhost", core) as adapter:
        await adapter.join(place, kestrel)
        ana.say(room, "before")
        await core.heard("before")
        await ana.close()
        await server.stop()
        await core.until("offline", lambda: not core.is_online)
        with pytest.raises(SendError) as refused:
            adapter.send(part(place, kestrel, "nobody hears"))
        assert refused.value.temporary
        with pytest.raises(SendError) as refused:
            await adapter.join(place, kestrel)
        assert refused.value.temporary
        await core.until("told that nothing listens", lambda: "cannot be reached" in str(core.failures[-1]))
        await server.start()
        await core.until("online again", lambda: core.is_online, within=60)
        await in_rooms(adapter, core)
        await adapter.join(place, kestrel)
        bo = await new_client(server, "bo")
        await bo.join(room, "Bo")
        await say(adapter, part(place, kestrel, "and again"))
        await bo.wait_for(text="and again", who="Kestrel")
        bo.say(room, "after")
        await core.heard("after")
    assert core.texts() == ["before", "after"]


async def test_a_line_that_was_under_way_when_the_stream_broke_fails_for_now(
    new_prosody: NewProsody, new_client: NewClient
) -> None:
    server = await new_prosody()
    room = f"hall@{server.muc}"
    core = RecordingCore(room)
    place = core.places[0]
    async with running(server, "bridge1.localhost", core) as adapter:
        await adapter.join(place, person("Kestrel"))
        # A server that stands still, then dies: the line is written, its reflection can never come.
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        confirmation = adapter.send(part(place, person("Kestrel"), "into the dark")).confirmation
        await server.kill()
        with pytest.raises(SendError) as lost:
            async with asyncio.timeout(30):
                await confirmation
        assert lost.value.temporary
        assert "lost" in lost.value.failure.text


async def test_a_wrong_secret_is_told_with_what_to_do(prosody: Prosody, room: str) -> None:
    core = RecordingCore(room)
    async with running(prosody, "bridge2.localhost", core, there=False, secret="wrong"):
        await core.until("offline", lambda: core.failures)
        assert core.failures[0].reason is Reason.NOT_AUTHORIZED
        assert "networks.office.secret" in core.failures[0].text
        assert "bridge2.localhost" in core.failures[0].text
        # It is tried again, for the operator may mend it on the server.
        await core.until("a second attempt", lambda: len(core.failures) > 1)
    assert not core.is_online


async def test_an_unknown_domain_is_told_with_what_to_do(prosody: Prosody, room: str) -> None:
    core = RecordingCore(room)
    async with running(prosody, "nobody.localhost", core, there=False, secret="any"):
        await core.until("offline", lambda: core.failures)
        assert "nobody.localhost" in core.failures[0].text


async def test_nobody_listens(prosody: Prosody, room: str) -> None:
    core = RecordingCore(room)
    (port,) = free_ports(1)
    async with running(prosody, "bridge2.localhost", core, there=False, server=f"127.0.0.1:{port}"):
        await core.until("offline", lambda: core.failures)
        assert core.failures[0].reason is Reason.REMOTE_SERVER_NOT_FOUND
        assert f"127.0.0.1:{port}" in core.failures[0].text


async def test_two_of_us_with_one_domain(prosody: Prosody, unique: str) -> None:
    """The newcomer is refused, told why, and takes over by itself once the domain is free."""
    first, second = (RecordingCore(f"{unique}{word}@{prosody.muc}") for word in ("a", "b"))
    async with running(prosody, "bridge3.localhost", second, there=False) as late:
        await second.until("online", lambda: second.is_online)
        async with running(prosody, "bridge3.localhost", first, there=False):
            await first.until("refused", lambda: first.failures)
            assert first.failures[0].reason is Reason.CONFLICT
            assert second.log == ["online"]
            await late.stop()
            await first.until("taken over", lambda: first.is_online, within=60)


class Timed(RecordingCore):
    """Knows when it was told of each failure."""

    def __init__(self, *rooms: str) -> None:
        super().__init__(*rooms)
        self.failed_at: list[float] = []

    def offline(self, failure: Failure) -> None:
        self.failed_at.append(asyncio.get_running_loop().time())
        super().offline(failure)


async def test_put_out_by_a_second_one(new_prosody: NewProsody) -> None:
    """With ``kick_old`` two would put each other out for ever; back-off keeps that slow."""
    server = await new_prosody(conflict="kick_old")
    first, second = Timed(f"a@{server.muc}"), RecordingCore(f"b@{server.muc}")
    async with (
        running(server, "bridge1.localhost", first, there=False),
        running(server, "bridge1.localhost", second, there=False),
    ):
        await first.until("put out four times", lambda: len(first.failures) >= 4)
        assert {failure.reason for failure in first.failures} == {Reason.CONFLICT}
        # Each of the two waits before each try, half a second at most before the first, and ever longer.
        least = 2 * (0.25 + 0.5 + 1.0)
        assert first.failed_at[3] - first.failed_at[0] >= least - 0.1


async def test_history_after_a_restart_gives_what_was_missed_once(
    prosody: Prosody, room: str, new_client: NewClient
) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    ana.say(room, "before we came")
    await ana.wait_for(text="before we came")
    first = RecordingCore(room)
    async with running(prosody, "bridge4.localhost", first):
        ana.say(room, "heard live")
        await first.heard("heard live")
    ana.say(room, "missed one")
    ana.say(room, "missed two")
    await ana.wait_for(text="missed two")
    second = RecordingCore(room, before=first)
    async with running(prosody, "bridge4.localhost", second):
        await second.heard("missed two")
        ana.say(room, "live again")
        await second.heard("live again")
    assert first.texts() == ["heard live"]
    assert second.texts() == ["missed one", "missed two", "live again"], (
        "what was said before the first time is not ours"
    )


async def test_recheck_finds_what_arrived(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    first = RecordingCore(room)
    place = first.places[0]
    kestrel = person("Kestrel")
    arrived = part(place, kestrel, "it has arrived")
    never = part(place, kestrel, "it was never sent")
    async with running(prosody, "bridge4.localhost", first) as adapter:
        await adapter.join(place, kestrel)
        receipt = await say(adapter, arrived)
    # Somebody else takes the nick, and says something with the very id: that is a person's line. (Prosody 0.12 takes
    # a room to be empty when its only occupant changes nick, so there is another.)
    bo = await new_client(prosody, "bo")
    await bo.join(room, "Bo")
    await ana.rename(room, "Kestrel")
    message = ana.xmpp.make_message(mto=JID(room), mbody="I am no puppet", mtype="groupchat")
    message["id"] = f"rialto-{never.id}"
    message.send()
    await ana.wait_for(text="I am no puppet")
    second = RecordingCore(room, before=first)
    second.newest[place] = arrived.when
    async with running(prosody, "bridge4.localhost", second) as adapter:
        found = await adapter.recheck([arrived, never])
        assert found == {arrived.id: receipt}
        await second.heard("I am no puppet")
    third = RecordingCore(room, before=first)
    third.newest.clear()
    async with running(prosody, "bridge4.localhost", third) as adapter:
        # A first join asks for no history; to recheck, it is asked for.
        assert await adapter.recheck([arrived, never]) == {arrived.id: receipt}
    assert third.texts() == []


async def test_recheck_reaches_further_back_than_the_room_keeps(
    prosody: Prosody, room: str, new_client: NewClient
) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    first = RecordingCore(room)
    place, kestrel = first.places[0], person("kestrel")
    async with running(prosody, "bridge4.localhost", first) as adapter:
        await adapter.join(place, kestrel)
        # More than the room keeps, which is 20 lines.
        parts = [part(place, kestrel, f"line {number}") for number in range(45)]
        receipts = {spoken.id: await say(adapter, spoken) for spoken in parts[:40]}
    second = RecordingCore(room, before=first)
    second.newest[place] = parts[0].when
    async with running(prosody, "bridge4.localhost", second) as adapter:
        found = await adapter.recheck(parts)
        assert list(found) == [spoken.id for spoken in parts[:40]]
        assert [found[spoken.id] for spoken in parts[20:40]] == [receipts[spoken.id] for spoken in parts[20:40]]
    for number in range(25):
        ana.say(room, f"much else {number}")
    await ana.wait_for(text="much else 24")
    third = RecordingCore(room, before=first)
    third.newest[place] = parts[0].when
    async with running(prosody, "bridge4.localhost", third) as adapter:
        assert await adapter.recheck(parts) == {}, "nobody can tell any more"


async def test_puppets_of_a_gateway_that_died_are_sent_away(
    prosody: Prosody, room: str, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.xmpp.attendance.SWEEPS", (5.0, 5.0))
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    first = RecordingCore(room)
    place = first.places[0]
    async with running(prosody, "bridge5.localhost", first) as adapter:
        for name in ("Kestrel", "Merlin"):
            await adapter.join(place, person(name))
            await ana.wait_for(kind=Sight.JOIN, who=name)
        # As a kill would: the connection just ends.
        adapter._stream._closing = True
        component = adapter._stream._component
        assert component is not None
        component.abort()
        async with asyncio.timeout(30):
            await component.finished
    assert {"Kestrel", "Merlin"} <= set(ana.occupants[room])
    position = len(ana.seen)
    second = RecordingCore(room, before=first)
    async with running(prosody, "bridge5.localhost", second) as adapter:
        await adapter.join(place, person("Merlin"))
        await ana.wait_for(kind=Sight.LEAVE, who="Kestrel", since=position)
        roster = await second.item(Roster)
        assert [who.name for who in roster.people] == ["Ana"]
        await say(adapter, part(place, person("Merlin"), "I stayed"))
        await ana.wait_for(text="I stayed", who="Merlin")
    assert not [item for item in second.items if isinstance(item, Left)]
    assert [seen.who for seen in ana.matching(kind=Sight.LEAVE, since=position)][:1] == ["Kestrel"]


async def test_a_room_with_a_password(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(
        room,
        "Ana",
        config={"muc#roomconfig_passwordprotectedroom": "1", "muc#roomconfig_roomsecret": "<sesame>"},
    )
    core = RecordingCore(room, key="<sesame>")
    async with running(prosody, "bridge5.localhost", core) as adapter:
        await adapter.join(core.places[0], person("Kestrel"))
        await ana.wait_for(kind=Sight.JOIN, who="Kestrel")
        assert core.standing == [(core.places[0], None)]
        await ana.kick(room, "rialto", "begone")
        await core.until("word that the bot is out, and back", lambda: len(core.standing) == 3)
        assert "the bot was put out of the room" in str(core.standing[1][1])
        assert "(begone): it tries to come back" in str(core.standing[1][1])
        assert core.standing[2] == (core.places[0], None)
    locked_out = RecordingCore(room)
    async with running(prosody, "bridge5.localhost", locked_out, there=False) as adapter:
        await locked_out.until("online", lambda: locked_out.is_online)
        with pytest.raises(SendError) as refused:
            await adapter.join(locked_out.places[0], person("Kestrel"))
        assert refused.value.failure.reason is Reason.NOT_AUTHORIZED
        assert "password" in refused.value.failure.text
        assert locked_out.standing == [(locked_out.places[0], refused.value.failure)]
        assert "key: ..." in refused.value.failure.text


async def test_a_room_that_does_not_exist_is_made_and_unlocked(
    prosody: Prosody, room: str, new_client: NewClient
) -> None:
    core = RecordingCore(room)
    async with running(prosody, "bridge5.localhost", core):
        ana = await new_client(prosody, "ana")
        await ana.join(room, "Ana")
        ana.say(room, "is it open?")
        await core.heard("is it open?")


async def test_a_core_that_is_slow_stops_the_stream_not_the_order(
    prosody: Prosody, room: str, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.inlet.HIGH", 50 * ENTRY)
    monkeypatch.setattr("bridge.inlet.LOW", 10 * ENTRY)
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana")
    core = RecordingCore(room)
    async with running(prosody, "bridge5.localhost", core) as adapter:
        core.slow = asyncio.Event()
        for number in range(400):
            ana.say(room, str(number))
        await ana.wait_for(text="399")
        component = adapter._stream._component
        assert component is not None
        await settled(lambda: component.paused, lambda: f"{len(core.items)} items, and the stream is not paused")
        core.slow.set()
        await core.heard("399")
        assert core.texts() == [str(number) for number in range(400)]
        assert not component.paused
