"""Subscriptions and what contacts see, without a server."""

import asyncio
from dataclasses import replace
from xml.etree.ElementTree import Element

import pytest

from adapters.xmpp import showing
from adapters.xmpp.presence import Appearance
from adapters.xmpp.rooms import Room
from adapters.xmpp.sightings import Sightings
from adapters.xmpp.subscriptions import Subscription, Subscriptions
from bridge.model.address import Address
from bridge.model.presence import Activity, Basic, Presence, Tuple
from bridge.model.result import Failure, Reason
from bridge.model.subscription import Subscribe, SubscriptionEvent, SubscriptionState
from tests.unit.xmpp.folk import ANA, KESTREL, ME, PUPPET, STANZAS, Folk, presence
from tests.unit.xmpp.muc import BOT, DOMAIN, PLACE, ROOM, USER, Muc

FULL = f"{PUPPET}/rialto"
KEY = f"sub/{ANA} libera:kestrel"
BUSY = Presence(KESTREL.address, (Tuple("irc", Basic.OPEN, frozenset({Activity.BUSY})),))
THERE = Presence(KESTREL.address, (Tuple("irc", Basic.OPEN),))


async def heard(folk: Folk, *kinds: str, **more: str) -> list[tuple[str, str, str]]:
    """Presences of these types come; what is written then."""
    for kind in kinds:
        folk.people.presence(presence(kind, **more))
    await folk.settle()
    return folk.kinds()


@pytest.mark.conforms("RFC3922:6.1:granted", "RFC3922:6.2:asked", "RFC3922:6.3.1:changed", "RFC3922:6.4:ended")
async def test_added_seen_and_removed() -> None:
    folk = Folk()
    folk.core.presences[KESTREL.address] = BUSY
    async with folk.working():
        assert await heard(folk, "subscribe") == [
            (PUPPET, "subscribed", ANA),
            (FULL, "", ANA),
            (PUPPET, "subscribe", ANA),
        ]
        assert folk.core.memory == {KEY: "[true, true, false]"}
        assert folk.people.contact(ANA, PUPPET)
        assert await heard(folk, "subscribe") == [(PUPPET, "subscribed", ANA), (FULL, "", ANA)], "asked back once"
        assert await heard(folk, "probe") == [(FULL, "", ANA)]
        assert await heard(folk, "subscribed") == []
        assert folk.core.memory == {KEY: "[true, true, true]"}

        folk.core.presences[KESTREL.address] = THERE
        folk.core.tell_all(KESTREL.address)
        folk.core.tell_all(KESTREL.address)
        await folk.settle()
        assert folk.kinds() == [(FULL, "", ANA)]
        folk.core.tell_all(KESTREL.address)
        await folk.settle()
        assert folk.kinds() == [], "nothing new"

        assert await heard(folk, "unsubscribe", "unsubscribe") == [(FULL, "unavailable", ANA)]
        assert await heard(folk, "unsubscribed", "unsubscribed") == []
        assert folk.core.memory == {}
        assert not folk.people.contact(ANA, PUPPET)
    assert folk.core.watches == [(KESTREL.address, ME, True), (KESTREL.address, ME, False)]


async def test_removed_and_added_again_in_one_breath_they_are_seen() -> None:
    folk = Folk()
    folk.core.presences[KESTREL.address] = BUSY
    async with folk.working():
        await heard(folk, "subscribe")
        assert await heard(folk, "unsubscribe", "subscribe") == [
            (PUPPET, "subscribed", ANA),
            (FULL, "", ANA),
            (PUPPET, "subscribe", ANA),
        ]
        assert folk.core.memory == {KEY: "[true, true, false]"}
        folk.core.presences[KESTREL.address] = THERE
        folk.core.tell_all(KESTREL.address)
        assert await heard(folk) == [(FULL, "", ANA)], "and stay so"


async def test_of_one_who_never_was_let_in_nothing_is_left() -> None:
    folk = Folk()
    folk.core.granted = SubscriptionState.PENDING
    async with folk.working():
        await heard(folk, "subscribe", "unsubscribe")
        await heard(folk, "subscribe")
        folk.core.end(ME, KESTREL.address, SubscriptionEvent.REJECTED)
        assert await heard(folk) == [(PUPPET, "unsubscribed", ANA)]
        assert folk.people.showing.of(ANA, KESTREL.address) is None
    assert folk.core.memory == {}


