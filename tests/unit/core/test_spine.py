"""The core as a whole, over networks in memory: what comes in once goes out once, in order, by the right voice."""

import asyncio
import secrets
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bridge.capabilities import Ordering
from bridge.contract import SendError, StartError, Voice
from bridge.delivery import mint, minted_at, parse_part_id, part_id
from bridge.model.address import Address, Person
from bridge.model.event import Cause, Joined, Left, PuppetGone, Renamed, Roster, TopicSet
from bridge.model.message import Message, Text
from bridge.model.native import bounded
from bridge.model.result import Failure, Reason, Receipt
from bridge.rules import Pattern, Rules
from bridge.service import Service
from bridge.store import codec
from tests.unit.core.bench import HOME, LIBERA, OFFICE, config, person, running, said
from tests.unit.core.loopback import Asking, Loopback, confirm

ANA = person("Ana")
BO = person("Bo", "office")


def networks() -> dict[str, Loopback]:
    return {"home": Loopback(), "office": Loopback(), "libera": Loopback(Ordering.SPEAKER)}


def texts(adapter: Loopback) -> list[str]:
    return [str(part.text) for part in adapter.sent]


def heard(adapter: Loopback, count: int) -> bool:
    return len(adapter.sent) == count


def ended(service: Service, network: str, state: str) -> int:
    counts = service.status()["counts"]
    return int(counts.get(f"rialto_deliveries_ended_total{{network={network},state={state}}}", 0))


