"""Memberships as model values."""

from typing import Any

import pytest

from adapters.matrix.inbound import Change, Outcome
from adapters.matrix.members import member_event
from bridge.model.address import Address, Person
from bridge.model.event import Cause, Event, Joined, Left, Origin, PuppetGone, Renamed
from bridge.model.message import Kick
from tests.unit.matrix.scenes import ANA, KESTREL, LOBBY, OURS, member, scene

BO = "@bo:matrix.org"
HOME_BO, HOME_ANA, IRC_KESTREL = Address("home", BO), Address("home", ANA), Address("libera", "kestrel")


@pytest.mark.parametrize(
    ("pdu", "outcome"),
    [
        (
            member(BO, "join", displayname="Bo \u202e Li"),
            Outcome((Joined(LOBBY, Person(HOME_BO, "Bo Li")),), change=Change(BO, "Bo Li")),
        ),
        (member(BO, "join"), Outcome((Joined(LOBBY, Person(HOME_BO, "bo")),), change=Change(BO, "bo"))),
        (
            member(ANA, "join", before="join", displayname="Ana Lima"),
            Outcome((Renamed(LOBBY, Person(HOME_ANA, "Ana Lima")),), change=Change(ANA, "Ana Lima")),
        ),
        (
            member(ANA, "join", before="join", displayname="Ana", avatar_url="mxc://x/y"),
            Outcome(ignored="profile change", change=Change(ANA, "Ana")),
        ),
        (
            member(KESTREL, "join", displayname="kestrel"),
            Outcome(ignored="own membership", change=Change(KESTREL, "kestrel")),
        ),
        (
            member(ANA, "leave", before="join", reason="bye\x00"),
            Outcome((Left(LOBBY, HOME_ANA, Cause.LEFT, "bye\ufffd"),), change=Change(ANA, None)),
        ),
        (member(BO, "leave", before="invite"), Outcome(ignored="invitation", change=Change(BO, None))),
        (member(BO, "leave", ANA, before="ban"), Outcome(ignored="ban lifted", change=Change(BO, None))),
        (member(BO, "leave"), Outcome((Left(LOBBY, HOME_BO),), change=Change(BO, None))),
        (member(BO, "invite", ANA), Outcome(ignored="invitation")),
        (member(KESTREL, "invite", ANA), Outcome(ignored="invitation", invited=KESTREL)),
        (member(KESTREL, "invite", OURS.bot_id), Outcome(ignored="invitation")),
        (member(OURS.bot_id, "invite", ANA), Outcome(ignored="invitation", invited=OURS.bot_id)),
        (member(BO, "knock"), Outcome(ignored="knock")),
        (member(OURS.bot_id, "leave", ANA), Outcome(ignored="own membership", change=Change(OURS.bot_id, None))),
        (
            member(KESTREL, "leave", before="join"),
            Outcome((PuppetGone(LOBBY, IRC_KESTREL, Cause.LEFT),), change=Change(KESTREL, None)),
        ),
        (
            member(KESTREL, "leave", OURS.bot_id, before="join"),
            Outcome(ignored="own membership", change=Change(KESTREL, None)),
        ),
        (
            member(KESTREL, "ban", ANA, before="leave", reason="spam"),
            Outcome((PuppetGone(LOBBY, IRC_KESTREL, Cause.BANNED, "spam", "Ana"),), change=Change(KESTREL, None)),
        ),
        (
            member(ANA, "leave", OURS.bot_id, before="join"),
            Outcome((Left(LOBBY, HOME_ANA, Cause.KICKED, None, "rialto"),), change=Change(ANA, None)),
        ),
        (member(ANA, "vanished"), Outcome(ignored="malformed event")),
        (member("nobody", "join", ANA), Outcome(ignored="malformed event")),
    ],
)
def test_memberships(pdu: Any, outcome: Outcome) -> None:
    assert member_event(pdu, scene()) == outcome


@pytest.mark.parametrize(("membership", "banned"), [("leave", False), ("ban", True)])
@pytest.mark.parametrize(("target", "address", "name"), [(KESTREL, IRC_KESTREL, "kestrel"), (BO, HOME_BO, "Bo")])
def test_a_kick_is_an_event_and_an_absence(
    membership: str, banned: bool, target: str, address: Address, name: str
) -> None:
    pdu = member(target, membership, ANA, before="join", reason="enough")
    outcome = member_event(pdu, scene(people={ANA: "Ana", BO: "Bo"}))
    kick, gone = outcome.items
    assert kick == Event(
        Origin("home", "$event"),
        LOBBY,
        Person(HOME_ANA, "Ana"),
        1_700_000_000.123,
        Kick(address, name, "enough", banned),
    )
    made = PuppetGone if target == KESTREL else Left
    assert gone == made(LOBBY, address, Cause.BANNED if banned else Cause.KICKED, "enough", "Ana")
    assert outcome.change == Change(target, None)


def test_our_own_departure_is_no_news() -> None:
    """The adapter takes a puppet off before it leaves; the echo finds it gone."""
    assert member_event(member(KESTREL, "leave", before="join"), scene(puppets={})).items == ()
