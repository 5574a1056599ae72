"""Where people are: presence, netsplits, MONITOR and ISON, with the clock in hand."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.away import AwayPacer
from adapters.irc.monitor import ANSWER_WITHIN, CHUNK_BYTES, POLL_EVERY, Command, Watchlist, Why
from adapters.irc.netsplit import HOLD, LIMIT, SPREAD, Item, Splits, is_split
from adapters.irc.people import Identity, Known
from adapters.irc.presence import away_text, offline, online, unknown
from adapters.irc.protocol.casemap import Casemapping
from adapters.irc.protocol.events import About
from adapters.irc.protocol.message import Source
from adapters.irc.whereabouts import CLOSED_FOR, WHO_EVERY, WHO_WITHIN, Whereabouts
from bridge.model.address import Address, Person, Place
from bridge.model.event import Cause, Event, Joined, Left, Origin, Roster
from bridge.model.message import Message, Text
from bridge.model.presence import Activity, Basic, Presence, Tuple
from tests.unit.irc.test_irc_session import Clock, Talk, on_inspircd, on_ngircd

HERE, THERE = Place("libera", "#tea"), Place("libera", "#coffee")
KIM = Person(Address("libera", "kim"), "Kim")
AWAY = frozenset({Activity.AWAY})


# Presence


@pytest.mark.parametrize(
    ("known", "activities", "notes"),
    [
        (None, frozenset(), ()),
        (Known("kim"), frozenset(), ()),
        (Known("kim", away=False, note=""), frozenset(), ()),
        (Known("kim", away=True), AWAY, ()),
        (Known("kim", away=True, note=""), AWAY, ()),
        (Known("kim", away=True, note="*"), AWAY, ()),
        (Known("kim", away=True, note=" \x0304at\x03 \x02tea\x02 "), AWAY, (("", "at tea"),)),
    ],
)
def test_presence_of_people(
    known: Known | None, activities: frozenset[Activity], notes: tuple[tuple[str, str], ...]
) -> None:
    (one,) = online(KIM.address, known).tuples
    assert (one.basic, one.activities, one.notes) == (Basic.OPEN, activities, notes)


def shown(
    *activities: Activity,
    basic: Basic = Basic.OPEN,
    note: str = "",
    priority: float | None = None,
    since: float | None = None,
    idle: float | None = None,
) -> Tuple:
    notes = (("en", ""), ("", note)) if note else ()
    return Tuple("x", basic, frozenset(activities), notes, priority, since, idle)


@pytest.mark.parametrize(
    ("tuples", "text"),
    [
        ((), ""),
        ((shown(),), ""),
        ((shown(note="here, with a note"),), ""),
        ((shown(Activity.AWAY),), "Away"),
        ((shown(Activity.AWAY, note="tea"),), "tea"),
        ((shown(Activity.BUSY),), "Busy"),
        ((shown(Activity.BUSY, Activity.AWAY),), "Busy"),
        ((shown(Activity.VACATION),), "Away for long"),
        ((shown(idle=5.0),), "Away"),
        ((shown(Activity.AWAY, note=" \r\n\0 "),), "Away"),
        ((shown(Activity.AWAY, note="a\r\nQUIT :b"),), "a QUIT :b"),
        ((shown(Activity.AWAY, note="é" * 50),), "é" * 10),
        ((shown(basic=Basic.CLOSED, note="gone"),), "offline"),
        ((shown(basic=Basic.CLOSED), shown(Activity.AWAY)), "Away"),
        ((shown(Activity.AWAY, priority=0.2), shown(priority=0.5)), ""),
        ((shown(Activity.AWAY, priority=0.5), shown(priority=0.2)), "Away"),
        ((shown(Activity.AWAY, since=1.0), shown(since=2.0)), ""),
        ((shown(Activity.BUSY), shown(Activity.AWAY), shown()), ""),
        ((shown(Activity.BUSY), shown(Activity.AWAY)), "Away"),
    ],
)
def test_what_puppets_say_of_being_away(tuples: tuple[Tuple, ...], text: str) -> None:
    assert away_text(Presence(KIM.address, tuples), 20) == text


@given(st.text(), st.integers(10, 60))
def test_away_texts_are_short_lines(note: str, limit: int) -> None:
    text = away_text(Presence(KIM.address, (shown(Activity.AWAY, note=note),)), limit)
    assert text
    assert len(text.encode(errors="replace")) <= max(limit, len("Away"))
    assert not set(text) & set("\r\n\0")


async def test_away_is_said_seldom_and_last_value_wins() -> None:
    said: list[str] = []
    able = True

    def say(text: str) -> bool:
        if able:
            said.append(text)
        return able

    pacer = AwayPacer(say, every=0.05)
    pacer.want("")
    assert said == []
    pacer.want("tea")
    pacer.want("coffee")
    pacer.want("milk")
    assert said == ["tea"]
    await asyncio.sleep(0.08)
    assert said == ["tea", "milk"]
    pacer.want("x")
    pacer.want("milk")
    await asyncio.sleep(0.08)
    assert said == ["tea", "milk"]
    pacer.want("y")
    pacer.stop()
    pacer.want("z")
    pacer.stop()
    await asyncio.sleep(0.08)
    assert said == ["tea", "milk", "y"]
    able = False
    pacer.want("not now")
    assert said == ["tea", "milk", "y"]


# Netsplits


@pytest.mark.parametrize(
    ("reason", "split"),
    [
        ("*.net *.split", True),
        ("irc.a.example irc.b.example", True),
        ("hub-1.example.org leaf_2.example.org", True),
        ("irc.a.example irc.a.example", False),
        ("irc.a.example IRC.A.example", False),
        ("Quit: irc.a.example irc.b.example", False),
        ('"irc.a.example irc.b.example"', False),
        ("irc.a.example irc.b.example c.d", False),
        ("bye now", False),
        ("bye. now.", False),
        ("see example.org", False),
        ("http://a.example http://b.example", False),
        ("irc.a.example  irc.b.example", False),
        ("irc.a.example irc.b.example\n", False),
        ("Ping timeout: 240 seconds", False),
        ("", False),
        (None, False),
    ],
)
def test_the_reason_of_a_split(reason: str | None, split: bool) -> None:
    assert is_split(reason) is split


class Stage:
    def __init__(self) -> None:
        self.clock = Clock()
        self.out: list[Item] = []
        self.identities: dict[str, Identity] = {}
        self.splits = Splits(
            self.out.append, lambda address: self.identities.get(address.native), self.clock, lambda low, high: high
        )

    def tell(self, *items: Item) -> list[Item]:
        """What comes of it at once."""
        before = len(self.out)
        for item in items:
            self.splits.take(item)
        return self.out[before:]

    def later(self, seconds: float) -> list[Item]:
        """What comes of waiting."""
        before = len(self.out)
        self.clock.now += seconds
        self.splits.tick()
        return self.out[before:]


def gone(place: Place = HERE, who: Person = KIM, reason: str = "*.net *.split", cause: Cause = Cause.QUIT) -> Left:
    return Left(place, who.address, cause, reason)


def said(who: Person = KIM) -> Event:
    return Event(Origin("libera", "1"), HERE, who, 0.0, Message(Text("back")))


def test_who_returns_was_never_away() -> None:
    stage = Stage()
    assert stage.tell(gone(), gone(THERE), Joined(HERE, KIM), said()) == [said()]
    assert stage.later(HOLD + SPREAD - 1) == []
    assert stage.later(1) == [gone(THERE)]
    assert stage.later(1000) == []


def test_who_stays_away_leaves_in_the_end() -> None:
    stage = Stage()
    people = [Person(Address("libera", f"p{number}"), f"p{number}") for number in range(2000)]
    assert stage.tell(*(gone(who=each) for each in people)) == []
    assert stage.tell(*(Joined(HERE, each) for each in people[:1990])) == []
    assert stage.later(HOLD + SPREAD) == [gone(who=each) for each in people[1990:]]


def test_other_departures_pass_at_once() -> None:
    stage = Stage()
    for left in (gone(reason="bye"), gone(cause=Cause.LEFT), gone(cause=Cause.KICKED)):
        assert stage.tell(left) == [left]
    assert stage.tell(Joined(HERE, KIM)) == [Joined(HERE, KIM)]
    assert stage.tell(gone(), gone(reason="really")) == [gone(), gone(reason="really")]


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (Identity("u", "h"), Identity("u", "h"), True),
        (Identity("u", "h"), Identity("v", "x"), False),
        (Identity("u", "h"), None, True),
        (None, Identity("u", "h"), True),
        (Identity("u", "h", "kim"), Identity("v", "x", "kim"), True),
    ],
)
def test_somebody_else_under_the_nick(before: Identity | None, after: Identity | None, same: bool) -> None:
    stage = Stage()
    stage.identities = {"kim": before} if before else {}
    stage.tell(gone())
    stage.identities = {"kim": after} if after else {}
    assert stage.tell(Joined(HERE, KIM)) == ([] if same else [gone(), Joined(HERE, KIM)])


def test_a_list_and_a_word_tell_who_is_there() -> None:
    stage = Stage()
    roster = Roster(HERE, ())
    assert stage.tell(gone(), gone(THERE), roster) == [roster]
    assert stage.later(HOLD + SPREAD) == [gone(THERE)]
    assert stage.tell(gone(), said()) == [said()]
    assert stage.later(HOLD + SPREAD) == []


def test_what_is_held_back_is_bounded() -> None:
    stage = Stage()
    stage.tell(*(gone(who=Person(Address("libera", f"{number}"), "x")) for number in range(LIMIT + 2)))
    assert len(stage.splits) == LIMIT
    assert len(stage.out) == 2


MOVES = st.lists(st.tuples(st.sampled_from(["split", "join", "quit", "wait"]), st.integers(0, 2)), max_size=30)


@given(MOVES)
def test_nobody_is_ever_left_behind(moves: Sequence[tuple[str, int]]) -> None:
    """Whatever happens in whatever order: in the end those are taken to be there who are."""
    stage = Stage()
    people = [Person(Address("libera", f"p{number}"), f"p{number}") for number in range(3)]
    there: set[Address] = set()
    for move, number in moves:
        address = people[number].address
        if move == "wait":
            stage.later(HOLD)
        elif move == "join" and address not in there:
            there.add(address)
            stage.tell(Joined(HERE, people[number]))
        elif move in ("split", "quit") and address in there:
            there.discard(address)
            stage.tell(gone(who=people[number], reason="*.net *.split" if move == "split" else "bye"))
    stage.later(HOLD + SPREAD)
    taken: set[Address] = set()
    for item in stage.out:
        if isinstance(item, Joined):
            assert item.person.address not in taken
            taken.add(item.person.address)
        elif isinstance(item, Left):
            taken.remove(item.address)
    assert taken == there


# Following people


def test_monitor_in_chunks_and_within_its_limit() -> None:
    watchlist = Watchlist()
    assert watchlist.follow("early", Why.PRESENCE) == []
    assert watchlist.begin(Casemapping.ASCII, 3) == [("MONITOR", "+", "early")]
    assert watchlist.follow("a", Why.PRESENCE) == [("MONITOR", "+", "a")]
    assert watchlist.follow("A", Why.TALK) == []
    assert watchlist.follow("b", Why.TALK) == [("MONITOR", "+", "b")]
    assert watchlist.follow("c", Why.TALK) == []
    assert watchlist.poll(0.0, lambda nick: False) == [("ISON", "c")]
    assert watchlist.answered(["C"]) == (["C"], [])
    # There is room now for who was only asked about.
    assert watchlist.unfollow("b", Why.TALK) == [("MONITOR", "-", "b"), ("MONITOR", "+", "c")]
    assert watchlist.unfollow("a", Why.PRESENCE) == []
    assert watchlist.unfollow("a", Why.TALK) == [("MONITOR", "-", "a")]
    assert watchlist.unfollow("nobody", Why.TALK) == []
    assert list(watchlist) == ["early", "c"]


def test_what_the_server_refuses_is_asked_about() -> None:
    watchlist = Watchlist()
    watchlist.begin(Casemapping.ASCII, 100)
    for nick in "abc":
        watchlist.follow(nick, Why.PRESENCE)
    watchlist.refused(["b", "c"])
    assert watchlist.poll(0.0, lambda nick: False) == [("ISON", "b c")]
    assert watchlist.follow("d", Why.PRESENCE) == []


def test_a_new_connection_starts_anew() -> None:
    watchlist = Watchlist()
    watchlist.begin(Casemapping.RFC1459, 10)
    watchlist.follow("kim{", Why.PRESENCE)
    watchlist.follow("KIM[", Why.PRESENCE)
    assert watchlist.begin(Casemapping.RFC1459, None) == []
    assert watchlist.poll(0.0, lambda nick: False) == [("ISON", "KIM[")]


def test_ison_is_paced_and_answered_in_order() -> None:
    watchlist = Watchlist()
    watchlist.begin(Casemapping.ASCII, None)
    nicks = [f"nick-of-some-length-{number}" for number in range(60)]
    for nick in nicks:
        watchlist.follow(nick, Why.PRESENCE)
    commands = watchlist.poll(0.0, lambda nick: nick.endswith("-9"))
    assert all(len(text.encode()) <= CHUNK_BYTES for _, text in commands)
    asked = [text.split(" ") for _, text in commands]
    assert list(itertools.chain(*asked)) == [nick for nick in nicks if not nick.endswith("-9")]
    # Nothing more while answers are due, and not before the minute is over.
    assert watchlist.poll(POLL_EVERY - 1, lambda nick: False) == []
    for chunk in asked:
        assert watchlist.answered([chunk[0].upper()]) == ([chunk[0].upper()], chunk[1:])
    assert watchlist.answered(["stray"]) == (["stray"], [])
    assert watchlist.poll(POLL_EVERY - 1, lambda nick: False) == []
    assert len(watchlist.poll(POLL_EVERY, lambda nick: False)) > 1
    # An answer that never comes holds nothing up for ever.
    assert watchlist.poll(2 * POLL_EVERY, lambda nick: False) == []
    assert watchlist.poll(POLL_EVERY + ANSWER_WITHIN + 1, lambda nick: False) != []


def test_partners_are_bounded() -> None:
    watchlist = Watchlist(talks=2)
    watchlist.begin(Casemapping.ASCII, 10)
    watchlist.follow("seen", Why.PRESENCE)
    watchlist.follow("seen", Why.TALK)
    for nick in "abc":
        watchlist.follow(nick, Why.TALK)
    assert list(watchlist) == ["seen", "b", "c"]
    assert watchlist.wanted("seen", Why.TALK)
    assert not watchlist.wanted("b", Why.PRESENCE)


# All together, on the lines of a server


class Bench:
    """A session's talk, and the whereabouts fed by it."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.asked: list[Command] = []
        self.told: list[Presence] = []
        self.passing: list[bool] = []
        self.let_go: list[tuple[str, str]] = []
        self.where = Whereabouts(
            "libera",
            ask=self.asked.append,
            tell=self.tell,
            own=lambda source: source.nick == "alice",
            gone=lambda nick, now: self.let_go.append((nick, now)),
            clock=talk.clock,
        )
        self.where.begin(talk.session)

    def tell(self, presence: Presence, /, *, passing: bool = False) -> None:
        self.told.append(presence)
        self.passing.append(passing)

    def hear(self, lines: str) -> list[Presence]:
        before = len(self.told)
        for event in self.talk.hear(lines):
            self.where.heard(event)
        return self.told[before:]

    def later(self, seconds: float) -> list[Presence]:
        before = len(self.told)
        self.talk.clock.now += seconds
        self.where.tick()
        return self.told[before:]