@pytest.mark.conforms("RFC3922:6.2:denied")
async def test_refused_they_are_not_asked_again_as_long_as_they_are_a_contact() -> None:
    folk = Folk()
    async with folk.working():
        await heard(folk, "subscribe", "unsubscribed")
        assert (PUPPET, "subscribe", ANA) not in await heard(folk, "subscribe")
        # Nobody is followed who did not allow it, nor because they say so unasked.
        folk.people.presence(presence("", sender=f"{ANA}/phone"))
        await heard(folk, "subscribed", sender="bo@example.org")
        folk.people.presence(presence("", sender="bo@example.org/phone"))
        await folk.settle()
    assert folk.core.shown == []
    assert list(folk.core.memory) == [KEY]


@pytest.mark.conforms("RFC3922:5.1.4", "RFC3922:6.2:granted", "RFC3922:6.5")
async def test_what_a_contact_shows() -> None:
    folk = Folk(memory={KEY: "[true, true, true]"})
    async with folk.working():
        assert (PUPPET, "probe", ANA) in await heard(folk)

        async def shows(kind: str, inner: str = "", device: str = "/phone") -> list[Basic]:
            folk.people.presence(presence(kind, inner, sender=f"{ANA}{device}"))
            await folk.settle()
            return [each.basic for each in folk.core.shown[-1].tuples]

        assert await shows("") == [Basic.OPEN]
        assert await shows("", device="/desk") == [Basic.OPEN, Basic.OPEN]
        assert await shows("unavailable") == [Basic.OPEN]
        assert await shows("unavailable", device="/desk") == [Basic.CLOSED]
        assert await shows("") == [Basic.OPEN]
        assert await shows("unavailable", device="") == [Basic.CLOSED]
        assert await shows("", device="") == [Basic.OPEN]
        assert await shows("error", device="") == [], "nothing is known of them any more"
        assert await shows("") == [Basic.OPEN]
        assert await shows("unsubscribed", device="") == []
    assert folk.core.memory == {KEY: "[true, true, false]"}


@pytest.mark.conforms("RFC3922:6.1:nobody")
@pytest.mark.parametrize("nobody", [f"nobody@{DOMAIN}", f"#tea%libera@{DOMAIN}", f"bo%x.org%office@{DOMAIN}", DOMAIN])
async def test_nobody_is_no_contact(nobody: str) -> None:
    folk = Folk()
    async with folk.working():
        assert await heard(folk, "subscribe", to=nobody) == [(nobody, "error", ANA), (nobody, "unsubscribed", ANA)]
        assert await heard(folk, "probe", to=nobody) == [(nobody, "unsubscribed", ANA)]
        assert await heard(folk, "subscribed", "unsubscribe", "unavailable", "", "error", to=nobody) == []
    assert (folk.core.memory, folk.core.watches) == ({}, [])


@pytest.mark.parametrize("sender", ["", "example.org", f"other%libera@{DOMAIN}", "a b@x"])
async def test_nobody_has_contacts(sender: str) -> None:
    folk = Folk()
    async with folk.working():
        assert await heard(folk, "subscribe", "probe", "subscribed", sender=sender) == []
    assert folk.core.memory == {}


async def test_the_bot_is_a_contact_who_asks_for_nothing() -> None:
    folk = Folk()
    bot = f"rialto@{DOMAIN}"
    async with folk.working():
        assert await heard(folk, "subscribe", to=bot) == [(bot, "subscribed", ANA), (BOT, "", ANA)]
    folk = Folk(memory=folk.core.memory)
    async with folk.working():
        assert await heard(folk) == [(BOT, "", ANA)]
    assert folk.core.watches == []


async def test_after_a_restart_all_is_said_again_and_after_a_reconnect_only_to_the_network() -> None:
    folk = Folk(memory={KEY: "[true, true, true]", "sub/bo@example.org libera:kestrel": "[true, true, false]"})
    folk.core.presences[KESTREL.address] = THERE
    for _ in range(2):
        async with folk.working():
            assert sorted(await heard(folk)) == [
                (PUPPET, "probe", ANA),
                (FULL, "", ANA),
                (FULL, "", "bo@example.org"),
            ]
    assert len(folk.core.watches) == 2


