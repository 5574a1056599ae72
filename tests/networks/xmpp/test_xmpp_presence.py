"""Presence through a component of a real Prosody: on rosters and in rooms, both ways, and over restarts."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from slixmpp import JID

from adapters.xmpp.adapter import XmppAdapter
from bridge.demo.clients import XmppClient
from bridge.demo.servers import Prosody
from bridge.model import pidf
from bridge.model.address import Address
from bridge.model.event import Roster
from bridge.model.presence import Activity, Basic, Presence, Tuple
from tests.networks.xmpp.test_xmpp_trouble import NewProsody
from tests.networks.xmpp.xmpp_lab import NewClient, RecordingCore, person, running

DOMAIN = "bridge3.localhost"
PUPPET = f"kestrel%libera@{DOMAIN}"
KESTREL = person("Kestrel")
NON_ANONYMOUS = {"muc#roomconfig_whois": "anyone"}


def showing(*activities: Activity, note: str = "", basic: Basic = Basic.OPEN) -> Presence:
    notes = (("", note),) if note else ()
    return Presence(KESTREL.address, (Tuple("irc", basic, frozenset(activities), notes),))


def show(core: RecordingCore, adapter: XmppAdapter, presence: Presence) -> None:
    """The core has heard that of somebody."""
    core.presences[presence.presentity] = presence
    adapter.show(presence)
    core.tell_all(presence.presentity)


async def shown(core: RecordingCore, native: str, found: Callable[[Presence], bool]) -> Presence:
    """What was told last of that person, as soon as it is so."""

    def last() -> Presence | None:
        told = [each for each in core.shown if each.presentity.native == native]
        return told[-1] if told and found(told[-1]) else None

    value = await core.until(f"presence of {native}, of {core.shown[-5:]}", last)
    assert value is not None
    return value


def saying(text: str, presence: Presence) -> bool:
    """Whether the first device's user says just that."""
    return bool(presence.tuples) and [said for _, said in presence.tuples[0].notes] == [text]


def basics(presence: Presence) -> list[Basic]:
    return [each.basic for each in presence.tuples]