def who(nick: str) -> Address:
    return Address("libera", nick)


def test_whox_one_channel_after_the_other() -> None:
    bench = Bench(on_inspircd())
    bench.talk.session.isupport.update(["WHOX"])
    assert bench.hear(":alice!a@h JOIN #one\n:alice!a@h JOIN #two\n") == []
    assert bench.asked == [("WHO", "#one", "%tcuhnfar,152")]
    assert bench.hear(":s 353 alice = #one :@bob!b@h cy ChanServ alice\n:s 366 alice #one :End\n") == []
    told = bench.hear(":s 354 alice 152 #one b h bob G bobby :Bob\n:s 354 alice 152 #one c h nobody G 0 :No\n")
    assert told == [online(who("bob"), Known("bob", away=True))]
    # Of whom the answer did not speak: they are there.
    assert bench.hear(":s 315 alice #one :End\n") == [online(who("cy"), None)]
    assert bench.asked[1:] == [("WHO", "#two", "%tcuhnfar,152")]
    assert {known.nick for known in bench.where.people} == {"bob", "cy"}
    bench.later(WHO_WITHIN + 1)
    bench.hear(":alice!a@h JOIN #three\n")
    assert bench.asked[2:] == [("WHO", "#three", "%tcuhnfar,152")]


def test_away_is_asked_for_again_where_the_server_does_not_tell() -> None:
    bench = Bench(on_ngircd())
    bench.hear(":alice!a@h JOIN #one\n:s 353 alice = #one :alice bob\n:s 366 alice #one :End\n:s 315 alice #one :End\n")
    assert bench.asked == [("WHO", "#one")]
    bench.later(WHO_EVERY - 1)
    assert len(bench.asked) == 1
    bench.later(2)
    assert bench.asked == [("WHO", "#one")] * 2
    bench.hear(f":s 353 alice = #one :alice {' '.join(f'p{number}' for number in range(101))}\n")
    bench.hear(":s 366 alice #one :End\n:s 315 alice #one :End\n")
    bench.later(WHO_EVERY + 1)
    assert len(bench.asked) == 2