async def test_an_approval_that_could_not_be_written_is_made_up_for() -> None:
    folk = Folk()
    async with folk.working():
        folk.down = True
        assert await heard(folk, "subscribe") == []
        assert not folk.core.memory, "what is kept is what their server was told"
        folk.down = False
        folk.people.closed(Reason.REMOTE_SERVER_TIMEOUT, "broken")
        folk.people.opened()
        folk.core.tell_all()
        await folk.settle()
        assert folk.kinds() == [(PUPPET, "subscribed", ANA), (FULL, "unavailable", ANA), (PUPPET, "subscribe", ANA)]
        assert list(folk.core.memory) == [KEY]


async def test_an_approval_that_we_did_not_live_to_write_is_made_up_for() -> None:
    """The core has granted it, and keeps it; nothing was remembered here."""
    folk = Folk()
    await folk.core.subscribe(Subscribe(ME, KESTREL.address, None, "1", "1"))
    async with folk.working():
        assert (PUPPET, "subscribed", ANA) in await heard(folk)


async def test_nothing_is_said_as_long_as_nobody_has_answered() -> None:
    folk = Folk()
    folk.core.granted = SubscriptionState.PENDING
    folk.core.presences[KESTREL.address] = BUSY
    async with folk.working():
        assert await heard(folk, "subscribe", "subscribe") == []
        assert not folk.core.memory
        assert [each.subscription_id for each in folk.core.asked] == [folk.core.asked[0].subscription_id] * 2
        pending = folk.core.subscriptions[ME, KESTREL.address]
        folk.core.subscriptions[ME, KESTREL.address] = replace(pending, state=SubscriptionState.ACTIVE)
        folk.core.tell_all()
        assert await heard(folk) == [(PUPPET, "subscribed", ANA), (FULL, "", ANA), (PUPPET, "subscribe", ANA)]
        # Asked anew by a rule that came later: out of sight, but still on the roster.
        folk.core.subscriptions[ME, KESTREL.address] = pending
        folk.core.tell_all()
        assert await heard(folk) == [(FULL, "unavailable", ANA)]
        assert await heard(folk, "unsubscribe") == [(FULL, "unavailable", ANA)]
        assert folk.core.asked[-1].duration == 0
        assert folk.core.memory == {}


async def test_who_takes_back_a_request_that_nobody_answered_hears_nothing_more() -> None:
    folk = Folk()
    folk.core.granted = SubscriptionState.PENDING
    async with folk.working():
        assert await heard(folk, "subscribe", "unsubscribe") == []
    assert folk.core.subscriptions == {}


@pytest.mark.conforms("RFC3922:6.1:denied")
async def test_who_is_refused_is_told_why_and_that_it_is_over() -> None:
    folk = Folk()
    folk.core.refusal = Failure(Reason.FORBIDDEN, "no")
    async with folk.working():
        assert await heard(folk, "subscribe") == [(PUPPET, "error", ANA), (PUPPET, "unsubscribed", ANA)]
        assert await heard(folk, "probe") == [(PUPPET, "unsubscribed", ANA)]
    assert folk.core.memory == {}


@pytest.mark.conforms(
    "RFC3859:3.4:ids", "RFC3922:6.1:parameters", "RFC3922:6.1:nobody", "RFC3922:6.1:forbidden", "RFC3922:6.4:ended"
)
async def test_what_a_request_becomes_and_how_it_is_refused() -> None:
    folk = Folk()
    async with folk.working():
        for mid in ("one", "two"):
            asking = presence("subscribe", sender=f"{ANA}/phone")
            asking.set("id", mid)
            folk.people.presence(asking)
            await folk.settle()
            await heard(folk, "unsubscribe")
        first, end, second, _ = folk.core.asked
        assert (first.watcher, first.target) == (ME, KESTREL.address)
        assert (first.duration, first.transaction_id, second.transaction_id) == (None, "one", "two")
        assert (end.duration, end.subscription_id) == (0.0, first.subscription_id)
        assert first.subscription_id != second.subscription_id
        assert len(first.subscription_id) == 32, "128 random bits"

        folk.core.refusal = Failure(Reason.FORBIDDEN, "no")
        refused = presence("subscribe")
        refused.set("id", "three")
        folk.people.presence(refused)
        await folk.settle()
        error, _ = folk.taken()
        assert (error.get("id"), error.get("from"), error.get("to")) == ("three", PUPPET, ANA)
        assert error.find(f"error/{{{STANZAS}}}forbidden") is not None

        folk.people.presence(presence("subscribe", to=f"nobody@{DOMAIN}"))
        await folk.settle()
        error, _ = folk.taken()
        assert error.find(f"error/{{{STANZAS}}}item-not-found") is not None