@pytest.mark.conforms("RFC3922:6.1:granted", "RFC3922:6.2:asked", "RFC3922:6.4:ended")
async def test_a_puppet_on_the_roster(prosody: Prosody, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    me = Address("office", ana.name)
    core.presences[KESTREL.address] = showing(Activity.AWAY, note="tea & <scones>")
    async with running(prosody, DOMAIN, core) as adapter:
        ana.subscribe(PUPPET)
        await ana.wait_for_presence("subscribed", PUPPET)
        await ana.wait_for_presence("available away tea & <scones>", PUPPET)
        await ana.wait_for_presence("subscribe", PUPPET)
        assert core.watches == [(KESTREL.address, me, True)]
        position = len(ana.seen)
        show(core, adapter, showing())
        await ana.wait_for_presence("available", PUPPET, since=position)
        show(core, adapter, showing(Activity.BUSY))
        await ana.wait_for_presence("available dnd", PUPPET, since=position)
        show(core, adapter, showing(Activity.VACATION))
        await ana.wait_for_presence("available xa", PUPPET, since=position)
        show(core, adapter, showing(basic=Basic.CLOSED, note="bye"))
        await ana.wait_for_presence("unavailable bye", PUPPET, since=position)
        show(core, adapter, showing())
        await ana.wait_for_presence("available", PUPPET, since=len(ana.seen) - 1)
        show(core, adapter, Presence(KESTREL.address))
        await ana.wait_for_presence("unavailable", PUPPET, since=position)

        # Asked for again (a second client): answered again, and no second request comes back.
        show(core, adapter, showing())
        await ana.wait_for_presence("available", PUPPET, since=len(ana.seen) - 1)
        position = len(ana.seen)
        ana.present("probe", to=PUPPET)
        await ana.wait_for_presence("available", PUPPET, since=position)
        assert len(ana.matching(text="subscribe")) == 1

        # Whoever is a contact is answered by the puppet, though it is in no room.
        for there in (PUPPET, f"{PUPPET}/rialto"):
            assert await ana.xmpp.plugin["xep_0199"].ping(JID(there), timeout=30) is not None

        position = len(ana.seen)
        ana.present("unsubscribe", to=PUPPET)
        await ana.wait_for_presence("unavailable", PUPPET, since=position)
        await core.until("no watcher", lambda: (KESTREL.address, me, False) in core.watches)
        assert not core.recall("sub/")
        position = len(ana.seen)
        show(core, adapter, showing(Activity.BUSY))
        ana.subscribe(f"merlin%libera@{DOMAIN}")
        await ana.wait_for_presence("subscribed", f"merlin%libera@{DOMAIN}")
        assert not ana.matching(who=PUPPET, text="available dnd", since=position)


async def test_nobody_can_be_added_who_has_no_name(prosody: Prosody, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    async with running(prosody, DOMAIN, core):
        for nobody in (f"nobody@{DOMAIN}", f"#tea%libera@{DOMAIN}", f"bo%example.org%office@{DOMAIN}"):
            ana.subscribe(nobody)
            await ana.wait_for_presence("unsubscribed", nobody)
        ana.subscribe(f"rialto@{DOMAIN}")
        await ana.wait_for_presence("available", f"rialto@{DOMAIN}")
        assert not core.watches


@pytest.mark.conforms("RFC3922:6.2:granted", "RFC3922:6.3.1:one", "RFC3922:6.5")
async def test_a_contact_shows_its_devices(prosody: Prosody, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    async with running(prosody, DOMAIN, core):
        ana.present(to=PUPPET, status="to a stranger")
        ana.subscribe(PUPPET)
        await ana.wait_for_presence("subscribe", PUPPET)
        assert "presence of a stranger" in core.ignores
        ana.approve(PUPPET)
        first = await shown(core, ana.name, lambda each: basics(each) == [Basic.OPEN])
        assert first.tuples[0].activities == frozenset()
        ana.present(show="away", status="tea")
        await shown(core, ana.name, lambda each: each.tuples[0].activities == {Activity.AWAY})
        async with XmppClient(ana.name, "password", prosody.c2s_port) as second:
            two = await shown(core, ana.name, lambda each: len(each.tuples) == 2)
            assert len({each.id for each in two.tuples}) == 2
            await second.close()
            one = await shown(core, ana.name, lambda each: len(each.tuples) == 1)
        assert one.tuples[0].notes == (("en", "tea"),)
        await ana.close()
        await shown(core, ana.name, lambda each: basics(each) == [Basic.CLOSED])

        async with XmppClient(ana.name, "password", prosody.c2s_port) as again:
            await shown(core, ana.name, lambda each: basics(each) == [Basic.OPEN])
            again.present("unsubscribed", to=PUPPET)
            await shown(core, ana.name, lambda each: not each.tuples)


@pytest.mark.conforms("RFC3922:5.1.5", "RFC3922:5.1.6", "RFC3922:5.2.10", "RFC3922:5.2.11:note")
async def test_every_show_comes_back_through_a_document(prosody: Prosody, new_client: NewClient) -> None:
    """What a user shows is made a presence document, and what that says a puppet shows to the user again."""
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    core.presences[KESTREL.address] = showing()
    async with running(prosody, DOMAIN, core) as adapter:
        ana.subscribe(PUPPET)
        await ana.wait_for_presence("subscribe", PUPPET)
        ana.approve(PUPPET)
        for word in ("chat", "away", "xa", "dnd"):
            ana.present(show=word, status=f"{word} & so on")
            known = await shown(core, ana.name, partial(saying, f"{word} & so on"))
            back = pidf.loads(pidf.dumps(known)).presence(KESTREL.address)
            assert back.tuples == known.tuples
            position = len(ana.seen)
            show(core, adapter, back)
            await ana.wait_for_presence(f"available {word} {word} & so on", PUPPET, since=position)


async def test_subscriptions_outlive_a_restart(prosody: Prosody, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    core.presences[KESTREL.address] = showing()
    async with running(prosody, DOMAIN, core):
        ana.subscribe(PUPPET)
        await ana.wait_for_presence("subscribe", PUPPET)
        ana.approve(PUPPET)
        await shown(core, ana.name, lambda each: basics(each) == [Basic.OPEN])
        position = len(ana.seen)
    await ana.wait_for_presence("unavailable", PUPPET, since=position)
    assert list(core.recall("sub/")) == [f"sub/{ana.name} libera:kestrel"]

    again = RecordingCore(before=core)
    again.presences[KESTREL.address] = showing(Activity.BUSY, note="back")
    ana.present(show="dnd")
    async with running(prosody, DOMAIN, again):
        await ana.wait_for_presence("available dnd back", PUPPET, since=position)
        await shown(again, ana.name, lambda each: bool(each.tuples) and each.tuples[0].activities == {Activity.BUSY})
        assert not again.asked, "the core keeps it"
    assert len(ana.matching(text="subscribe")) == 1, "asked back once"


async def test_what_is_not_remembered_is_believed_to_their_server(prosody: Prosody, new_client: NewClient) -> None:
    """Their server asks (RFC 6121 section 4.3) only where it was approved once; so a lost store mends itself."""
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    async with running(prosody, DOMAIN, core):
        ana.subscribe(PUPPET)
        await ana.wait_for_presence("subscribe", PUPPET)
    await ana.close()
    again = RecordingCore()
    again.presences[KESTREL.address] = showing(note="here")
    async with running(prosody, DOMAIN, again), XmppClient(ana.name, "password", prosody.c2s_port) as ana_again:
        await ana_again.wait_for_presence("available here", PUPPET)
        assert list(again.recall("sub/")) == [f"sub/{ana.name} libera:kestrel"]


async def test_presence_in_a_room(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana = await new_client(prosody, "ana")
    await ana.join(room, "Ana", config=NON_ANONYMOUS)
    stanzas: asyncio.Queue[tuple[str, str | None, str | None]] = asyncio.Queue()

    def listen(presence: Any) -> None:
        xml = presence.xml
        where = (xml.findtext("{jabber:client}show"), xml.findtext("{jabber:client}status"))
        stanzas.put_nowait((xml.get("from").partition("/")[2], *where))

    ana.xmpp.add_event_handler(f"muc::{room}::presence", listen)
    core = RecordingCore(room)
    place = core.places[0]
    core.presences[KESTREL.address] = showing(Activity.AWAY, note="tea")

    async def seen(nick: str, show: str | None, status: str | None = None) -> None:
        async with asyncio.timeout(30):
            while await stanzas.get() != (nick, show, status):
                pass

    async with running(prosody, DOMAIN, core) as adapter:
        await shown(core, ana.name, lambda each: basics(each) == [Basic.OPEN])
        await adapter.join(place, KESTREL)
        await seen("Kestrel", "away", "tea")
        show(core, adapter, showing(Activity.BUSY))
        await seen("Kestrel", "dnd")
        show(core, adapter, showing())
        await seen("Kestrel", None)
        show(core, adapter, showing(basic=Basic.CLOSED))
        await seen("Kestrel", "xa")
        await adapter.rename(place, person("Falcon", native="kestrel"))
        await seen("Falcon", "xa")
        # All at once: whatever the room answers first, the name and the last value stand at the end.
        show(core, adapter, showing(Activity.BUSY, note="one"))
        renaming = asyncio.ensure_future(adapter.rename(place, person("Merlin", native="kestrel")))
        show(core, adapter, showing(Activity.AWAY, note="two"))
        await renaming
        await seen("Merlin", "away", "two")

        ana.xmpp.send_presence(pto=f"{room}/Ana", pshow="dnd", pstatus="busy & <bees>")
        told = await shown(core, ana.name, lambda each: each.tuples[0].activities == {Activity.BUSY})
        assert told.tuples[0].notes == (("en", "busy & <bees>"),)
        await ana.rename(room, "Anna")
        await ana.leave(room)
        await shown(core, ana.name, lambda each: not each.tuples)


async def test_an_occupant_who_hides_who_they_are(prosody: Prosody, room: str, new_client: NewClient) -> None:
    ana, bo = await new_client(prosody, "ana"), await new_client(prosody, "bo")
    await ana.join(room, "Ana")
    await bo.join(room, "Bo")
    core = RecordingCore(room)
    async with running(prosody, DOMAIN, core):
        people = {each.name: each.address.native for each in (await core.item(Roster)).people}
        await shown(core, people["Bo"], lambda each: basics(each) == [Basic.OPEN])
        bo.xmpp.send_presence(pto=f"{room}/Bo", pshow="xa")
        await shown(core, people["Bo"], lambda each: each.tuples[0].activities == {Activity.AWAY})
        await bo.rename(room, "Robert")
        await ana.kick(room, "Robert", "enough")
        await shown(core, people["Bo"], lambda each: not each.tuples)
        assert {each.presentity.native for each in core.shown} == set(people.values())


@pytest.mark.parametrize("kill", [False, True])
async def test_after_the_server_comes_back_contacts_are_told_and_asked(
    new_prosody: NewProsody, new_client: NewClient, kill: bool
) -> None:
    prosody = await new_prosody(components={DOMAIN: "secret"})
    ana = await new_client(prosody, "ana")
    core = RecordingCore()
    core.presences[KESTREL.address] = showing(note="here")
    async with running(prosody, DOMAIN, core):
        ana.subscribe(PUPPET)
        await ana.wait_for_presence("subscribe", PUPPET)
        ana.approve(PUPPET)
        await shown(core, ana.name, lambda each: basics(each) == [Basic.OPEN])
        await ana.close()
        await shown(core, ana.name, lambda each: basics(each) == [Basic.CLOSED])
        count = len(core.shown)
        if kill:
            await prosody.kill()
            await prosody.start()
        else:
            await prosody.restart()
        await core.until("online again", lambda: core.log.count("online") == 2, within=60)
        async with XmppClient(ana.name, "password", prosody.c2s_port) as again:
            await again.wait_for_presence("available here", PUPPET)
            await core.until("presence anew", lambda: len(core.shown) > count)
            await shown(core, ana.name, lambda each: basics(each) == [Basic.OPEN])
        assert len(core.watches) == 1
