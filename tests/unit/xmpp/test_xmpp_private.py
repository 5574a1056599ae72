"""Private messages without a server: what they say, whom they are for, how they are answered, whatever comes."""

import asyncio
from contextlib import suppress
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.xmpp import ids
from adapters.xmpp.inbox import WAITING
from adapters.xmpp.private import LONGEST, Envelope, name_of, nick_of, read_private
from bridge.contract import Notice, SendError
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import Event, Protection
from bridge.model.message import Message, MessageKind, Opaque, Reaction, Retraction, Text
from bridge.model.result import Failure, Reason
from tests.unit.xmpp.folk import ANA, KESTREL, ME, PUPPET, STANZAS, Folk, message
from tests.unit.xmpp.muc import BOT, DOMAIN, ROOM, Muc
from tests.unit.xmpp.test_xmpp_inbound import ELEMENTS, element

PLACE = Place("office", ANA, PlaceKind.USER)
SOMETHING = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


# By what id a stanza is known


@given(st.text(max_size=520), SOMETHING, SOMETHING)
def test_an_envelope_is_read_again_or_holds_less(stanza_id: str, sender: str, to: str) -> None:
    envelope = Envelope(
        Envelope.mint_at(1_700_000_000.5, "0123456789ab"), stanza_id, f"{ANA}/{sender}", f"{PUPPET}/{to}"
    )
    text = str(envelope)
    assert len(text) <= LONGEST
    assert text.isprintable()
    assert " " not in text
    found = Envelope.parse(text)
    assert found is not None
    assert found.written == 1_700_000_000
    if found.id or not stanza_id:
        assert (found.sender, found.to) in ((envelope.sender, envelope.to), (ANA, PUPPET))
    else:
        assert (found.sender, found.to) == (ANA, PUPPET)


def test_what_no_index_takes_is_left_out() -> None:
    envelope = Envelope("0" * 20, "x" * 900, f"{'a' * 900}@example.org/{'b' * 900}", f"{PUPPET}/rialto")
    found = Envelope.parse(str(envelope))
    assert found is not None
    assert (found.id, found.sender) == ("", f"{'a' * 900}@example.org")
    assert str(Envelope("0" * 20, "x", "a" * 2000, PUPPET)) == f"dm:{'0' * 20}"


@pytest.mark.parametrize("text", ["", "dm", "dm:", "dm:00000000000000000000", "dm:xy:1:a:b", "kick:1:2:3:4", "dm:0:::"])
def test_other_ids_are_no_envelopes(text: str) -> None:
    assert Envelope.parse(text) is None


# What a stanza says


@pytest.mark.parametrize(
    ("inner", "label"),
    [
        ("", "nothing said"),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", "typing"),
        ("<received xmlns='urn:xmpp:receipts' id='1'/>", "receipt"),
        ("<subject>x</subject>", "subject"),
        ("<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'/></received>", "copy"),
        ("<sent xmlns='urn:xmpp:carbons:2'/><body>x</body>", "copy"),
        ("<result xmlns='urn:xmpp:mam:2'/><body>x</body>", "copy"),
        ("<body>come</body><x xmlns='jabber:x:conference' jid='a@b'/>", "invitation"),
        ("<body>come</body><x xmlns='http://jabber.org/protocol/muc#user'><invite/></x>", "invitation"),
    ],
)
def test_what_is_no_message(inner: str, label: str) -> None:
    line = read_private(message(inner))
    assert (line.content, line.reactions, line.label) == (None, None, label)
    folk = Folk()
    folk.people.message(message(inner))
    assert (folk.items, folk.stanzas, folk.ignores) == ([], [], [label])


@pytest.mark.parametrize(
    ("inner", "nick"),
    [
        ("<nick xmlns='http://jabber.org/protocol/nick'> Ana\n B&amp;\u202e </nick>", "Ana B&"),
        (f"<nick xmlns='http://jabber.org/protocol/nick'>{'x' * 100}</nick>", "x" * 64),
        ("<nick>Ana</nick>", ""),
        ("", ""),
    ],
)
def test_what_somebody_calls_themself(inner: str, nick: str) -> None:
    assert nick_of(message(inner)) == nick


