"""Who is who, who is a bot, who speaks with whom: tables, with no network anywhere."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.conversations import READING, Conversations
from adapters.irc.people import Identity, People
from adapters.irc.protocol import events
from adapters.irc.protocol.casemap import Casemapping
from adapters.irc.protocol.events import Event
from adapters.irc.protocol.isupport import UNLIMITED, ISupport
from adapters.irc.protocol.message import Source
from adapters.irc.protocol.refusals import direct_words
from bridge.model.address import Address
from bridge.model.event import HOPS
from tests.unit.irc.test_irc_session import on_inspircd

ANA = Address("office", "ana@example.org")
BO = Address("office", "bo@example.org")
BOB = Source("bob", "b", "h")
NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        (Identity(), Identity("u", "h", "a"), False),
        (Identity("u", "h"), Identity("u", "h"), False),
        (Identity("u", "h"), Identity("u", "other"), True),
        (Identity("u", "h"), Identity("other", "h"), True),
        (Identity("u", "h"), Identity("u", None), False),
        (Identity("u", "h", "kim"), Identity("v", "elsewhere", "kim"), False),
        (Identity("u", "h", "kim"), Identity("u", "h", "mallory"), True),
        (Identity("u", "h", "kim"), Identity("u", "h", ""), False),
        (Identity("u", "h", "kim"), Identity("v", "h", ""), True),
    ],
)
def test_identities(one: Identity, other: Identity, differs: bool) -> None:
    assert one.differs(other) is differs
    assert other.differs(one) is differs


def test_people_are_known_in_any_spelling() -> None:
    people = People()
    people.learn(Source("Kim{"), account="kim", away=True, note="tea")
    people.meet(Source("kim[", "u", "h"))
    known = people.get("KIM{")
    assert known is not None
    assert (known.nick, known.account, known.away, known.note) == ("kim[", "kim", True, "tea")
    assert "kim[" in people
    assert people.identity("Kim{") == Identity("u", "h", "kim")
    people.rekey(Casemapping.ASCII)
    assert "kim{" not in people
    assert people.rename("KIM[", "kes") == people.get("KES")
    assert people.rename("kim[", "x") is None
    assert people.forget("kes") is not None
    assert people.forget("kes") is None


def test_who_comes_from_elsewhere_is_somebody_else() -> None:
    people = People()
    people.learn(Source("kim", "u", "h"), account="kim", bot=True, away=True)
    people.meet(Source("kim", "u", "elsewhere"))
    known = people.get("kim")
    assert known is not None
    assert (known.account, known.bot, known.away) == (None, False, None)


def test_being_here_ends_the_note() -> None:
    people = People()
    assert people.learn(BOB, away=True, note="tea").note == "tea"
    assert people.learn(BOB, away=True).note == "tea"
    assert people.learn(BOB, away=False).note == ""
    assert people.learn(BOB, away=True).note == ""


def test_people_are_bounded_and_kept_as_wanted() -> None:
    people = People(limit=3)
    for number in range(5):
        people.meet(Source(f"p{number}"))
    assert [known.nick for known in people] == ["p2", "p3", "p4"]
    assert [known.nick for known in people.keep(lambda nick: nick == "p3")] == ["p2", "p4"]
    assert len(people) == 1
    people.clear()
    assert not len(people)


# Lines that tell of people


def about(source: Source = BOB, **told: object) -> events.About:
    return events.About(source, **told)  # type: ignore[arg-type]  # values of one dictionary


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (":bob!b@h ACCOUNT bobby", [about(account="bobby")]),
        (":bob!b@h ACCOUNT *", [about(account="")]),
        (":bob!b@h AWAY :at tea", [about(away=True, note="at tea")]),
        (":bob!b@h AWAY", [about(away=False, note="")]),
        (":bob!b@h AWAY :", [about(away=False, note="")]),
        (":bob!b@h CHGHOST c new.host", [about(Source("bob", "c", "new.host"))]),
        (":bob!b@h SETNAME :Robert", [about(realname="Robert")]),
        (":s 301 alice bob :at tea", [about(Source("bob"), away=True, note="at tea")]),
        (":s 335 alice bob :is a bot", [about(Source("bob"), bot=True)]),
        (":s 352 alice #vec b h s bob H@ :0 Real Bob", [about(realname="Real Bob", away=False, bot=False)]),
        (":s 352 alice #vec b h s bob GB :0 Real Bob", [about(realname="Real Bob", away=True, bot=True)]),
        (":s 352 alice #vec b h s bob  :0", [events.Passed("malformed line")]),
        (
            ":s 354 alice 152 #vec b h bob H*B+ bobby :Real Bob",
            [about(account="bobby", realname="Real Bob", away=False, bot=True)],
        ),
        (":s 354 alice 152 #vec b h bob G 0 :R", [about(account="", realname="R", away=True, bot=False)]),
        (":s 354 alice 99 #vec b h bob G 0 :R", [events.Passed("who")]),
        (":s 354 alice 152 #vec", [events.Passed("malformed line")]),
        (":s 315 alice #vec :End", [events.WhoEnded("#vec")]),
        (":s 303 alice :bob cy ", [events.Ison(("bob", "cy"))]),
        (":s 303 alice :", [events.Ison(())]),
        (":s 730 alice :bob!b@h,cy", [events.Monitored((BOB, Source("cy")), True)]),
        (":s 731 alice :bob,cy", [events.Monitored((Source("bob"), Source("cy")), False)]),
        (":s 734 alice 30 bob,cy :Monitor list is full", [events.MonitorFull(("bob", "cy"))]),
        (
            ":bob!b@h JOIN #vec bobby :Real",
            [about(account="bobby", realname="Real"), events.Joined("#vec", BOB, False)],
        ),
        (":bob!b@h JOIN #vec * :Real", [about(account="", realname="Real"), events.Joined("#vec", BOB, False)]),
        ("@bot :bob!b@h JOIN #vec", [about(bot=True), events.Joined("#vec", BOB, False)]),
        (":bob!b@h JOIN #vec", [events.Joined("#vec", BOB, False)]),
        (":s AWAY :server", [events.Passed("malformed line")]),
        ("ACCOUNT bobby", [events.Passed("malformed line")]),
    ],
)
def test_lines(line: str, told: list[Event]) -> None:
    assert on_inspircd().hear(line + "\n") == told


@pytest.mark.parametrize(
    ("tags", "hops"),
    [("", None), ("@+rialto-bridge/hops=3 ", 3), ("@+rialto-bridge/hops=99999 ", HOPS)]
    + [(f"@+rialto-bridge/hops={value} ", None) for value in ("", "-1", "x", "³", "1" * 400)],
)
def test_hops(tags: str, hops: int | None) -> None:
    (said,) = on_inspircd().hear(f"{tags}:bob!b@h PRIVMSG #vec :hi\n")
    assert isinstance(said, events.Said)
    assert said.hops == hops


@pytest.mark.parametrize("tag", ["bot", "draft/bot", "inspircd.org/bot"])
def test_bot_tags_and_accounts(tag: str) -> None:
    (said,) = on_inspircd().hear(f"@{tag};account=bobby :bob!b@h PRIVMSG #vec :hi\n")
    assert isinstance(said, events.Said)
    assert (said.bot, said.account) == (True, "bobby")


def test_away_settles_what_was_said_with_a_label() -> None:
    talk = on_inspircd()
    talk.session.say(7, "bob", events.Manner.TEXT, "hi", tags={"rialto-bridge/hops": "5", "x": "y"})
    assert talk.sent() == ["@label=7;+rialto-bridge/hops=5;+x=y PRIVMSG bob :hi"]
    told = talk.hear("@label=7 :s 301 alice bob :at tea\n")
    assert told == [events.Delivered(7), about(Source("bob"), away=True, note="at tea")]


def test_what_waits_for_somebody_is_taken_back() -> None:
    talk = on_inspircd(burst=1.0, per_second=0.1)
    for token, nick in enumerate(("bob", "Bob", "cy", "BOB")):
        talk.session.say(token, nick, events.Manner.TEXT, "hi")
    assert len(talk.sent()) == 1
    assert talk.session.retract("bob") == [events.Dropped(1, sent=False), events.Dropped(3, sent=False)]


# What the server says of itself


@pytest.mark.parametrize(
    ("tokens", "name", "takes"),
    [
        ([], "a/b", True),
        (["CLIENTTAGDENY=*"], "a/b", False),
        (["CLIENTTAGDENY=*,-a/b"], "a/b", True),
        (["CLIENTTAGDENY=*,-typing"], "a/b", False),
        (["CLIENTTAGDENY=a/b,c"], "a/b", False),
        (["CLIENTTAGDENY=c"], "a/b", True),
        (["CLIENTTAGDENY="], "a/b", True),
    ],
)
def test_client_tags(tokens: Iterable[str], name: str, takes: bool) -> None:
    support = ISupport()
    support.update(tokens)
    assert support.takes_client_tag(name) is takes


@pytest.mark.parametrize(
    ("tokens", "monitor", "bot", "away"),
    [
        ([], None, "", 160),
        (["MONITOR=30", "BOT=B", "AWAYLEN=200"], 30, "B", 200),
        (["MONITOR", "BOT=", "AWAYLEN=x"], UNLIMITED, "", 160),
        (["MONITOR=30", "-MONITOR"], None, "", 160),
    ],
)
def test_limits(tokens: Iterable[str], monitor: int | None, bot: str, away: int) -> None:
    support = ISupport()
    support.update(tokens)
    assert (support.monitor, support.bot_mode, support.away_bytes) == (monitor, bot, away)


@pytest.mark.parametrize("numeric", ["401", "404", "477", "486", "531", "716"])
def test_refusals_name_the_person(numeric: str) -> None:
    words = direct_words(events.Refused(1, numeric, "No {such} nick", "kim"))
    assert words is not None
    assert "kim" in words


def test_other_refusals_have_the_server_s_words() -> None:
    assert direct_words(events.Refused(1, "499", "No", "kim")) is None
    assert direct_words(events.Refused(1, "401", "No")) is None


# Conversations


KIM = Identity("u", "h")


def talking() -> Conversations:
    conversations = Conversations(str.lower, lambda: NOW)
    conversations.heard(ANA, "Kim", KIM)
    return conversations


@pytest.mark.parametrize(
    ("ended", "now", "why"),
    [
        (None, KIM, None),
        (None, None, None),
        (None, Identity("u", "elsewhere"), "somebody else"),
        ("", KIM, None),
        ("", None, "has left"),
        ("", Identity("v", "h"), "somebody else"),
        ("kes", None, "goes by kes"),
        ("kes", Identity("v", "h"), "goes by kes"),
        ("kes", KIM, None),
    ],
)
def test_to_whom_words_may_go(ended: str | None, now: Identity | None, why: str | None) -> None:
    conversations = talking()
    if ended is not None:
        conversations.ended("KIM", ended)
    told = conversations.why_not(ANA, "kim", now, NOW)
    assert why in told if why and told else told is why
    # What was said before they could know of it is refused as well; who writes again means whoever is there now.
    assert conversations.why_not(ANA, "kim", now, NOW - 100) == told
    assert conversations.why_not(ANA, "kim", now, NOW + READING) == told
    assert conversations.why_not(ANA, "kim", now, NOW + READING + 1) is None


def test_a_partner_who_was_never_seen() -> None:
    conversations = Conversations(str.lower, lambda: NOW)
    conversations.touch(ANA, "kim")
    assert conversations.why_not(ANA, "kim", None, NOW) is None
    assert conversations.why_not(ANA, "kim", KIM, NOW) is None
    assert conversations.why_not(ANA, "kim", Identity("v", "h"), NOW) is not None
    conversations = Conversations(str.lower, lambda: NOW)
    conversations.touch(ANA, "kim")
    conversations.ended("kim")
    assert conversations.why_not(ANA, "kim", KIM, NOW) is not None
    assert conversations.why_not(BO, "kim", KIM, NOW) is None


def test_an_answer_of_the_next_bearer_does_not_free_what_was_meant_for_the_last() -> None:
    conversations = talking()
    conversations.heard(ANA, "kim", Identity("v", "h"))
    assert conversations.why_not(ANA, "kim", Identity("v", "h"), NOW - 1) is not None
    assert conversations.why_not(ANA, "kim", Identity("v", "h"), NOW + 1) is None


def test_who_comes_back_gets_what_was_meant_for_them() -> None:
    conversations = talking()
    conversations.ended("kim")
    assert conversations.why_not(ANA, "kim", None, NOW) is not None
    assert conversations.why_not(ANA, "kim", KIM, NOW) is None
    conversations.ended("kim")
    assert conversations.why_not(ANA, "kim", Identity("v", "h"), NOW) is not None
    conversations.heard(ANA, "kim", KIM)
    assert conversations.why_not(ANA, "kim", KIM, NOW) is None


def test_a_word_of_the_next_bearer_after_a_refusal() -> None:
    conversations, mallory = talking(), Identity("v", "h")
    assert conversations.why_not(ANA, "kim", mallory, NOW) is not None
    conversations.heard(ANA, "kim", mallory)
    assert conversations.why_not(ANA, "kim", mallory, NOW) is not None
    assert conversations.why_not(ANA, "kim", mallory, NOW + READING + 1) is None


def test_a_nick_that_nobody_bears() -> None:
    conversations = talking()
    conversations.ended("kim", "kes")
    assert conversations.why_not(ANA, "kim", None, NOW) is not None
    conversations.forget(ANA, "kim")
    assert conversations.why_not(ANA, "kim", None, NOW) is not None
    assert conversations.why_not(ANA, "kim", None, NOW + READING + 1) is None


def test_the_reason_outlasts_the_mere_absence() -> None:
    conversations = talking()
    conversations.ended("kim", "kes")
    conversations.ended("kim")
    assert "kes" in (conversations.why_not(ANA, "kim", None, NOW) or "")


def test_the_next_bearer_is_told_anew() -> None:
    conversations = talking()
    talk = conversations.touch(ANA, "kim")
    talk.taught = talk.greeted = True
    assert conversations.heard(ANA, "kim", KIM).taught
    talk = conversations.heard(ANA, "kim", Identity("v", "h"))
    assert not talk.taught
    assert not talk.greeted


def test_conversations_are_bounded() -> None:
    conversations = Conversations(str.lower, lambda: NOW, limit=3)
    for number in range(4):
        conversations.touch(ANA, f"k{number}")
    conversations.touch(ANA, "k1")
    conversations.touch(BO, "k9")
    assert conversations.partners(ANA) == ("k3", "k1")
    assert conversations.addresses("K9") == (BO,)
    conversations.forget(BO, "k9")
    conversations.forget(BO, "k9")
    assert conversations.addresses("k9") == ()
    assert len(conversations) == 2


NICKS = st.sampled_from(["a", "B", "c"])
IDENTITIES = st.sampled_from([None, KIM, Identity("v", "h"), Identity("u", "h", "acc")])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("touch"), NICKS),
        st.tuples(st.just("heard"), NICKS, IDENTITIES),
        st.tuples(st.just("ended"), NICKS),
        st.tuples(st.just("why_not"), NICKS, IDENTITIES),
        st.tuples(st.just("forget"), NICKS),
    ),
    max_size=30,
)


@given(STEPS)
def test_both_tables_agree(steps: list[tuple[str, ...]]) -> None:
    conversations = Conversations(str.lower, lambda: NOW, limit=4)
    for number, (name, nick, *rest) in enumerate(steps):
        address = (ANA, BO)[number % 2]
        if name == "ended":
            conversations.ended(nick)
        else:
            getattr(conversations, name)(address, nick, *rest, *([NOW] if name == "why_not" else []))
        pairs = {(address, nick) for address in (ANA, BO) for nick in conversations.partners(address)}
        mirrored = {(address, nick) for nick in "abc" for address in conversations.addresses(nick)}
        assert pairs == mirrored
        assert len(pairs) == len(conversations) <= 4