@pytest.mark.parametrize("event", [SubscriptionEvent.REJECTED, SubscriptionEvent.GIVEUP])
async def test_who_is_shut_out_later_sees_them_go_and_is_told(event: SubscriptionEvent) -> None:
    folk = Folk()
    folk.core.presences[KESTREL.address] = THERE
    async with folk.working():
        await heard(folk, "subscribe")
        folk.core.end(ME, KESTREL.address, event)
        assert await heard(folk) == [(FULL, "unavailable", ANA), (PUPPET, "unsubscribed", ANA)]
        assert not folk.people.contact(ANA, PUPPET)
        folk.core.tell_all()
        assert await heard(folk) == []


async def test_of_whom_the_core_knows_nothing_it_is_asked_about() -> None:
    folk = Folk(memory={KEY: "[true, true, false]", "sub/bo@example.org libera:kestrel": "[true, true, false]"})
    folk.core.presences[KESTREL.address] = THERE
    await folk.core.subscribe(Subscribe(ME, KESTREL.address, None, "1", "1"))
    async with folk.working():
        assert sorted(await heard(folk)) == [(FULL, "", ANA), (FULL, "", "bo@example.org")]
        assert [each.watcher.native for each in folk.core.asked[1:]] == ["bo@example.org"]
    folk = Folk(memory=folk.core.memory)
    folk.core.refusal = Failure(Reason.FORBIDDEN, "no")
    async with folk.working():
        assert sorted(await heard(folk)) == [
            (PUPPET, "unsubscribed", ANA),
            (PUPPET, "unsubscribed", "bo@example.org"),
            (FULL, "unavailable", ANA),
            (FULL, "unavailable", "bo@example.org"),
        ]
    assert not folk.core.memory


async def test_at_the_end_nobody_is_left_online() -> None:
    folk = Folk(memory={KEY: "[true, true, false]", f"sub/{ANA} libera:merlin": "[true, true, false]"})
    folk.core.presences[KESTREL.address] = THERE
    async with folk.working():
        await heard(folk)
        folk.people.showing.farewell()
        assert folk.kinds() == [(FULL, "unavailable", ANA)]


async def test_many_changes_are_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "BURST", 10)
    monkeypatch.setattr(showing, "PAUSE", 3600.0)
    people = [Subscription(f"p{number}@example.org", KESTREL.address, hears=True) for number in range(5)]
    more = [Subscription(f"p{number}@example.org", None, hears=True) for number in range(10)]
    folk = Folk(memory={each.key: each.value or "" for each in [*people, *more]})
    async with folk.working():
        await folk.settle()
        assert len(folk.kinds()) == 10
        folk.core.tell_all(KESTREL.address)
        await folk.settle()
        assert folk.kinds() == []


# In rooms


async def test_a_puppet_shows_in_the_room_what_it_wears() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    kestrel = muc.puppet("kestrel")
    away = Appearance(show="away", notes=(("en", "tea & more"),))
    muc.room.owns.wear(kestrel, away)
    muc.enter(kestrel, "Kestrel", subject=False)
    assert '<show>away</show><status xml:lang="en">tea &amp; more</status>' in muc.link.written[-1]
    muc.link.written.clear()
    assert not muc.room.appear(kestrel, away)
    assert muc.room.appear(kestrel, Appearance(show="dnd"))
    assert muc.link.written == [f'<presence from="{kestrel.jid}" to="{ROOM}/Kestrel"><show>dnd</show></presence>']