def test_who_is_in_a_split_is_offline_at_once_and_for_rooms_when_it_lasts() -> None:
    bench = Bench(on_inspircd())
    here, away = online(who("bob"), None), offline(who("bob"))
    assert bench.hear(":bob!b@h JOIN #vec bobby :Bob\n") == [here]
    assert bench.hear(":bob!b@h QUIT :*.net *.split\n") == [away]
    assert bench.let_go == [("bob", "")]
    # One of our other connections was slower.
    bench.where.about(About(Source("bob", "b", "h"), away=True))
    bench.where.about(About(Source("bob", "b", "h"), away=False))
    # Whoever begins to follow them now is not told that they are here.
    bench.where.follow("bob", Why.PRESENCE)
    assert bench.told == [here, away]
    bench.where.follow("bob", Why.PRESENCE, wanted=False)
    assert bench.hear(":bob!b@h JOIN #vec bobby :Bob\n") == [here]
    assert bench.later(HOLD + SPREAD + 1) == []
    assert bench.hear(":bob!b@h QUIT :*.net *.split\n") == [away]
    assert bench.later(HOLD + SPREAD) == [away]
    assert bench.later(CLOSED_FOR) == [unknown(who("bob"))]
    assert bench.passing == [False, True, False, True, False, False]
    assert not len(bench.where.people)