def test_what_somebody_is_called_by_their_jid() -> None:
    assert name_of(r"d\27artagnan\5c@example.org") == "d'artagnan\\"
    assert name_of("example.org") == "example.org"


# Taking them in


def only(folk: Folk) -> Event:
    (event,) = folk.items
    assert isinstance(event, Event)
    folk.items.clear()
    return event


@pytest.mark.conforms("RFC3922:4.1.1", "RFC3922:4.1.2")
def test_a_message_to_a_puppet() -> None:
    folk = Folk()
    delay = "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2024-05-06T07:08:09Z'/>"
    folk.people.message(message(f"<body>/me waves</body>{delay}", mid="a:1"))
    event = only(folk)
    assert (event.place, event.sender, event.to) == (PLACE, Person(ME, "ana"), KESTREL.address)
    assert event.content == Message(Text("waves"), MessageKind.EMOTE)
    assert event.when == 1714979289.0
    envelope = Envelope.parse(event.origin.native_id)
    assert envelope is not None
    assert (envelope.id, envelope.sender, envelope.to) == ("a:1", f"{ANA}/phone", PUPPET)
    future = "<delay xmlns='urn:xmpp:delay' stamp='2994-05-06T07:08:09Z'/>"
    folk.people.message(message(f"<body>x</body>{future}"))
    assert only(folk).when < 4e9
    folk.people.message(message("<encrypted xmlns='eu.siacs.conversations.axolotl'><payload/></encrypted>"))
    event = only(folk)
    assert (event.content, event.protection) == (Opaque("an encrypted message"), Protection.END_TO_END)


@pytest.mark.conforms("RFC3922:4.1.4")
def test_the_type_of_a_message_makes_no_difference() -> None:
    folk = Folk()
    heard = set()
    for kind in ("chat", "normal", ""):
        folk.people.message(message("<body>hi</body>", kind=kind))
        event = only(folk)
        heard.add((event.place, event.sender, event.to, event.content, event.protection))
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("to", "condition"),
    [
        (f"nobody@{DOMAIN}", "item-not-found"),
        (f"#tea%libera@{DOMAIN}", "item-not-found"),
        (f"bo%example.org%office@{DOMAIN}", "item-not-found"),
        (f"^-{'a' * 32}%libera@{DOMAIN}/rialto", "item-not-found"),
    ],
)
def test_to_nobody(to: str, condition: str) -> None:
    folk = Folk()
    folk.people.message(message("<body>psst</body>", to=to, mid="a&lt;1"))
    (answer,) = folk.taken()
    assert (answer.get("from"), answer.get("to"), answer.get("id")) == (to, f"{ANA}/phone", "a<1")
    assert answer.find(f"error/{{{STANZAS}}}{condition}") is not None
    assert not folk.items


@pytest.mark.parametrize("sender", ["", "example.org", f"other%libera@{DOMAIN}/rialto", DOMAIN, "/x", "@/x"])
def test_from_nobody(sender: str) -> None:
    folk = Folk()
    folk.people.message(message("<body>psst</body>", sender=sender))
    assert (folk.items, folk.stanzas) == ([], [])


