"""Private messages through the core: to whom they go, who may write them, what their sender is told."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert

import bridge.lane
import bridge.lanes
from bridge.contract import Part, SendError, Voice
from bridge.conversations import Conversations, pair
from bridge.delivery import Delivery
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import HOPS, Event, Joined, Left
from bridge.model.presence import Basic, Presence, Tuple
from bridge.model.result import Failure, Reason, Status
from bridge.model.rule import Decision, RuleKind
from bridge.model.subscription import Subscribe
from bridge.rules import Pattern, Policy, Rules
from bridge.service import Service
from bridge.store import Store, conversations, deliveries, events
from bridge.store.tables import conversation
from tests.unit.core.bench import HOME, LIBERA, OFFICE, LoopbackFactory, config, person, running, said
from tests.unit.core.loopback import Loopback, confirm
from tests.unit.core.test_spine import networks
from tests.unit.stores import store_url

ANA = person("ana")
KESTREL = Person(Address("libera", "kestrel"), "Kestrel")
TO_KESTREL = Place("libera", "kestrel", PlaceKind.USER)


def private(text: str, by: Person, to: Address, native_id: str | None = None) -> Event:
    return replace(said(text, by, Place(by.address.network, by.address.native, PlaceKind.USER), native_id), to=to)


def with_ana_at_home() -> Mapping[str, Loopback]:
    nets = networks()
    nets["home"].at_home_here.add("ana")
    return nets


async def refusal(nets: Mapping[str, Loopback], event: Event) -> Failure:
    """What the sender is told, whose message goes nowhere."""
    source = nets[event.origin.network]
    before = len(source.notices)
    await source.core.accept(event)
    await source.until(lambda: len(source.notices) > before)
    notice = source.notices[-1]
    assert notice.failure is not None
    assert (notice.to, notice.about, notice.place) == (event.to, event.origin.native_id, event.place)
    return notice.failure


@pytest.mark.conforms("RFC2779:2.3.6", "RFC3860:3.1:message", "RFC3860:3.4.2:one")
async def test_a_private_message_goes_to_one_person_by_the_speakers_puppet(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(private("psst", ANA, KESTREL.address))
        libera = nets["libera"]
        await libera.until(lambda: len(libera.sent) == 1)
        (part,) = libera.sent
        assert (part.place, part.speaker, part.voice, part.text.text) == (TO_KESTREL, ANA, Voice.PUPPET, "psst")
        assert part.hops == HOPS - 1
        assert not nets["office"].sent


async def test_who_was_written_to_may_answer_whatever_the_rules_say_also_after_a_restart(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        assert (await refusal(nets, private("unasked", KESTREL, ANA.address))).reason is Reason.FORBIDDEN
        await nets["home"].core.accept(private("psst", ANA, KESTREL.address))
        await nets["libera"].core.accept(private("yes?", KESTREL, ANA.address))
        home = nets["home"]
        await home.until(lambda: [part.text.text for part in home.sent] == ["yes?"])
    again = networks()
    async with running(tmp_path, again):
        await again["libera"].core.accept(private("still there?", KESTREL, ANA.address))
        home = again["home"]
        await home.until(lambda: [part.text.text for part in home.sent] == ["still there?"])


async def test_people_in_configured_rooms_may_write_and_others_of_a_federation_may_not(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        stranger = person("stranger")
        assert (await refusal(nets, private("buy!", stranger, KESTREL.address))).reason is Reason.FORBIDDEN
        await nets["home"].core.accept(Joined(HOME, ANA))
        await nets["home"].core.accept(private("psst", ANA, KESTREL.address))
        libera = nets["libera"]
        await libera.until(lambda: [part.text.text for part in libera.sent] == ["psst"])
        await nets["home"].core.accept(Left(HOME, ANA.address))
        assert (await refusal(nets, private("x", ANA, Address("office", "bo")))).reason is Reason.FORBIDDEN


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (Rules(deny=(Pattern.parse("home:ana"),)), Reason.FORBIDDEN),
        (Rules(deny=(Pattern.parse("libera:kestrel"),)), Reason.FORBIDDEN),
        (Rules(use=()), Reason.FORBIDDEN),
        (Rules(dm=()), Reason.NOT_ALLOWED),
        (Rules(dm_per_hour=0), Reason.NOT_ALLOWED),
    ],
)
@pytest.mark.conforms("RFC3860:3.4.1:3")
async def test_rules_decide_who_starts(tmp_path: Path, rules: Rules, reason: Reason) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets, rules):
        assert (await refusal(nets, private("psst", ANA, KESTREL.address))).reason is reason
        assert not nets["libera"].sent


@pytest.mark.conforms("RFC3860:3.4.1:order")
async def test_who_cannot_be_comes_before_what_rules_forbid(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets, Rules(deny=(Pattern.parse("home:ana"),))):
        for nobody in (Address("nowhere", "kestrel"), Address("libera", "#tea"), Address("home", "bo")):
            assert (await refusal(nets, private("psst", ANA, nobody))).reason is Reason.ITEM_NOT_FOUND
        assert (await refusal(nets, private("psst", ANA, KESTREL.address))).reason is Reason.FORBIDDEN


@pytest.mark.conforms("RFC3860:3.4.2:one", "RFC3860:3.4.2:none")
async def test_with_no_hop_left_it_goes_nowhere_and_its_sender_is_told(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        for hops in (1, 0):
            failure = await refusal(nets, replace(private("psst", ANA, KESTREL.address), hops=hops))
            assert failure == Failure(Reason.POLICY_VIOLATION, "this message has passed too many bridges")
        await nets["home"].core.accept(replace(private("psst", ANA, KESTREL.address), hops=2))
        await nets["libera"].until(lambda: [part.hops for part in nets["libera"].sent] == [1])


WATCH = Subscribe(ANA.address, KESTREL.address, None, "one", "t")
THERE = Presence(KESTREL.address, (Tuple("irc", Basic.OPEN),))


@pytest.mark.conforms("RFC2779:2.1.1")
async def test_there_is_presence_where_nobody_may_write(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    home, libera = nets["home"], nets["libera"]
    nobody_writes = Policy(Pattern("libera:*"), RuleKind.DELIVERY, "*", Decision.BLOCK)
    async with running(tmp_path, nets, Rules(people=(nobody_writes,))):
        assert (await refusal(nets, private("psst", ANA, KESTREL.address))).reason is Reason.FORBIDDEN
        assert (await home.core.subscribe(WATCH)).status is Status.SUCCESS
        libera.core.presence(THERE)
        assert home.notified[-1].presence == THERE
        assert not libera.sent


@pytest.mark.conforms("RFC2779:2.1.1")
async def test_there_are_messages_where_nobody_may_see(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    home, libera = nets["home"], nets["libera"]
    nobody_sees = Policy(Pattern("libera:*"), RuleKind.ACCESS, "*", Decision.BLOCK)
    async with running(tmp_path, nets, Rules(people=(nobody_sees,))):
        assert (await home.core.subscribe(WATCH)).status is Status.FAILURE
        libera.core.presence(THERE)
        await home.core.accept(private("psst", ANA, KESTREL.address))
        await libera.until(lambda: [part.text.text for part in libera.sent] == ["psst"])
        assert not home.notified


@pytest.mark.conforms("RFC2779:2.3.5", "RFC3860:3.4.1:3")
async def test_who_may_not_write_to_somebody_is_refused_also_in_an_open_conversation(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(private("psst", ANA, KESTREL.address))
        await nets["libera"].until(lambda: len(nets["libera"].sent) == 1)
    rejecting = Rules(people=(Policy(Pattern("libera:*"), RuleKind.DELIVERY, "home:*", Decision.BLOCK),))
    again = with_ana_at_home()
    async with running(tmp_path, again, rejecting):
        failure = await refusal(again, private("still there?", ANA, KESTREL.address))
        assert failure == Failure(Reason.FORBIDDEN, "they do not take messages from you")
        # The rule is about who writes to them, not about whom they write to; and not about rooms.
        await again["libera"].core.accept(private("leave me alone", KESTREL, ANA.address))
        await again["home"].until(lambda: [part.text.text for part in again["home"].sent] == ["leave me alone"])
        await again["home"].core.accept(said("hello all", ANA))
        await again["libera"].until(lambda: [part.text.text for part in again["libera"].sent] == ["hello all"])


async def test_of_new_conversations_there_are_so_many_an_hour(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets, Rules(dm_per_hour=2)):
        home, libera = nets["home"].core, nets["libera"]
        for number in (1, 2, 1, 2):
            await home.accept(private(f"to {number}", ANA, Address("libera", f"friend{number}")))
        assert (await refusal(nets, private("x", ANA, KESTREL.address))).reason is Reason.POLICY_VIOLATION
        await home.accept(private("old friend", ANA, Address("libera", "friend1")))
        await libera.until(lambda: len(libera.sent) == 5)


def test_the_limit_is_over_after_an_hour() -> None:
    now = [0.0]
    talks = Conversations(Rules(dm_per_hour=1), networks(), in_rooms=lambda address: True, clock=lambda: now[0])
    first, second = Address("libera", "a"), Address("libera", "b")
    assert talks.route(private("x", ANA, first)).targets
    assert talks.route(private("x", ANA, second)).refusal
    now[0] = 3601.0
    assert talks.route(private("x", ANA, second)).targets


@pytest.mark.parametrize("to", [Address("home", "bo"), Address("nowhere", "bo")])
@pytest.mark.conforms("RFC3860:3.4.1:2")
async def test_there_is_nobody_on_ones_own_network_or_on_none(tmp_path: Path, to: Address) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        assert (await refusal(nets, private("x", ANA, to))).reason is Reason.ITEM_NOT_FOUND


async def test_declared_bots_are_not_heard_at_all(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets, Rules(bots=(Pattern.parse("home:ana"),))):
        home, libera = nets["home"], nets["libera"]
        await home.core.accept(Joined(HOME, ANA), said("relayed", ANA), private("psst", ANA, KESTREL.address))
        await home.core.accept(said("hello", person("bo")))
        await libera.until(lambda: len(libera.sent) == 1)
        assert libera.sent[0].text.text == "hello"
        assert not home.told
        assert "join ana" not in libera.log


@pytest.mark.conforms("RFC2779:5.4.1", "RFC3860:3.1:response", "RFC3860:3.4.1:4:failure")
async def test_a_recipient_who_is_not_there_is_told_to_the_sender(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    nets["libera"].meets = [SendError.permanent(Reason.ITEM_NOT_FOUND, "there is nobody called kestrel")]
    async with running(tmp_path, nets):
        failure = await refusal(nets, private("psst", ANA, KESTREL.address))
        assert failure == Failure(Reason.ITEM_NOT_FOUND, "there is nobody called kestrel")
        assert "Not delivered to kestrel on libera" in nets["home"].notices[-1].text


@pytest.mark.conforms("RFC2779:4.2.1", "RFC3860:3.1:response")
async def test_every_private_message_that_fails_is_told(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    nets["libera"].answer = lambda part: SendError.permanent(Reason.RECIPIENT_UNAVAILABLE, "not online")
    async with running(tmp_path, nets):
        home = nets["home"]
        await home.core.accept(*(private(str(number), ANA, KESTREL.address) for number in range(12)))
        await home.until(lambda: len(home.notices) == 12)


async def test_trouble_that_passes_holds_the_message_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.lane, "PAUSES", (0.05,))
    nets = with_ana_at_home()
    libera = nets["libera"]
    libera.meets = [SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "busy")] * 2 + [Voice.BOT]
    async with running(tmp_path, nets):
        await nets["home"].core.accept(private("1", ANA, KESTREL.address), private("2", ANA, KESTREL.address))
        await libera.until(lambda: [part.text.text for part in libera.sent] == ["<a\u200bna> 1", "2"])


async def test_what_waits_for_a_person_is_brought_after_a_restart(tmp_path: Path) -> None:
    def hold(part: Part) -> None:
        return None

    nets = with_ana_at_home()
    nets["libera"].answer = hold
    async with running(tmp_path, nets):
        await nets["home"].core.accept(private("1", ANA, KESTREL.address), private("2", ANA, KESTREL.address))
        await nets["libera"].until(lambda: len(nets["libera"].open) == 2)
    again = networks()
    again["libera"].answer = confirm
    async with running(tmp_path, again):
        await again["libera"].until(lambda: [part.text.text for part in again["libera"].sent] == ["1", "2"])


async def test_a_lane_to_a_person_ends_when_many_others_are_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.lanes, "PRIVATE_LANES", 3)
    nets = with_ana_at_home()
    async with running(tmp_path, nets, Rules(dm_per_hour=100)):
        libera = nets["libera"]
        for number in [*range(10), 0, 1]:
            before = len(libera.sent)
            await nets["home"].core.accept(private(str(number), ANA, Address("libera", f"friend{number}")))
            await libera.until(lambda before=before: len(libera.sent) == before + 1)  # type: ignore[misc]  # bound now
        assert [part.text.text for part in libera.sent][-2:] == ["0", "1"]


async def test_old_conversations_are_forgotten(tmp_path: Path) -> None:
    store = Store(store_url(tmp_path))
    await store.open()
    try:
        ana_and = (ANA.address, KESTREL.address)
        await store.write(lambda connection: conversations.note(connection, ana_and, 10.0))
        await store.write(lambda connection: conversations.note(connection, ana_and, 20.0))
        assert await store.write(lambda connection: conversations.forget(connection, 15.0)) == 0
        assert await store.read(conversations.known) == [ana_and]
        assert await store.write(lambda connection: conversations.forget(connection, 25.0)) == 1
    finally:
        await store.close()


async def test_rooms_and_private_messages_keep_apart(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("to all", ANA), private("to one", ANA, KESTREL.address))
        libera, office = nets["libera"], nets["office"]
        await libera.until(lambda: len(libera.sent) == 2)
        assert {(part.place, part.text.text) for part in libera.sent} == {(LIBERA, "to all"), (TO_KESTREL, "to one")}
        await office.until(lambda: len(office.sent) == 1)
        assert office.sent[0].place == OFFICE


AWAY = Failure(Reason.SERVICE_UNAVAILABLE, "away")


@pytest.mark.conforms("RFC2779:2.1.2")
async def test_a_person_and_a_room_of_one_name_are_two(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        # A private message to a room would be said to all.
        assert (await refusal(nets, private("x", ANA, Address("libera", "#tea")))).reason is Reason.ITEM_NOT_FOUND


async def test_a_lane_takes_up_only_what_is_for_its_own_kind_of_place(tmp_path: Path) -> None:
    store = Store(store_url(tmp_path))
    await store.open()
    try:
        one, two = replace(said("1", ANA), id="1" * 26), replace(said("2", ANA), id="2" * 26)
        person_there = Place("libera", LIBERA.native, PlaceKind.USER)
        both = [Delivery(one, LIBERA, 1), Delivery(two, person_there, 1)]
        await store.write(partial(events.record, events=[one, two], deliveries=both, received=1.0))
        for place, event in ((LIBERA, one), (person_there, two)):
            waiting = await store.read(partial(deliveries.waiting, place=place, after=-1, most=10))
            assert [each.event.id for each in waiting] == [event.id]
    finally:
        await store.close()


@pytest.mark.conforms("RFC3860:3.4.1:1")
async def test_another_spelling_of_somebody_is_nobody(tmp_path: Path) -> None:
    class Folding(LoopbackFactory):
        def person(self, native: str, settings: object) -> str:
            return native.lower()

    nets = with_ana_at_home()
    settings = config(tmp_path, nets)
    folded = {
        name: replace(at, factory=Folding(nets[name])) if name == "libera" else at
        for name, at in settings.networks.items()
    }
    service = Service(replace(settings, networks=folded))
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    await nets["home"].started.wait()
    try:
        refused = await refusal(nets, private("x", ANA, Address("libera", "KESTREL")))
        assert refused.reason is Reason.ITEM_NOT_FOUND
        await nets["home"].core.accept(private("x", ANA, Address("libera", "kestrel")))
        await nets["libera"].until(lambda: len(nets["libera"].sent) == 1)
    finally:
        stop.set()
        await task


async def test_the_trouble_of_one_speaker_holds_up_nobody_else(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    nets["home"].at_home_here.add("bo")
    libera = nets["libera"]

    async def meet(place: Place, who: Person) -> Voice:
        if who == ANA:
            raise SendError.passing(Reason.RESOURCE_CONSTRAINT, "busy")
        return Voice.PUPPET

    libera.meet = meet  # type: ignore[assignment, method-assign]  # the trouble is the test's
    async with running(tmp_path, nets):
        home = nets["home"].core
        await home.accept(private("1", ANA, KESTREL.address), private("2", ANA, KESTREL.address))
        await home.accept(private("3", person("bo"), KESTREL.address))
        await libera.until(lambda: [part.text.text for part in libera.sent] == ["3"])


async def test_deny_holds_for_what_waits(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        nets["libera"].core.offline(AWAY)
        await nets["home"].core.accept(private("psst", ANA, KESTREL.address))
    again = networks()
    async with running(tmp_path, again, Rules(deny=(Pattern.parse("home:ana"),))):
        await again["home"].until(lambda: len(again["home"].notices) == 1)
        assert not again["libera"].sent


async def test_of_a_network_that_is_taken_away_the_sender_is_told(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        nets["libera"].core.offline(AWAY)
        await nets["home"].core.accept(private("psst", ANA, KESTREL.address))
    again = networks()
    del again["libera"]
    async with running(tmp_path, again):
        await again["home"].until(lambda: len(again["home"].notices) == 1)
        assert "attached to that network no more" in again["home"].notices[0].text


async def test_two_people_with_the_same_tag_do_not_end_the_intake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.lanes, "PRIVATE_LANES", 1)
    monkeypatch.setattr(bridge.lanes, "tag", lambda place: "00000000")
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        for number in range(5):
            await nets["home"].core.accept(private(str(number), ANA, Address("libera", f"friend{number}")))
            await nets["libera"].until(lambda number=number: len(nets["libera"].sent) == number + 1)  # type: ignore[misc]  # bound now


async def test_what_cannot_be_remembered_does_not_end_the_intake(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("1", ANA), remember={"since": "\ud800"})
        await nets["home"].core.accept(said("2", ANA))
        await nets["office"].until(lambda: [part.text.text for part in nets["office"].sent] == ["1", "2"])


async def test_a_conversation_that_cannot_be_read_back_bars_no_start(tmp_path: Path) -> None:
    async with running(tmp_path, networks()):
        pass
    store = Store(store_url(tmp_path))
    await store.open()
    row = {"one": "home:x", "other": "libera:x\ny", "last": 1e12}
    await store.write(lambda connection: connection.execute(insert(conversation), row))
    await store.close()
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(private("psst", ANA, KESTREL.address))
        await nets["libera"].until(lambda: len(nets["libera"].sent) == 1)


def test_a_message_that_was_not_taken_in_opens_no_conversation() -> None:
    rules = Rules()
    talks = Conversations(rules, networks(), in_rooms=lambda address: address == ANA.address)
    event = private("x", ANA, KESTREL.address)
    assert talks.route(event).targets
    assert talks.route(private("answer", KESTREL, ANA.address)).refusal
    talks.opened(event)
    assert talks.route(private("answer", KESTREL, ANA.address)).targets
    talks.keep([])
    assert talks.route(private("answer", KESTREL, ANA.address)).refusal


def test_who_left_the_rooms_may_go_on_to_watch_and_who_is_let_in_no_more_may_not() -> None:
    def talks(rules: Rules, *known: tuple[Address, Address], inside: bool = False) -> Conversations:
        return Conversations(rules, networks(), in_rooms=lambda address: inside, known=known)

    def may(talks: Conversations) -> tuple[bool, bool]:
        return talks.may_watch(ANA.address, KESTREL.address), talks.may_still_watch(ANA.address, KESTREL.address)

    assert may(talks(Rules(), inside=True)) == (True, True)
    assert may(talks(Rules())) == (False, True)
    elsewhere = Rules(use=(Pattern("*@elsewhere.example"),))
    assert may(talks(elsewhere, inside=True)) == (False, False)
    assert may(talks(elsewhere, pair(ANA.address, KESTREL.address))) == (True, True), "who talks with them sees them"
    assert may(talks(Rules(deny=(Pattern("libera:kestrel"),)), pair(ANA.address, KESTREL.address))) == (False, False)
    assert not talks(Rules(), inside=True).may_still_watch(ANA.address, Address("home", "bo"))


async def test_whoever_is_called_like_a_pattern_is_nobody_to_be_let_in_by_name(tmp_path: Path) -> None:
    """A JID may be ``*@example.org``. Whoever is asked about it, and answers as they are told to, would let in all."""
    nets = networks()
    star = person("*@example.org", "office")
    nets["office"].at_home_here.add(star.address.native)
    nets["home"].at_home_here.add("ana")
    asking = Rules(people=(Policy(Pattern("*"), RuleKind.ACCESS, "*", Decision.CONFIRM),))
    async with running(tmp_path, nets, asking):
        response = await nets["office"].core.subscribe(Subscribe(star.address, ANA.address, None, "one", "trans"))
        assert response.failure is not None
        assert response.failure.reason is Reason.ITEM_NOT_FOUND
        assert (await refusal(nets, private("psst", ANA, star.address))).reason is Reason.ITEM_NOT_FOUND
        assert [text for _, text in nets["home"].told if "would like to see" in text] == []