def test_who_speaks_is_back_from_a_split() -> None:
    bench = Bench(on_inspircd())
    bench.hear(":bob!b@h JOIN #vec bobby :Bob\n:bob!b@h QUIT :*.net *.split\n")
    assert bench.hear(":bob!b@h PRIVMSG alice :hi\n") == [online(who("bob"), None)]


@pytest.mark.parametrize("first", ["monitor", "quit"])
def test_a_split_that_monitor_tells_of_too(first: str) -> None:
    bench = Bench(on_inspircd())
    bench.hear(":alice!a@h JOIN #vec * :x\n:bob!b@h JOIN #vec bobby :Bob\n")
    bench.where.follow("bob", Why.PRESENCE)
    gone = [":s 731 alice :bob\n", ":bob!b@h QUIT :*.net *.split\n"]
    told = [bench.hear(line) for line in (gone if first == "monitor" else reversed(gone))]
    assert list(itertools.chain(*told)) == [offline(who("bob"))]
    assert bench.hear(":s 730 alice :bob!b@h\n:bob!b@h JOIN #vec bobby :Bob\n") == [online(who("bob"), None)]
    assert bench.passing == [False, True, False]
    assert bench.where.people.identity("bob") == Identity("b", "h", "bobby")


def test_nicks_change_and_are_let_go() -> None:
    bench = Bench(on_inspircd())
    bench.hear(":bob!b@h JOIN #vec bobby :Bob\n:bob!b@h AWAY :tea\n")
    away = Known("kes", away=True, note="tea")
    assert bench.hear(":bob!b@h NICK kes\n") == [offline(who("bob")), online(who("kes"), away)]
    assert bench.let_go == [("bob", "kes")]
    assert bench.hear(":kes!b@h NICK Kes\n") == []
    assert bench.where.spelled("kes") == "Kes"
    assert bench.where.people.identity("kes") == Identity("b", "h", "bobby")
    assert bench.hear(":Kes!b@h PART #vec\n") == [unknown(who("kes"))]
    assert bench.let_go == [("bob", "kes")]


