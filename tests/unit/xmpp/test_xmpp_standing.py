"""Whose stand-in somebody is: what is written and read of it, hostile input included, and what rooms make of it."""

from functools import partial
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.xmpp import ids, outbound
from adapters.xmpp.account.adapter import AccountAdapter
from adapters.xmpp.account.settings import AccountSettings
from adapters.xmpp.adapter import XmppAdapter
from adapters.xmpp.identities import Identities
from adapters.xmpp.presence import Appearance
from adapters.xmpp.rooms import Room
from adapters.xmpp.sanitise import attribute, checked
from adapters.xmpp.settings import XmppSettings
from adapters.xmpp.standing import GATEWAY, NOBODY, TAG, Mark, read, usable
from bridge.contract import IDENTITY_BYTES
from bridge.model.address import Address, Person
from bridge.model.event import HOPS, Event, Joined, Left, Renamed, Roster
from bridge.model.message import Text
from tests.networks.xmpp.xmpp_lab import CONTEXT
from tests.unit.xmpp.folk import KESTREL, PUPPET, Folk, message
from tests.unit.xmpp.muc import BOT, DOMAIN, ROOM, Muc

KES = "irc:LabNet/kestrel"
STAND_IN = Mark(of=KES).element()

IDENTITIES = st.from_regex(r"[a-z][a-z0-9]{0,15}:[^\s]{1,80}", fullmatch=True).filter(usable)


def stanza(payload: str, name: str = "message") -> str:
    return f"<{name} xmlns='jabber:component:accept' from='{ROOM}/x' id='1'>{payload}</{name}>"


def spoken(muc: Muc) -> list[Event]:
    return [item for item in muc.link.taken() if isinstance(item, Event)]


# What is written and read


@given(IDENTITIES | st.just(""), st.booleans(), st.none() | st.integers(0, HOPS))
def test_what_is_written_is_read_again(of: str, gateway: bool, hops: int | None) -> None:
    mark = Mark(of, gateway, hops)
    text = stanza(mark.element())
    checked(text)
    assert read(fromstring(text)) == mark


@given(st.text(st.characters(codec="utf-8"), max_size=600))
def test_nothing_but_an_identity_is_ever_written_and_no_text_breaks_the_stanza(text: str) -> None:
    written = stanza(Mark(of=text).element())
    checked(written)
    assert read(fromstring(written)).of in ("", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "irc",
        "irc:",
        ":kestrel",
        "IRC:x",
        "irc:two words",
        "irc:line\nbreak",
        "irc:bell\x07",
        "irc:\u202ekes",
        "x" * 9,
        "irc:" + "x" * IDENTITY_BYTES,
        "irc:" + "\u2603" * (IDENTITY_BYTES // 3),
    ],
)
def test_what_is_no_identity_is_not_said_at_all(text: str) -> None:
    assert usable(text) == ""
    assert Mark(of=text).element() == ""


def test_the_longest_identity_is_said() -> None:
    text = "irc:" + "x" * (IDENTITY_BYTES - 4)
    assert read(fromstring(stanza(Mark(of=text).element()))).of == text


@pytest.mark.parametrize(
    ("hops", "left"),
    [
        ("0", 0),
        ("7", 7),
        ("20", HOPS),
        ("99", HOPS),
        ("999999", HOPS),
        ("-1", 0),
        ("-999999", 0),
        ("", None),
        ("many", None),
        ("1e3", None),
        ("9" * 5000, None),
        ("\u0663", None),
        ("3 ", None),
    ],
)
def test_nobody_can_make_a_message_go_further_than_any_other_may(hops: str, left: int | None) -> None:
    assert read(fromstring(stanza(f"<stand-in xmlns='{TAG[1:].partition('}')[0]}' hops='{hops}'/>"))).hops == left


@given(
    st.lists(
        st.tuples(st.sampled_from(["of", "gateway", "hops", "other"]), st.text(st.characters(codec="utf-8"))),
        unique_by=lambda pair: pair[0],
    )
)
def test_whatever_strangers_write_is_read_within_bounds(attributes: list[tuple[str, str]]) -> None:
    said = "".join(f' {key}="{attribute(value)}"' for key, value in attributes)
    mark = read(fromstring(stanza(f"<stand-in xmlns='org.rialto.bridge:stand-in'{said}><a/>text</stand-in>")))
    assert mark.of == usable(mark.of)
    assert mark.hops is None or 0 <= mark.hops <= HOPS


def test_of_another_namespace_it_says_nothing() -> None:
    assert read(fromstring(stanza(f"<stand-in xmlns='other' of='{KES}' hops='3' gateway='true'/>"))) == NOBODY


# What ours say of themselves