def test_changes_are_of_ones_own_only() -> None:
    folk = Folk()
    folk.people.message(message("<body>one</body>", mid="1"))
    one = only(folk)
    folk.people.message(message("<body>uno</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>", mid="2"))
    edit = only(folk).content
    assert isinstance(edit, Message)
    assert edit.replaces == one.origin.native_id
    # Another person's 1, and 1 to another puppet, are other messages.
    for sender, to in (("bo@example.org/x", PUPPET), (f"{ANA}/phone", f"merlin%libera@{DOMAIN}")):
        folk.people.message(
            message("<retract xmlns='urn:xmpp:message-retract:1' id='1'/>", mid="3", sender=sender, to=to)
        )
        assert only(folk).content == Retraction("1")
    # What a puppet said can be marked and answered, but not changed.
    for inner in (
        "<retract xmlns='urn:xmpp:message-retract:1' id='rialto-e-1'/>",
        "<body>x</body><replace xmlns='urn:xmpp:message-correct:0' id='rialto-e-1'/>",
    ):
        folk.people.message(message(inner, mid="4"))
        assert not folk.items
    folk.people.message(message("<body>yes</body><reply xmlns='urn:xmpp:reply:0' id='rialto-e-1'/>", mid="5"))
    answer = only(folk).content
    assert isinstance(answer, Message)
    assert answer.reply_to == "rialto-e-1"
    reactions = "<reactions xmlns='urn:xmpp:reactions:0' id='rialto-e-1'>{}</reactions>"
    folk.people.message(message(reactions.format("<reaction>a</reaction><reaction>b</reaction>"), mid="6"))
    folk.people.message(message(reactions.format("<reaction>b</reaction>"), mid="7"))
    contents = [event.content for event in folk.items if isinstance(event, Event)]
    assert contents == [
        Reaction("rialto-e-1", key, withdrawn) for key, withdrawn in (("a", False), ("b", False), ("a", True))
    ]


# Lines to the bot


@pytest.mark.parametrize("to", [BOT, f"rialto@{DOMAIN}", DOMAIN, f"{DOMAIN}/x"])
def test_lines_to_the_bot(to: str) -> None:
    folk = Folk()
    folk.people.message(message("<body> libera:kestrel:  hello  you </body>", to=to))
    event = only(folk)
    assert event.to == KESTREL.address
    assert isinstance(event.content, Message)
    assert event.content.body.text.strip() == "hello  you"
    for said in ("hello", "libera:kestrel", "nonsense hello", ""):
        folk.people.message(message(f"<body>{said}</body>", to=to))
        (answer,) = folk.taken()
        assert (answer.get("type"), answer.get("from"), answer.get("to")) == ("chat", to, f"{ANA}/phone")
        assert "begin with their address" in answer.findtext("body", "")
    folk.people.message(message("<body>office:bo@example.org hi</body>", to=to))
    (answer,) = folk.taken()
    assert answer.get("type") == "error"
    assert not folk.items


@pytest.mark.parametrize("to", [BOT, f"rialto@{DOMAIN}", DOMAIN])
async def test_commands_are_obeyed_one_after_another(to: str) -> None:
    folk = Folk()
    async with folk.working():
        folk.taken()
        for said in ("Block bo@example.org", "help", "block me?"):
            folk.people.message(message(f"<body>{said}</body>", to=to))
        await folk.settle()
        ana = Person(ME, "ana")
        assert folk.core.commanded == [(ana, "Block bo@example.org"), (ana, "help"), (ana, "block me?")]
        answers = [each for each in folk.taken() if each.tag.endswith("message")]
        assert {(each.get("type"), each.get("from"), each.get("to")) for each in answers} == {
            ("chat", to, f"{ANA}/phone")
        }
        first, second, third = (each.findtext("body", "") for each in answers)
        assert (first, second) == ("Answer to Block bo@example.org.\nIn two lines.", "Answer to help.\nIn two lines.")
        assert "begin with their address" in third
    assert not folk.items


async def test_what_is_said_to_a_puppet_is_no_command_and_a_stream_that_is_away_harms_nobody() -> None:
    folk = Folk()
    async with folk.working():
        folk.people.message(message("<body>help</body>"))
        assert only(folk).to == KESTREL.address
        folk.down = True
        folk.people.message(message("<body>help</body>", to=BOT))
        await folk.settle()
        folk.down = False
        folk.taken()
        folk.people.message(message("<body>help</body>", to=BOT))
        await folk.settle()
        assert [each.findtext("body") for each in folk.taken()] == ["Answer to help.\nIn two lines."]
    assert len(folk.core.commanded) == 2