async def test_what_is_said_reaches_the_others_by_a_puppet_and_not_its_own_place(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(Joined(HOME, ANA), said("hello", ANA))
        for other in (nets["office"], nets["libera"]):
            await other.until(partial(heard, other, 1))
            part = other.sent[0]
            assert (part.voice, part.speaker.name, str(part.text)) == (Voice.PUPPET, "Ana", "hello")
            assert other.log[0] == "join Ana"
        assert nets["home"].sent == []


@pytest.mark.conforms("RFC2779:2.5.2", "RFC2779:5.4.2")
async def test_the_same_origin_is_taken_in_once(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("once", ANA, native_id="$1"), said("once", ANA, native_id="$1"))
        await nets["home"].core.accept(said("once", ANA, native_id="$1"), said("twice", ANA, native_id="$2"))
        await nets["office"].until(lambda: len(nets["office"].sent) >= 2)
        assert texts(nets["office"]) == ["once", "twice"]


@pytest.mark.conforms("RFC3860:3.1:id")
async def test_an_id_of_ten_thousand_bytes_is_known_again_like_any_other(tmp_path: Path) -> None:
    """Strangers may choose it; so may who confirms."""
    before, after = networks(), networks()
    long = secrets.token_hex(5000)
    before["libera"].answer = lambda part: Receipt(secrets.token_hex(5000))
    async with running(tmp_path, before) as service:
        core = before["home"].core
        await core.accept(said("one", ANA, native_id=long), said("two", ANA, native_id=f"{long}2"))
        await core.accept(said("one", ANA, native_id=long))
        await before["libera"].until(partial(heard, before["libera"], 2))
        await before["office"].until(lambda: ended(service, "libera", "confirmed") == 2)
        assert {len(part.source) for part in before["libera"].sent} == {len(bounded(long))}
        assert service.status()["counts"].get("rialto_events_quarantined_total{network=home}", 0) == 0
        sources = [part.source for part in before["libera"].sent]
    async with running(tmp_path, after) as service:
        await after["home"].core.accept(said("one", ANA, native_id=long), said("fence", ANA))
        await after["libera"].until(partial(heard, after["libera"], 1))
        assert texts(after["libera"]) == ["fence"]
        found = await service.story(f"{long}2")
        assert [each["native_id"] for each in found] == [sources[1]]


async def test_the_same_origin_is_taken_in_once_over_a_restart(tmp_path: Path) -> None:
    before, after = networks(), networks()
    async with running(tmp_path, before):
        await before["home"].core.accept(said("once", ANA, native_id="$1"))
        await before["office"].until(lambda: texts(before["office"]) == ["once"])
    async with running(tmp_path, after):
        await after["home"].core.accept(said("once", ANA, native_id="$1"), said("fence", ANA, native_id="$2"))
        await after["office"].until(lambda: "fence" in texts(after["office"]))
    assert texts(after["office"]) == ["fence"]


async def test_a_hundred_lines_keep_their_order_everywhere(tmp_path: Path) -> None:
    nets = networks()
    nets["home"].ordering = Ordering.SERIAL
    async with running(tmp_path, nets):
        lines = [f"line {number}" for number in range(100)]
        for line in lines:
            await nets["office"].core.accept(said(line, BO, OFFICE))
        for other in (nets["home"], nets["libera"]):
            await other.until(partial(heard, other, 100))
            assert texts(other) == lines


async def test_bye_and_leave_at_once_the_line_is_said_by_the_puppet_before_it_goes(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        core = nets["office"].core
        await core.accept(Roster(OFFICE, (BO,)))
        await nets["libera"].until(lambda: "join Bo" in nets["libera"].log)
        nets["libera"].answer = lambda part: None
        await core.accept(said("bye", BO, OFFICE), Left(OFFICE, BO.address))
        await nets["libera"].until(lambda: nets["libera"].sent != [])
        assert nets["libera"].sent[0].voice is Voice.PUPPET
        assert "leave Bo" not in nets["libera"].log
        for future in nets["libera"].open.values():
            future.set_result(Receipt("x"))
        await nets["libera"].until(lambda: "leave Bo" in nets["libera"].log)


async def test_who_speaks_again_while_their_puppet_is_leaving_gets_it_back_first(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        await nets["office"].core.accept(Roster(OFFICE, (BO,)))
        await nets["libera"].until(lambda: "join Bo" in nets["libera"].log)
        nets["libera"].leave_gate.clear()
        await nets["office"].core.accept(Left(OFFICE, BO.address))
        await nets["libera"].until(lambda: "leaving Bo" in nets["libera"].log)
        await nets["office"].core.accept(Joined(OFFICE, BO), said("back", BO, OFFICE))
        nets["libera"].leave_gate.set()
        await nets["libera"].until(lambda: nets["libera"].sent != [])
        assert nets["libera"].log[1:] == ["leaving Bo", "leave Bo", "join Bo", "send Bo: back"]
        assert nets["libera"].sent[0].voice is Voice.PUPPET


async def test_who_spoke_without_being_seen_before_gets_a_puppet_first(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(Roster(HOME, ()), said("hi", ANA))
        await nets["office"].until(lambda: "leave Ana" in nets["office"].log)
        assert nets["office"].log == ["join Ana", "send Ana: hi", "leaving Ana", "leave Ana"]


async def test_beyond_the_limit_of_puppets_the_bot_speaks_with_the_name(tmp_path: Path) -> None:
    nets = networks()
    nets["libera"].limit = 0
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("hello", ANA))
        await nets["libera"].until(lambda: nets["libera"].sent != [])
        part = nets["libera"].sent[0]
        assert part.voice is Voice.BOT
        assert str(part.text).startswith("<A")
        assert str(part.text).endswith("na> hello")


async def test_renames_follow_and_never_overtake(tmp_path: Path) -> None:
    nets = networks()
    renamed = Person(ANA.address, "Anna")
    async with running(tmp_path, nets):
        core = nets["home"].core
        await core.accept(Roster(HOME, (ANA,)), said("one", ANA), Renamed(HOME, renamed), said("two", renamed))
        await nets["office"].until(lambda: len(nets["office"].sent) == 2)
        log = nets["office"].log
        assert log.index("send Ana: one") < log.index("rename Ana to Anna") < log.index("send Anna: two")


async def test_a_kicked_puppet_stays_out_its_person_is_told_and_comes_back_after_rejoining(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(Roster(HOME, (ANA,)))
        await nets["libera"].until(lambda: "join Ana" in nets["libera"].log)
        nets["libera"].puppets.clear()
        await nets["libera"].core.accept(PuppetGone(LIBERA, ANA.address, Cause.KICKED, "noise", "op"))
        await nets["home"].until(lambda: any("removed there by op: noise" in text for _, text in nets["home"].told))
        await nets["home"].core.accept(said("anyone?", ANA))
        await nets["home"].until(lambda: len(nets["home"].told) == 2)
        assert "Not delivered to #tea on libera: you were removed there by op: noise." in nets["home"].told[1][1]
        assert nets["libera"].sent == []
        await nets["home"].core.accept(Left(HOME, ANA.address), Joined(HOME, ANA), said("back", ANA))
        await nets["libera"].until(lambda: texts(nets["libera"]) == ["back"])


async def test_a_kick_holds_over_a_restart(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(Roster(HOME, (ANA,)))
        await nets["libera"].until(lambda: "join Ana" in nets["libera"].log)
        await nets["libera"].core.accept(PuppetGone(LIBERA, ANA.address, Cause.BANNED, None, "op"))
    nets = networks()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(Roster(HOME, (ANA,)), said("still here", ANA))
        await nets["office"].until(lambda: nets["office"].sent != [])
        await nets["home"].until(lambda: nets["home"].told != [])
        assert nets["libera"].sent == []
        assert nets["libera"].log == []


@pytest.mark.conforms("RFC2779:4.2.1", "RFC2779:5.4.1", "RFC3860:3.4.1:4:failure")
async def test_a_permanent_failure_is_told_to_the_sender_and_the_lane_goes_on(tmp_path: Path) -> None:
    nets = networks()
    refuse = SendError.permanent(Reason.FORBIDDEN, "the channel is moderated")
    nets["libera"].answer = lambda part: refuse if "one" in part.text.text else confirm(part)
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("one", ANA), said("two", ANA))
        await nets["libera"].until(lambda: texts(nets["libera"]) == ["one", "two"])
        await nets["home"].until(lambda: nets["home"].told != [])
        assert nets["home"].told == [(ANA, "Not delivered to #tea on libera: the channel is moderated.")]


@pytest.mark.conforms("RFC3860:3.4.1:4:later")
async def test_what_was_in_flight_when_the_connection_broke_is_asked_after_and_only_the_rest_sent_again(
    tmp_path: Path,
) -> None:
    nets = networks()
    office = nets["office"] = Asking()
    office.answer = lambda part: None
    async with running(tmp_path, nets):
        await nets["home"].core.accept(*(said(f"line {number}", ANA) for number in range(4)))
        await office.until(lambda: len(office.sent) == 4)
        office.arrived = {office.sent[0].id, office.sent[1].id}
        office.answer = confirm
        office.lose()
        await office.until(lambda: len(office.sent) == 6)
        assert texts(office)[4:] == ["line 2", "line 3"]
        assert [part.id for part in office.sent[4:]] == [part.id for part in office.sent[2:4]]


async def test_what_was_in_flight_at_a_crash_is_asked_after_at_the_next_start(tmp_path: Path) -> None:
    nets = networks()
    first = nets["office"] = Asking()
    first.answer = lambda part: None
    async with running(tmp_path, nets) as service:
        await nets["home"].core.accept(said("arrived", ANA), said("lost", ANA), said("later", ANA))
        await first.until(lambda: len(first.sent) == 3)
        await nets["libera"].until(lambda: ended(service, "libera", "confirmed") == 3)
    nets = networks()
    second = nets["office"] = Asking()
    second.arrived = {first.sent[0].id}
    async with running(tmp_path, nets):
        await second.until(lambda: len(second.sent) == 2)
        assert texts(second) == ["lost", "later"]
        assert second.asked == [part.id for part in first.sent]
        assert nets["libera"].sent == [], "what was confirmed elsewhere is not repeated there"


@pytest.mark.conforms("RFC3860:3.4.1:4:indeterminant")
async def test_without_asking_what_was_in_flight_is_sent_once_more_and_counted_uncertain(tmp_path: Path) -> None:
    nets = networks()
    nets["libera"].answer = lambda part: None
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("perhaps", ANA))
        await nets["libera"].until(lambda: nets["libera"].sent != [])
    nets = networks()
    async with running(tmp_path, nets) as service:
        await nets["libera"].until(lambda: texts(nets["libera"]) == ["perhaps"])
        await nets["libera"].until(lambda: ended(service, "libera", "uncertain") == 1)


@pytest.mark.conforms("RFC3860:3.4.1:4:success")
async def test_what_somebody_saw_to_being_sent_once_is_confirmed_however_often_it_was_tried(tmp_path: Path) -> None:
    nets = networks()
    nets["libera"].answer = lambda part: None
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("surely", ANA))
        await nets["libera"].until(lambda: nets["libera"].sent != [])
        (first,) = nets["libera"].sent
    nets = networks()
    nets["libera"].answer = lambda part: Receipt("native", once=True)
    async with running(tmp_path, nets) as service:
        await nets["libera"].until(lambda: ended(service, "libera", "confirmed") == 1)
        (again,) = nets["libera"].sent
        assert (again.id, again.accepted) == (first.id, first.accepted)
        assert first.accepted > 0
        assert ended(service, "libera", "uncertain") == 0


async def test_while_a_network_is_offline_its_lanes_wait_and_nothing_fails(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        nets["libera"].core.offline(Failure(Reason.REMOTE_SERVER_TIMEOUT, "away"))
        await nets["home"].core.accept(said("one", ANA), said("two", ANA))
        await nets["office"].until(lambda: len(nets["office"].sent) == 2)
        assert nets["libera"].sent == []
        nets["libera"].core.online()
        await nets["libera"].until(lambda: texts(nets["libera"]) == ["one", "two"])
        assert nets["home"].told == []


async def test_a_reconnect_brings_the_puppets_back(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(Roster(HOME, (ANA,)))
        await nets["libera"].until(lambda: nets["libera"].log == ["join Ana"])
        nets["libera"].core.offline(Failure(Reason.REMOTE_SERVER_TIMEOUT, "away"))
        nets["libera"].puppets.clear()
        nets["libera"].core.online()
        await nets["libera"].until(lambda: nets["libera"].log == ["join Ana", "join Ana"])


async def test_the_topic_follows_and_what_is_read_back_does_not_travel(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        await nets["office"].core.accept(TopicSet(OFFICE, "old", initial=True))
        await nets["home"].core.accept(TopicSet(HOME, "a long topic", ANA))
        await nets["libera"].until(lambda: nets["libera"].topics == [(LIBERA, "a long topic")])
        await nets["office"].until(lambda: nets["office"].topics == [(OFFICE, "a long topic")])
        await nets["libera"].core.accept(TopicSet(LIBERA, "a long", own=True))
        await nets["home"].core.accept(said("fence", ANA))
        await nets["office"].until(lambda: nets["office"].sent != [])
        assert nets["home"].topics == []
    nets = networks()
    async with running(tmp_path, nets):
        await nets["libera"].core.accept(TopicSet(LIBERA, "a long", initial=True))
        await nets["office"].core.accept(TopicSet(OFFICE, "changed meanwhile", initial=True))
        await nets["libera"].until(lambda: nets["libera"].topics == [(LIBERA, "changed meanwhile")])
        assert nets["home"].topics == [(HOME, "changed meanwhile")]


async def test_who_is_denied_is_told_and_gets_no_puppet(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets, Rules(deny=(Pattern.parse("home:ana"),))):
        await nets["home"].core.accept(Roster(HOME, (ANA, person("Cy"))), said("hello", ANA))
        await nets["home"].until(lambda: nets["home"].told != [])
        assert nets["home"].told == [(ANA, "Not delivered: you may not speak through this bridge.")]
        await nets["office"].until(lambda: "join Cy" in nets["office"].log)
        assert nets["office"].log == ["join Cy"]
        assert nets["office"].sent == []


async def test_a_person_in_two_places_of_a_room_has_no_puppet_beside_them(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        # The same address is natively in both: nothing to add in either.
        await nets["home"].core.accept(Joined(HOME, ANA), Joined(OFFICE, ANA))
        await nets["libera"].until(lambda: "join Ana" in nets["libera"].log)
        assert "join Ana" not in nets["home"].log


@pytest.mark.conforms("RFC2779:2.1.4")
async def test_ownership_of_bare_domains_is_for_ever(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        pass
    changed = config(tmp_path, networks())
    renamed = replace(changed.networks["home"], name="house")
    others = {"house": renamed, "office": changed.networks["office"]}
    with pytest.raises(StartError, match="'home' owned the bare matrix domains"):
        await Service(replace(changed, networks=others, rooms=())).run(asyncio.Event())


async def test_one_poisoned_event_does_not_stop_the_others(tmp_path: Path) -> None:
    nets = networks()
    poison = said("\ud800", Person(Address("home", "ana"), "Ana"))
    async with running(tmp_path, nets) as service:
        await nets["home"].core.accept(said("before", ANA), poison, said("after", ANA))
        await nets["office"].until(lambda: texts(nets["office"]) == ["before", "after"])
        assert service.status()["counts"]["rialto_events_quarantined_total{network=home}"] == 1


async def test_a_message_too_long_for_the_place_is_refused_and_told(tmp_path: Path) -> None:
    nets = networks()
    async with running(tmp_path, nets):
        await nets["home"].core.accept(said("x" * 20_000, ANA), said("short", ANA))
        await nets["libera"].until(lambda: texts(nets["libera"]) == ["short"])
        await nets["home"].until(lambda: len(nets["home"].told) == 2)
        assert all("Not delivered to" in text for _, text in nets["home"].told)


def test_parts_have_the_same_id_at_every_attempt_and_no_other() -> None:
    first, second = mint(1000.0), mint(1000.001)
    assert first < second
    assert minted_at(first) == 1000.0
    assert parse_part_id(part_id(first, HOME, 3))[::2] == (first, 3)
    assert part_id(first, HOME, 0) != part_id(first, OFFICE, 0)
    with pytest.raises(ValueError, match="not the id of a part"):
        parse_part_id("something else")


def test_content_survives_the_store() -> None:
    message = Message(Text("hi"), replaces="$1")
    assert codec.decode(codec.encode(message)) == message