async def test_ours_say_whose_stand_ins_they_are_whenever_they_show_themselves() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    kestrel = muc.puppet("kestrel")
    muc.room.owns.mark(kestrel, Mark(of=KES))
    muc.enter(kestrel, "Kestrel")
    muc.room.appear(kestrel, Appearance(show="away"))
    muc.room.change_nick(kestrel, "Falcon")
    shown = [found for each in muc.link.written if (found := fromstring(each)).tag == "presence"]
    assert [(each.get("from"), read(each)) for each in shown] == [(BOT, GATEWAY)] + 3 * [(kestrel.jid, Mark(of=KES))]


async def test_one_that_learns_later_whom_it_stands_for_says_so_then() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    kestrel = muc.puppet("kestrel")
    muc.enter(kestrel, "Kestrel")
    muc.link.written.clear()
    assert not muc.room.appear(kestrel, kestrel.wears)
    muc.room.owns.mark(kestrel, Mark(of=KES))
    assert muc.room.appear(kestrel, kestrel.wears)
    assert read(fromstring(muc.link.written[-1])) == Mark(of=KES)
    assert not muc.room.appear(kestrel, kestrel.wears)


async def test_lines_say_for_whom_they_are_said_and_how_far_they_may_go() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.room.say(muc.bot, "e1-0", Text("<kestrel> hi"), Mark(of=KES, hops=19))
    assert read(fromstring(muc.link.written[-1])) == Mark(of=KES, hops=19)


def test_what_contacts_are_shown_says_nothing_of_it() -> None:
    assert TAG not in {child.tag for child in fromstring(outbound.appear(PUPPET, "ana@example.org", Appearance()))}


# What others say of themselves


async def test_a_stand_in_is_known_for_one_by_its_presence_and_may_become_one_later() -> None:
    muc = Muc()
    muc.room.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "Kestrel", jid="k@other.example.org/x", extra=STAND_IN)
    muc.presence(muc.bot, "rialto", "110")
    muc.line("", "<subject/>")
    roster = next(item for item in muc.link.taken() if isinstance(item, Roster))
    assert [person.stands_for for person in roster.people] == [KES]
    muc.body("Kestrel", "caw")
    assert spoken(muc)[0].sender.stands_for == KES

    muc.presence(muc.bot, "Merlin", jid="m@other.example.org/x")
    muc.presence(muc.bot, "Merlin", jid="m@other.example.org/x", extra=Mark(of="irc:LabNet/merlin").element())
    muc.presence(muc.bot, "Merlin", jid="m@other.example.org/x", extra=Mark(of="irc:LabNet/merlin").element())
    muc.presence(muc.bot, "Merlin", jid="m@other.example.org/x")
    states = muc.link.taken()
    assert all(isinstance(item, Joined) for item in states)
    assert [item.person.stands_for for item in states if isinstance(item, Joined)] == ["", "irc:LabNet/merlin", ""]


@pytest.mark.parametrize("jid", ["gate@example.net/x", ""])
async def test_a_gateway_is_nobodys_member_and_is_listened_to(jid: str) -> None:
    muc = Muc()
    muc.room.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "other gate", jid=jid, occ="o1", extra=GATEWAY.element())
    muc.presence(muc.bot, "rialto", "110")
    muc.line("", "<subject/>")
    roster = next(item for item in muc.link.taken() if isinstance(item, Roster))
    assert roster.people == ()
    muc.body("other gate", "I am told that ...")
    muc.line("other gate", f"<body>caw</body>{Mark(of=KES, hops=5).element()}", mid="0123456789abcdef-2")
    events = spoken(muc)
    expected = Address("office", jid.partition("/")[0] or f"{ROOM}/o1")
    assert [event.sender.address for event in events] == [expected, expected]
    assert [(event.sender.stands_for, event.hops) for event in events] == [("", HOPS), (KES, 5)]
    muc.presence(muc.bot, "other gate", "303", gone=True, jid=jid, occ="o1", new="gate")
    muc.presence(muc.bot, "gate", jid=jid, occ="o1", extra=GATEWAY.element())
    muc.presence(muc.bot, "gate", gone=True, jid=jid, occ="o1")
    assert muc.link.taken() == []


async def test_whoever_turns_out_to_be_a_gateway_goes_and_comes_back_as_a_person() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.link.taken()
    seen: list[type] = []
    for mark in (NOBODY, GATEWAY, GATEWAY, NOBODY):
        muc.presence(muc.bot, "gate", jid="g@example.net/x", extra=mark.element())
        seen += [type(item) for item in muc.link.taken()]
    assert seen == [Joined, Left, Joined]


async def test_a_person_stays_a_member_beside_a_gateway_of_theirs() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.link.taken()
    muc.presence(muc.bot, "gate", jid="g@example.net/bot", extra=GATEWAY.element())
    muc.presence(muc.bot, "Gil", jid="g@example.net/phone")
    muc.presence(muc.bot, "Gil", "303", gone=True, jid="g@example.net/phone", new="Gilda")
    muc.presence(muc.bot, "Gilda", jid="g@example.net/phone")
    muc.presence(muc.bot, "Gilda", gone=True, jid="g@example.net/phone")
    assert [type(item) for item in muc.link.taken()] == [Joined, Renamed, Left]