def test_monitor_is_faster_than_nick() -> None:
    bench = Bench(on_inspircd())
    bench.talk.session.isupport.update(["MONITOR=30"])
    bench.where.begin(bench.talk.session)
    bench.hear(":bob!b@h JOIN #vec bobby :Bob\n")
    bench.where.follow("bob", Why.TALK)
    assert bench.asked == [("MONITOR", "+", "bob")]
    assert bench.hear(":s 731 alice :bob\n:bob!b@h NICK kes\n") == [offline(who("bob")), online(who("kes"), None)]
    assert bench.let_go == [("bob", ""), ("bob", "kes")]


def test_who_is_ours_or_a_service_is_nobody() -> None:
    bench = Bench(on_inspircd())
    lines = ":ChanServ!c@services JOIN #vec * :x\n:alice!a@h AWAY :x\n:s 352 alice #vec a h s alice G :0 x\n"
    assert bench.hear(lines + ":alice!a@h SETNAME :x\n:stranger!s@h AWAY :x\n") == []
    bench.where.follow("NickServ", Why.PRESENCE)
    bench.where.follow("alice", Why.PRESENCE)
    assert bench.asked == []
    assert not len(bench.where.people)


def test_what_people_say_tells_who_they_are() -> None:
    bench = Bench(on_inspircd())
    bench.hear(":s 353 alice = #vec :bob\n:s 366 alice #vec :End\n")
    bench.hear("@account=bobby;bot :bob!b@h PRIVMSG #vec :beep\n:stranger!s@h PRIVMSG alice :hi\n")
    assert bench.where.is_bot("BOB")
    assert not bench.where.is_bot("stranger")
    assert bench.where.people.identity("bob") == Identity("b", "h", "bobby")
    bench.hear(":bob!b@elsewhere PRIVMSG #vec :beep\n")
    assert bench.where.people.identity("bob") == Identity("b", "elsewhere")
    assert "stranger" not in bench.where.people