def test_of_commands_so_many_wait() -> None:
    folk = Folk()  # nobody obeys
    for _ in range(WAITING + 3):
        folk.people.message(message("<body>help</body>", to=BOT))
    assert [kind for _, kind, _ in folk.kinds()] == ["error"] * 3


def test_two_bots_do_not_talk_for_ever() -> None:
    folk = Folk()
    for _ in range(20):
        folk.people.message(message("<body>To write to somebody, begin</body>", to=BOT))
    kinds = [kind for _, kind, _ in folk.kinds()]
    assert kinds == ["chat"] * 5 + ["error"] * 15


# Telling


@pytest.mark.conforms("RFC3860:3.1:response")
def test_the_writer_is_told() -> None:
    folk = Folk()
    folk.people.message(message("<body>x</body>", mid="a&apos;1"))
    event = only(folk)
    failure = Failure(Reason.RECIPIENT_UNAVAILABLE, "offline")
    notice = Notice(PLACE, event.sender, "they are <offline>", event.origin.native_id, event.to, failure)
    assert folk.people.inbox.tell(notice)
    (error,) = folk.taken()
    assert (error.get("type"), error.get("id"), error.get("from"), error.get("to")) == (
        "error",
        "a'1",
        PUPPET,
        f"{ANA}/phone",
    )
    assert error.findtext(f"error/{{{STANZAS}}}text") == "they are <offline>"
    # Long after, whoever sent it may be gone: then also a message that their server keeps.
    old = Envelope(Envelope.mint_at(1000.0, "00"), "1", f"{ANA}/phone", PUPPET)
    assert folk.people.inbox.tell(Notice(PLACE, event.sender, "late", str(old), event.to, failure))
    assert folk.kinds() == [(PUPPET, "error", f"{ANA}/phone"), (PUPPET, "chat", ANA)]
    # Without an id there is nothing that an error could be about.
    nameless = Envelope(envelope_mint(), "", f"{ANA}/phone", PUPPET)
    assert folk.people.inbox.tell(Notice(PLACE, event.sender, "what?", str(nameless), event.to, failure))
    assert folk.kinds() == [(PUPPET, "chat", f"{ANA}/phone")]
    assert not folk.people.inbox.tell(Notice(PLACE, event.sender, "what?", "some-id", event.to, failure))
    folk.people.direct.tell(Notice(PLACE, event.sender, "by the way", None, event.to))
    folk.people.direct.tell(Notice(PLACE, event.sender, "by the way"))
    assert folk.kinds() == [(f"{PUPPET}/rialto", "chat", ANA), (BOT, "chat", ANA)]


async def test_in_a_room_the_writer_is_told_wherever_they_are_by_now() -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    kestrel = muc.puppet("kestrel")
    muc.enter(kestrel, "Kestrel", subject=False)
    muc.presence(muc.bot, "Ana", occ="a")
    folk = Folk({ROOM: muc.room})
    said = "<body>psst</body><x xmlns='http://jabber.org/protocol/muc#user'/>"
    folk.people.message(message(said, sender=f"{ROOM}/Ana", to=kestrel.jid))
    event = only(folk)
    assert event.sender == Person(Address("office", f"{ROOM}/a"), "Ana")
    # Ours are nobody, and a room's own words are nobody's.
    for sender in (f"{ROOM}/Kestrel", f"{ROOM}/rialto"):
        folk.people.message(message(said, sender=sender, to=muc.bot.jid))
    assert not folk.items
    failure = Failure(Reason.GONE, "gone")
    notice = Notice(event.place, event.sender, "gone", event.origin.native_id, event.to, failure)
    muc.presence(muc.bot, "Ana", "303", gone=True, occ="a", new="Anna")
    muc.presence(muc.bot, "Anna", occ="a")
    folk.people.inbox.tell(notice)
    (error,) = folk.taken()
    assert (error.get("from"), error.get("type"), error.get("to")) == (kestrel.jid, "error", f"{ROOM}/Anna")
    # For gone itself, a room would put the puppet out.
    assert error.find(f"error/{{{STANZAS}}}undefined-condition") is not None
    muc.room.abandon(kestrel)
    folk.people.inbox.tell(notice)
    assert folk.kinds() == [(BOT, "chat", f"{ROOM}/Anna")]
    muc.presence(muc.bot, "Anna", gone=True, occ="a")
    with pytest.raises(SendError) as refused:
        folk.people.inbox.tell(notice)
    assert (refused.value.failure.reason, refused.value.temporary) == (Reason.RECIPIENT_UNAVAILABLE, False)