async def test_while_a_nick_is_asked_for_what_is_shown_waits() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    kestrel = muc.puppet("kestrel")
    muc.enter(kestrel, "Kestrel", subject=False)
    muc.room.appear(kestrel, Appearance(show="dnd"))
    changing = muc.room.change_nick(kestrel, "Falcon")
    # The room reflects the former: that is no answer to the latter.
    muc.presence(kestrel, "Kestrel", "110")
    assert not changing.done()
    assert not muc.room.appear(kestrel, Appearance(show="away"))
    muc.presence(kestrel, "Kestrel", "303", "110", gone=True, new="Falcon")
    muc.link.written.clear()
    muc.presence(kestrel, "Falcon", "110")
    assert await changing == "Falcon"
    assert muc.link.written == [f'<presence from="{kestrel.jid}" to="{ROOM}/Falcon"><show>away</show></presence>']

    refused = muc.room.change_nick(kestrel, "Merlin")
    muc.room.appear(kestrel, Appearance(show="xa"))
    muc.link.written.clear()
    muc.refuse(kestrel, "Merlin", "conflict")
    assert refused.exception() is not None
    assert muc.link.written == [f'<presence from="{kestrel.jid}" to="{ROOM}/Falcon"><show>xa</show></presence>']

    # What went with a name that was refused has not been shown.
    muc.room.owns.wear(kestrel, Appearance(show="dnd"))
    refused = muc.room.change_nick(kestrel, "Merlin")
    muc.link.written.clear()
    muc.refuse(kestrel, "Merlin", "conflict")
    assert refused.exception() is not None
    assert muc.link.written == [f'<presence from="{kestrel.jid}" to="{ROOM}/Falcon"><show>dnd</show></presence>']

    left_with = muc.room.change_nick(kestrel, "Merlin")
    muc.presence(kestrel, "Falcon", "110", "210")
    assert await left_with == "Falcon", "the service may say no that way"


# People in rooms


class Seer:
    """What the room tells of what people show."""

    def __init__(self) -> None:
        self.told: list[Presence] = []
        self.sightings = Sightings(self.told.append)

    def taken(self) -> list[tuple[str, list[frozenset[Activity]]]]:
        told = [(each.presentity.native, [found.activities for found in each.tuples]) for each in self.told]
        self.told.clear()
        return told


def shows(own: str, nick: str, inner: str = "", kind: str = "") -> Element:
    return presence(kind, inner, sender=f"{ROOM}/{nick}", to=own)


async def test_what_people_show_in_a_room_and_when_nobody_sees_it_any_more() -> None:
    seer, muc = Seer(), Muc()
    room = Room(PLACE, muc.link, bot=BOT, domain=DOMAIN, sight=seer.sightings)
    room.features(frozenset({"urn:xmpp:occupant-id:0"}))
    bot, occupant = room.owns.bot, "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{}'/>"
    self_presence = f"<x xmlns='{USER}'><status code='110'/></x>"
    nothing: frozenset[Activity] = frozenset()
    for _ in range(2):
        room.enter(bot, "rialto")
        room.presence(bot, shows(BOT, "Ana", occupant.format("a")))
        assert seer.taken() == []
        room.presence(bot, shows(BOT, "rialto", self_presence))
        assert seer.taken() == [(f"{ROOM}/a", [nothing])]
        room.presence(bot, shows(BOT, "Ana", f"<show>dnd</show>{occupant.format('a')}"))
        assert seer.taken() == [(f"{ROOM}/a", [frozenset({Activity.BUSY})])]
        changed = f"<x xmlns='{USER}'><item nick='Anna'/><status code='303'/></x>{occupant.format('a')}"
        room.presence(bot, shows(BOT, "Ana", changed, "unavailable"))
        room.presence(bot, shows(BOT, "Anna", f"<show>dnd</show>{occupant.format('a')}"))
        # Not for a moment out of sight, and told once, for the tuple of another nick has another id.
        assert seer.taken() == [(f"{ROOM}/a", [frozenset({Activity.BUSY})])]
        # A puppet is nobody to look at.
        room.presence(bot, shows(BOT, "Kestrel", f"<x xmlns='{USER}'><item jid='{FULL}'/></x>"))
        assert seer.taken() == []
        room.lost(Reason.REMOTE_SERVER_TIMEOUT, "gone")
        assert seer.taken() == [(f"{ROOM}/a", [])]


async def test_thousands_who_change_at_once_do_not_hold_up_everything_else() -> None:
    seen: list[Address] = []
    all_seen = asyncio.Event()

    def presence_of(address: Address) -> Presence:
        seen.append(address)
        if len(seen) == len(people):
            all_seen.set()
        return Presence(address)

    showed = showing.Showing(Folk(), presence_of, {}, Subscriptions({}), BOT)
    people = [Address("libera", f"p{number}") for number in range(3000)]
    for person in people:
        showed.changed(person)
    showed.opened()
    task = asyncio.ensure_future(showed.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 0 < len(seen) < len(people) / 10
    await all_seen.wait()
    assert seen == people
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