def test_a_lost_connection_leaves_nothing() -> None:
    bench = Bench(on_inspircd())
    bench.hear(":bob!b@h JOIN #vec bobby :Bob\n")
    bench.where.follow("bob", Why.PRESENCE)
    bench.where.lost()
    assert not len(bench.where.people)
    assert bench.later(100_000) == []
    assert bench.where.address("BOB") == who("bob")
    bench.where.begin(on_inspircd().session)
    bench.where.tick()
    assert bench.asked == [("ISON", "bob")]


def test_who_was_asked_for_by_another_spelling_is_told_by_that_too() -> None:
    """Before a connection stands, only ASCII letters can be folded: ``kim[`` and ``kim{`` become one later."""
    talk = Talk()
    bench = Bench(talk)
    bench.where.lost()
    bench.where.follow("kim[", Why.PRESENCE)
    bench = bench_again(bench)
    told = bench.hear(":s 303 alice :Kim{\n")
    assert told == [online(who("kim{"), None), online(who("kim["), None)]
    bench.where.follow("kim[", Why.PRESENCE, wanted=False)
    assert bench.told[2:] == [unknown(who("kim{")), unknown(who("kim["))]


def bench_again(bench: Bench) -> Bench:
    """The same whereabouts on a connection that stands."""
    bench.talk = on_inspircd()
    bench.where.begin(bench.talk.session)
    bench.where.tick()
    assert bench.asked == [("ISON", "kim[")]
    return bench
