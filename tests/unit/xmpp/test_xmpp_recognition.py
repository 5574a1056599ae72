"""Puppets from before a restart: known again, sent away, or found to be people."""

from functools import partial
from typing import Any

import pytest

from adapters.xmpp.held import HELD, Held
from adapters.xmpp.memory import Remembered
from bridge.model.address import Address
from bridge.model.event import Event, Joined, Left
from bridge.model.message import Message
from bridge.model.result import Reason, Receipt
from tests.unit.xmpp.muc import DOMAIN, EVERYTHING, PLACE, ROOM, Muc
from tests.unit.xmpp.test_xmpp_rooms import person, texts, there

OLD = Remembered(Address("libera", "kestrel"), "Kestrel", "Kestrel", "k-id")
OLD_JID = f"kestrel%libera@{DOMAIN}/rialto"


@pytest.mark.parametrize("shown", [{"jid": OLD_JID}, {"occ": "k-id"}])
async def test_a_puppet_from_before_a_restart_is_known_and_sent_away(shown: Any) -> None:
    muc = Muc((OLD, OLD_JID))
    muc.room.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "Kestrel", **shown)
    muc.presence(muc.bot, "rialto", "110")
    muc.line("", "<subject/>")
    assert muc.link.taken()[0] == there()
    muc.room.sweep(last=False)
    assert f'from="{OLD_JID}"' in muc.link.written[-1]
    assert 'type="unavailable"' in muc.link.written[-1]
    muc.presence(muc.bot, "Kestrel", gone=True, **shown)
    muc.room.sweep(last=True)
    assert muc.link.taken() == []


async def test_whoever_may_be_a_puppet_of_old_is_found_out() -> None:
    muc = Muc((OLD, OLD_JID), features=frozenset())
    muc.room.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "Kestrel")
    muc.presence(muc.bot, "rialto", "110")
    muc.line("", "<subject/>")
    assert muc.link.taken()[0] == there()
    muc.room.sweep(last=False)
    assert f'from="{OLD_JID}"' in muc.link.written[-1]
    assert muc.link.taken() == []
    muc.room.sweep(last=True)
    assert muc.link.taken() == [Joined(PLACE, person(f"{ROOM}/Kestrel", "Kestrel"))]
    # Or speaks, before.
    muc = Muc((OLD, OLD_JID), features=frozenset())
    muc.room.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "Kestrel")
    muc.presence(muc.bot, "rialto", "110")
    muc.line("", "<subject/>")
    muc.link.taken()
    muc.body("Kestrel", "me")
    assert [type(item) for item in muc.link.taken()] == [Joined, Event]


async def test_our_lines_from_before_a_restart_are_confirmed_and_no_others() -> None:
    muc = Muc((OLD, OLD_JID))
    muc.room.enter(muc.bot, "rialto", since=0.0)
    muc.presence(muc.bot, "rialto", "110", occ="bot-id")
    muc.link.taken()
    then = "1970-01-01T00:01:00Z"
    muc.body("Kestrel", "ours", mid="rialto-p1", sid="s1", occ="k-id", stamp=then)
    muc.body("rialto", "the bot's", mid="rialto-p2", sid="s2", occ="bot-id", stamp=then)
    muc.body("Kestrel", "the nick was somebody else's", mid="rialto-p3", sid="s3", occ="x-id", stamp=then)
    muc.body("Kestrel", "no id of ours", mid="0123456789abcdef", sid="s4", occ="x-id", stamp=then)
    assert muc.link.receipts == {"p1": Receipt("s1"), "p2": Receipt("s2")}
    assert texts(muc.link.taken()) == ["the nick was somebody else's", "no id of ours"]


async def test_a_puppet_whose_occupant_id_we_never_learnt_is_known_by_its_nick() -> None:
    muc = Muc((Remembered(OLD.address, "Kestrel", "Kestrel"), OLD_JID))
    muc.room.enter(muc.bot, "rialto", since=0.0)
    muc.presence(muc.bot, "Kestrel", occ="k-id")
    muc.presence(muc.bot, "rialto", "110", occ="bot-id")
    then = "1970-01-01T00:01:00Z"
    muc.body("Kestrel", "ours", mid="rialto-p1", sid="s1", occ="k-id", stamp=then)
    muc.body("Kestrel", "no id of ours", mid="0123456789abcdef", sid="s2", occ="k-id", stamp=then)
    muc.body("Merlin", "no nick of ours", mid="rialto-p2", sid="s3", occ="m-id", stamp=then)
    muc.line("", "<subject/>")
    assert muc.link.receipts == {"p1": Receipt("s1")}
    items = muc.link.taken()
    assert items[0] == there()
    assert texts(items) == ["no id of ours", "no nick of ours"]
    # Whether that occupant is the puppet, the sweeps find out.
    muc.room.sweep(last=False)
    assert f'from="{OLD_JID}"' in muc.link.written[-1]
    muc.room.sweep(last=True)
    assert muc.link.taken() == [Joined(PLACE, person(f"{ROOM}/k-id", "Kestrel"))]