async def test_the_line_itself_says_in_history_whose_it_was() -> None:
    muc = Muc()
    muc.room.enter(muc.bot, "rialto", since=0.0)
    muc.presence(muc.bot, "rialto", "110")
    muc.line("Kestrel", f"<body>caw</body>{STAND_IN}", sid="s1", stamp="2026-01-01T00:00:00Z")
    assert spoken(muc)[0].sender.stands_for == KES


@pytest.mark.conforms("RFC3860:3.4.2:carried")
def test_what_is_said_in_private_goes_no_further_than_it_may() -> None:
    folk = Folk()
    folk.people.message(message(f"<body>hi</body>{Mark(hops=4).element()}"))
    folk.people.message(message("<body>hi</body>", mid="2"))
    assert [item.hops for item in folk.items if isinstance(item, Event)] == [4, HOPS]


# Identities


def identities(muc: Muc | None = None) -> Identities:
    rooms: dict[str, Room] = {ROOM: muc.room} if muc is not None else {}

    def is_ours(jid: str) -> bool:
        return jid in (ids.bare(BOT), PUPPET)

    return Identities("office", rooms, partial(ids.within, DOMAIN), is_ours)


@pytest.mark.parametrize(
    ("native", "identity"),
    [
        ("ana@example.org", "xmpp:ana@example.org"),
        (f"{ROOM}/occupant1", f"xmpp:{ROOM}/occupant1"),
        (f"{ROOM}/two words", ""),
        ("ana@" + "x" * 600, ""),
    ],
)
def test_who_people_are_to_others(native: str, identity: str) -> None:
    assert identities().identity(Address("office", native)) == identity


@pytest.mark.parametrize(
    ("identity", "native"),
    [
        ("xmpp:ana@example.org", "ana@example.org"),
        ("xmpp:ANA@Example.ORG", "ana@example.org"),
        (f"xmpp:{ROOM}/Occ/1=", f"{ROOM}/Occ/1="),
        ("xmpp:elsewhere@conference.example.org/occ", None),
        ("xmpp:ana@example.org/phone", None),
        ("xmpp:ana@example.org/", None),
        ("xmpp:xmpp:ana@example.org", None),
        ("xmpp:example.org", None),
        ("xmpp:@example.org", None),
        ("xmpp:a b@example.org", None),
        ("xmpp:" + "a" * 2000 + "@example.org", None),
        (f"xmpp:{PUPPET}", None),
        ("irc:LabNet/ana@example.org", None),
        ("", None),
    ],
)
def test_whose_identity_it_is(identity: str, native: str | None) -> None:
    expected = Address("office", native) if native else None
    assert identities(Muc()).native(identity) == expected


async def test_an_identity_of_ours() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto", occ="bot-id")
    muc.enter(muc.puppet("kestrel"), "Kestrel", occ="kes-id")
    muc.presence(muc.bot, "ana", occ="ana-id")
    found = identities(muc)
    ours = {f"xmpp:{PUPPET}", f"xmpp:{ids.bare(BOT)}"} | {f"xmpp:{ROOM}/{it}" for it in ("bot-id", "kes-id", "Kestrel")}
    assert {identity for identity in ours if not found.ours(identity)} == set()
    for other in (
        "xmpp:ana@example.org",
        f"xmpp:x@{DOMAIN}",
        f"xmpp:{ROOM}/ana-id",
        f"xmpp:{ROOM}",
        f"xmpp:{PUPPET}/",
        "",
    ):
        assert not found.ours(other), other


@given(st.text(max_size=60).map("xmpp:".__add__) | st.text(max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    found = identities(Muc())
    native = found.native(text)
    assert native is None or found.identity(native).startswith("xmpp:")
    assert not (found.ours(text) and native is not None)


def test_a_person_is_known_again_by_what_is_said_of_them() -> None:
    found = identities()
    ana = Person(Address("office", "ana@example.org"), "Ana")
    assert found.native(found.identity(ana.address)) == ana.address
    assert found.native(KESTREL.address.native) is None


async def test_both_kinds_of_attachment_answer_before_they_have_started() -> None:
    component = XmppAdapter(
        XmppSettings.model_validate({"server": "127.0.0.1:1", "domain": DOMAIN, "secret": "s"}), CONTEXT
    )
    account = AccountAdapter(
        AccountSettings.model_validate({"mode": "client", "jid": "bot@example.org", "password": "p"}), CONTEXT
    )
    ana = Address("office", "ana@example.org")
    assert component.native("xmpp:ana@example.org") == account.native("xmpp:Ana@example.org") == ana
    assert component.identity(ana) == account.identity(ana) == "xmpp:ana@example.org"
    assert component.native(f"xmpp:{PUPPET}") is account.native("xmpp:bot@example.org") is None
    assert component.ours(f"xmpp:{PUPPET}")
    assert account.ours("xmpp:bot@example.org")
    assert not component.ours("xmpp:bot@example.org")
    assert not account.ours(f"xmpp:{PUPPET}")