def envelope_mint() -> str:
    return Envelope.mint_at(4_000_000_000.0, "00")


# Anything at all

TYPES = [
    *("chat", "normal", "headline", "error", "groupchat", "x"),
    *("subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "unavailable"),
]
WHOLE = st.builds(
    element,
    st.sampled_from(["message", "message", "presence", "iq"]).map(lambda name: f"{{jabber:component:accept}}{name}"),
    st.fixed_dictionaries(
        {
            "from": st.sampled_from(
                [
                    "",
                    ROOM,
                    f"{ROOM}/Ana",
                    f"{ROOM}/Kestrel",
                    f"{ANA}/a",
                    ANA,
                    "x",
                    "@",
                    "/",
                    f"{PUPPET}/rialto",
                    "a b@x/ y",
                ]
            ),
            "to": st.sampled_from(
                [
                    "",
                    BOT,
                    DOMAIN,
                    f"{PUPPET}/rialto",
                    f"{PUPPET}/a b",
                    PUPPET,
                    f"a@{DOMAIN}",
                    "x",
                    "/",
                    "bo@example.org",
                ]
            ),
        },
        optional={
            "type": st.sampled_from(TYPES),
            "id": st.one_of(st.sampled_from(["rialto-e-1", "1", "x" * 2000]), st.text(max_size=8)),
        },
    ),
    st.none(),
    st.lists(
        st.one_of(
            ELEMENTS,
            st.builds(
                element,
                st.sampled_from(["body", "subject", "show", "status", "priority"]).map(
                    lambda name: f"{{jabber:component:accept}}{name}"
                ),
                st.just({}),
                st.sampled_from(
                    ["hi", "libera:kestrel hello", "libera: ", "away", "dnd", "-5", "127", "office:b@x y", "\ud7ff"]
                ),
                st.just([]),
            ),
        ),
        max_size=4,
    ),
)


@given(st.lists(WHOLE, max_size=10))
async def test_no_stanza_of_a_stranger_breaks_anything(stanzas: list[Element]) -> None:
    muc = Muc()
    muc.enter(muc.bot, "rialto")
    muc.enter(muc.puppet("kestrel"), "Kestrel", subject=False)
    muc.presence(muc.bot, "Ana", occ="a")
    folk = Folk({ROOM: muc.room})
    async with folk.working():
        for stanza in stanzas:
            if stanza.tag.endswith("message"):
                before = len(folk.stanzas)
                if stanza.get("type") == "error":
                    folk.people.refused(stanza)
                else:
                    folk.people.message(stanza)
                assert len(folk.stanzas) <= before + 1
                assert stanza.get("type") != "error" or len(folk.stanzas) == before
            else:
                folk.people.presence(stanza)
        await folk.settle()
        await asyncio.sleep(0)
    assert "not understood" not in folk.ignores
    for item in folk.items:
        assert isinstance(item, Event)
        assert item.to is not None
        assert item.to.network != "office"
        assert item.place == Place("office", item.sender.address.native, PlaceKind.USER)
        notice = Notice(item.place, item.sender, "no", item.origin.native_id, item.to, Failure(Reason.GONE, "gone"))
        if ids.bare(item.sender.address.native) == ROOM:
            # Who is no occupant, whatever the stanza said of occupant ids, cannot be told.
            with suppress(SendError):
                assert folk.people.inbox.tell(notice)
        else:
            assert folk.people.inbox.tell(notice) is (Envelope.parse(item.origin.native_id) is not None)
    assert len({item.origin for item in folk.items if isinstance(item, Event)}) == len(folk.items)