@pytest.mark.parametrize("shows_jids", [True, False])
async def test_a_line_is_ours_where_the_room_says_that_our_domain_said_it(shows_jids: bool) -> None:
    muc = Muc(features=frozenset({"urn:xmpp:sid:0"} | ({"muc_nonanonymous"} if shows_jids else set())))
    muc.room.enter(muc.bot, "rialto", since=0.0)
    muc.presence(muc.bot, "rialto", "110")
    muc.link.taken()
    told = f"<addresses xmlns='http://jabber.org/protocol/address'><address type='ofrom' jid='{OLD_JID}'/></addresses>"
    muc.line("Kes", f"<body>x</body>{told}", mid="rialto-p1", sid="s1", stamp="1970-01-01T00:01:00Z")
    assert muc.link.receipts == ({"p1": Receipt("s1")} if shows_jids else {})
    assert texts(muc.link.taken()) == ([] if shows_jids else ["x"])


async def test_nothing_is_taken_in_before_it_is_known_what_the_room_offers() -> None:
    muc = Muc((OLD, OLD_JID), features=frozenset())
    muc.room.held.hold()
    muc.room.enter(muc.bot, "rialto", since=0.0)
    muc.presence(muc.bot, "Ana", occ="ana-id")
    muc.presence(muc.bot, "Kestrel", occ="k-id")
    muc.presence(muc.bot, "rialto", "110", occ="bot-id")
    muc.body("Ana", "old", sid="s1", occ="ana-id", stamp="1970-01-01T00:01:00Z")
    muc.body("rialto", "ours", mid="rialto-p1", sid="s2", occ="bot-id", stamp="1970-01-01T00:01:00Z")
    muc.line("", "<subject/>")
    muc.body("Ana", "new", sid="s3", occ="ana-id")
    muc.presence(muc.bot, "Ana", gone=True, occ="ana-id")
    assert muc.link.taken() == []
    assert not muc.room.here.is_set()
    muc.room.features(EVERYTHING)
    assert muc.link.taken() == []
    muc.room.held.release()
    items = muc.link.taken()
    ana = person(f"{ROOM}/ana-id", "Ana")
    assert items[0] == there(ana)
    events = [item for item in items if isinstance(item, Event)]
    assert [(event.origin.native_id, event.sender, event.when) for event in events] == [
        ("s1", ana, 60.0),
        ("s3", ana, 1000.0),
    ]
    assert items[-1] == Left(PLACE, ana.address)
    assert muc.link.receipts == {"p1": Receipt("s2")}
    assert muc.room.here.is_set()
    muc.body("Ana", "at once", sid="s4", occ="ana-id")
    assert texts(muc.link.taken()) == ["at once"]


async def test_what_was_held_is_nobodys_when_the_stream_is_lost() -> None:
    muc = Muc(features=frozenset())
    muc.room.held.hold()
    muc.room.enter(muc.bot, "rialto")
    muc.presence(muc.bot, "rialto", "110")
    muc.body("Ana", "x")
    muc.room.lost(Reason.REMOTE_SERVER_TIMEOUT, "gone")
    muc.room.features(EVERYTHING)
    assert muc.link.taken() == []


def test_a_room_that_says_too_much_is_not_kept_waiting() -> None:
    held, done = Held(), list[int]()
    held.hold()
    for number in range(HELD):
        assert done == []
        held.do(partial(done.append, number))
    assert done == list(range(HELD))
    held.do(partial(done.append, -1))
    assert done[-1] == -1


@pytest.mark.parametrize("mid", ["0123456789abcdef", "1"])
async def test_a_line_keeps_its_id_when_occupant_ids_come_to_be_believed(mid: str) -> None:
    muc = Muc(features=frozenset())
    muc.enter(muc.bot, "rialto")
    muc.link.taken()
    muc.body("Ana", "x", mid=mid, occ="ana-id")
    muc.room.features(frozenset({"urn:xmpp:occupant-id:0"}))
    muc.body("Ana", "x", mid=mid, occ="ana-id")
    before, after = (item.origin for item in muc.link.taken() if isinstance(item, Event))
    assert before == after


async def test_who_takes_a_nick_and_repeats_an_id_cannot_edit_the_line_of_before() -> None:
    muc = Muc(features=frozenset({"urn:xmpp:occupant-id:0"}))
    muc.enter(muc.bot, "rialto")
    muc.body("Ana", "x", mid="0123456789abcdef", occ="ana-id")
    muc.body("Ana", "not Ana", mid="0123456789abcdef", occ="bo-id")
    muc.link.taken()
    edit = "<body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='0123456789abcdef'/>"
    muc.line("Ana", edit, mid="0123456789abcdeg", occ="bo-id")
    muc.line("Ana", edit, mid="0123456789abcdeh", occ="ana-id")
    by_bo, by_ana = (item.content for item in muc.link.taken() if isinstance(item, Event))
    assert isinstance(by_bo, Message)
    assert isinstance(by_ana, Message)
    assert by_bo.replaces == "0123456789abcdef"
    assert (by_ana.replaces or "").startswith("sha256:")
