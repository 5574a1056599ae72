"""Dialogues of a session, with lines as ngIRCd 26.1 and InspIRCd 3.15 sent them; and no socket anywhere."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.protocol import events
from adapters.irc.protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from adapters.irc.protocol.events import Manner
from adapters.irc.protocol.message import Source
from adapters.irc.protocol.pending import PATIENCE
from adapters.irc.protocol.registering import GREET_WITHIN, REGISTER_WITHIN
from adapters.irc.protocol.sender import SILENCE, Profile
from adapters.irc.protocol.session import Session
from adapters.irc.protocol.states import OURS, TRANSITIONS, State, Trigger, step

NGIRCD = """\
:ng.test 001 alice :Welcome to the Internet Relay Network alice!~alice@127.0.0.1
:ng.test 002 alice :Your host is ng.test, running version ngircd-26.1 (x86_64/pc/linux-gnu)
:ng.test 005 alice RFC2812 IRCD=ngIRCd CHARSET=UTF-8 CASEMAPPING=ascii PREFIX=(qaohv)~&@%+ CHANTYPES=#&+ :are supported
:ng.test 005 alice CHANNELLEN=50 NICKLEN=30 TOPICLEN=490 KICKLEN=400 MODES=5 PENALTY FNC :are supported on this server
:ng.test 251 alice :There are 1 users and 0 services on 1 servers
:ng.test 372 alice :- hi
:ng.test 376 alice :End of MOTD command
"""
CAPS = "account-tag batch echo-message labeled-response message-tags server-time"
INSPIRCD = """\
@time=2026-11-22T16:59:16.882Z :insp.test 001 alice :Welcome to the TestNet IRC Network alice!alice@127.0.0.1
@time=2026-11-22T16:59:16.882Z :insp.test 005 alice BOT=B CASEMAPPING=rfc1459 CHANTYPES=# :are supported by this server
@time=2026-11-22T16:59:16.882Z :insp.test 005 alice LINELEN=512 NICKLEN=30 PREFIX=(ov)@+ STATUSMSG=@+ :are supported
@time=2026-11-22T16:59:16.882Z :insp.test 376 alice :End of message of the day.
"""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Talk:
    """A session, its clock, and the lines that go to and fro."""

    def __init__(self, *nicks: str, **profile: object) -> None:
        self.clock = Clock()
        values: dict[str, object] = {"burst": 1000.0, "per_second": 1000.0} | profile
        self.session = Session(Profile(iter(nicks or ("alice",)), "alice", "Real alice", **values), self.clock)  # type: ignore[arg-type]  # values of one dictionary

    def hear(self, text: str) -> list[events.Event]:
        return list(self.session.receive(text.replace("\n", "\r\n").encode()))

    def sent(self) -> list[str]:
        return self.session.outgoing().decode().splitlines()

    def state(self) -> State:
        return self.session.state


def on_ngircd(*nicks: str, **profile: object) -> Talk:
    talk = Talk(*nicks, **profile)
    talk.session.start()
    talk.hear(":ng.test CAP * LS :multi-prefix\n:ng.test CAP alice ACK :multi-prefix\n" + NGIRCD)
    talk.hear(
        ":alice!~alice@127.0.0.1 JOIN :#vec\n:ng.test 353 alice = #vec :@alice bob\n:ng.test 366 alice #vec :End\n"
    )
    talk.sent()
    return talk


def on_inspircd(**profile: object) -> Talk:
    talk = Talk(**profile)
    talk.session.start()
    talk.hear(f":insp.test CAP * LS :{CAPS}\n:insp.test CAP alice ACK :{CAPS}\n" + INSPIRCD)
    talk.hear("@time=2026-11-22T16:59:19.084Z :alice!alice@127.0.0.1 JOIN #vec * :Real alice\n")
    talk.sent()
    return talk


# Registration


def test_registration_with_capabilities() -> None:
    talk = Talk(password="sesame :x")
    talk.session.start()
    assert talk.sent() == ["CAP LS 302", "PASS :sesame :x", "NICK alice", "USER alice 0 * :Real alice"]
    assert talk.hear(":ng.test CAP * LS :multi-prefix\n") == []
    assert talk.sent() == ["CAP REQ multi-prefix"]
    talk.hear(":ng.test CAP alice ACK :multi-prefix\n")
    assert talk.sent() == ["CAP END"]
    assert talk.state() is State.REGISTERING
    assert talk.hear(NGIRCD.replace("alice", "Alice_")) == [
        events.Registered("Alice_"),
        *[events.Passed("numeric")] * 3,
        events.Ready(),
    ]
    assert talk.state() is State.READY
    assert talk.session.me == Source("Alice_", "~Alice_", "127.0.0.1")
    assert talk.session.isupport.nick_bytes == 30


def test_a_server_without_cap() -> None:
    talk = Talk()
    talk.session.start()
    assert talk.hear(":old 421 * CAP :Unknown command\n" + NGIRCD)[0] == events.Registered("alice")
    assert talk.state() is State.READY
    assert not talk.session.caps.labels


def test_nicks_are_tried_in_turn() -> None:
    talk = Talk("one", "two", "three")
    talk.session.start()
    talk.sent()
    for numeric, nick in (("433", "two"), ("437", "three")):
        assert talk.hear(f":s {numeric} * x :taken\n") == []
        assert talk.sent() == [f"NICK {nick}"]
    (failed,) = talk.hear(":s 436 * x :taken\n")
    assert isinstance(failed, events.RegistrationFailed)
    assert not failed.permanent


@pytest.mark.parametrize(
    ("line", "strict", "permanent"),
    [
        (":s 464 * :Password incorrect", False, True),
        (":s 465 * :You are banned", False, True),
        (":s 432 * bad! :Erroneous nickname", True, True),
        (":s FAIL * ACCOUNT_REQUIRED :Log in first", False, True),
        ("ERROR :Access denied: Bad password?", False, True),
        ("ERROR :Closing link: (a@b) [K-Lined: go away]", False, True),
    ],
)
def test_refusals_for_good(line: str, strict: bool, permanent: bool) -> None:
    talk = Talk("one", "two", strict=strict)
    talk.session.start()
    talk.sent()
    (failed,) = talk.hear(line + "\n")
    assert isinstance(failed, events.RegistrationFailed)
    assert failed.permanent is permanent


def test_a_bad_candidate_is_no_end_for_a_puppet_nor_for_a_bots_second() -> None:
    for nicks, strict, first in ((("one", "two"), False, "432"), (("one", "two", "three"), True, "433")):
        talk = Talk(*nicks, strict=strict)
        talk.session.start()
        talk.hear(f":s {first} * one :no\n")
        told = talk.hear(":s 432 * two :no\n")
        if strict:
            assert told == []
        assert not any(isinstance(event, events.RegistrationFailed) and event.permanent for event in told)
        assert talk.session.me.nick == nicks[-1]


def test_an_error_later_is_no_refusal() -> None:
    assert on_ngircd().hear("ERROR :Bad password for OPER\n") == [events.Ended("Bad password for OPER")]


def test_time_to_register_runs_out() -> None:
    talk = Talk()
    talk.session.start()
    talk.sent()
    assert talk.session.deadline() == 1000 + REGISTER_WITHIN
    assert talk.session.tick() == []
    talk.clock.now += REGISTER_WITHIN
    assert isinstance(talk.session.tick()[0], events.Ended)


def test_a_greeting_without_end() -> None:
    talk = Talk()
    talk.session.start()
    talk.hear(":s 001 alice :Welcome\n")
    talk.sent()
    assert talk.session.deadline() == 1000 + GREET_WITHIN
    with pytest.raises(LocalProtocolError):
        talk.session.join([("#x", None)])
    talk.clock.now += GREET_WITHIN
    assert talk.session.tick() == [events.Ready()]
    assert talk.hear(":s 376 alice :End\n") == []


# What is heard


def test_people_in_a_channel() -> None:
    talk = on_ngircd()
    assert talk.hear(":bob!~bob@127.0.0.1 JOIN :#vec\n") == [
        events.Joined("#vec", Source("bob", "~bob", "127.0.0.1"), own=False)
    ]
    (renamed,) = talk.hear(":bob!~bob@127.0.0.1 NICK :bobby\n")
    assert renamed == events.NickChanged(Source("bob", "~bob", "127.0.0.1"), "bobby", ("#vec",), own=False)
    (parted,) = talk.hear(":bobby!~bob@127.0.0.1 PART #vec :bye all\n")
    assert parted == events.Parted("#vec", Source("bobby", "~bob", "127.0.0.1"), "bye all", own=False)
    (gone,) = talk.hear(":bobby!~bob@127.0.0.1 QUIT :gone\n")
    assert gone == events.Quit(Source("bobby", "~bob", "127.0.0.1"), "gone", ())


def test_names_with_prefixes_and_hosts() -> None:
    talk = on_inspircd()
    (members, topic) = talk.hear(
        ":insp.test 353 alice = #vec :@alice!alice@127.0.0.1 @+bob!bob@h\n:insp.test 353 alice = #vec :cy!c@h \n"
        ":insp.test 366 alice #vec :End of /NAMES list.\n"
    )
    sources = (Source("alice", "alice", "127.0.0.1"), Source("bob", "bob", "h"), Source("cy", "c", "h"))
    assert members == events.Members("#vec", {"alice": "@", "bob": "@+", "cy": ""}, sources)
    assert topic == events.Topic("#vec", "", None)
    assert len(talk.hear(":insp.test 353 alice = #vec :@alice\n:insp.test 366 alice #vec :End\n")) == 1
    assert talk.hear(":insp.test 366 alice #vec :End\n:insp.test 366 alice #other :End\n") == []


def test_topics() -> None:
    talk = on_inspircd()
    assert talk.hear(":insp.test 332 alice #vec :old\n") == [events.Topic("#vec", "old", None)]
    assert talk.hear(":insp.test 331 alice #vec :No topic is set\n") == [events.Topic("#vec", "", None)]
    assert talk.hear(":bob!b@h TOPIC #vec :new\n") == [events.Topic("#vec", "new", Source("bob", "b", "h"))]
    assert talk.hear(":alice!a@h TOPIC #vec :own\n") == [
        events.Topic("#vec", "own", Source("alice", "a", "h"), own=True)
    ]
    members = talk.hear(":insp.test 353 alice = #vec :@alice\n:insp.test 366 alice #vec :End\n")
    assert len(members) == 1


@pytest.mark.parametrize(
    ("line", "manner", "text", "more"),
    [
        ("PRIVMSG #vec :hi", Manner.TEXT, "hi", {"to_channel": True}),
        ("NOTICE #vec :hi", Manner.NOTICE, "hi", {"to_channel": True}),
        ("PRIVMSG #vec :\x01ACTION waves\x01", Manner.ACTION, "waves", {"to_channel": True}),
        ("PRIVMSG #vec :\x01ACTION waves", Manner.ACTION, "waves", {"to_channel": True}),
        ("PRIVMSG alice :\x01VERSION\x01", Manner.CTCP, "", {"ctcp": "VERSION"}),
        ("NOTICE alice :\x01PING 1\x01", Manner.CTCP_REPLY, "1", {"ctcp": "PING"}),
        ("PRIVMSG alice :psst", Manner.TEXT, "psst", {"to_channel": False}),
        ("PRIVMSG @#vec :ops", Manner.TEXT, "ops", {"to_channel": False, "only_some": True}),
        ("PRIVMSG +#vec :voiced", Manner.TEXT, "voiced", {"to_channel": False, "only_some": True}),
    ],
)
def test_what_is_said(line: str, manner: Manner, text: str, more: dict[str, object]) -> None:
    talk = on_inspircd()
    (said,) = talk.hear(f"@time=T;msgid=M :bob!bob@h {line}\n")
    assert isinstance(said, events.Said)
    assert (said.manner, said.text, said.msgid, said.when, said.own) == (manner, text, "M", "T", False)
    assert {key: getattr(said, key) for key in more} == more


def test_who_we_are_is_followed() -> None:
    talk = on_ngircd()
    room = talk.session.text_bytes("#vec")
    assert room == 512 - len(":alice!~alice@127.0.0.1 PRIVMSG #vec :\r\n")
    talk.hear(":alice!~alice@127.0.0.1 NICK :alexandra\n")
    assert talk.session.text_bytes("#vec") == room - 4
    talk.hear(":ng.test 396 alexandra cloak.example :is your displayed hostname now\n")
    assert talk.session.me == Source("alexandra", "~alice", "cloak.example")
    talk.hear(":ng.test 396 alexandra ident@other :is your displayed hostname now\n")
    assert talk.session.me == Source("alexandra", "ident", "other")
    talk.hear(":alexandra!ident@other CHGHOST new host\n:bob!b@h CHGHOST x y\n")
    assert talk.session.me == Source("alexandra", "new", "host")


def test_pings_are_answered_whole() -> None:
    talk = on_ngircd()
    talk.hear("PING :abc def\nPING a b\n")
    assert talk.sent() == ["PONG :abc def", "PONG a b"]
    assert talk.hear("PING :" + "x" * 600 + "\n") == [events.Passed("malformed line")]
    assert talk.sent() == []


def test_own_kick_takes_back_what_waits_for_the_channel() -> None:
    talk = on_ngircd(burst=1.0, per_second=0.1)
    talk.clock.now += 1000
    for token in (1, 2, 3):
        talk.session.say(token, "#vec" if token != 3 else "bob", Manner.TEXT, f"line {token}")
    talk.sent()
    told = talk.hear(":bob!b@h KICK #VEC alice :out\n")
    assert told == [
        events.Dropped(2, sent=False),
        events.Kicked("#VEC", "alice", Source("bob", "b", "h"), "out", own=True),
    ]
    assert "#vec" not in talk.session.channels


def test_a_kill_ends_it() -> None:
    talk = on_ngircd()
    assert talk.hear(":oper!o@h KILL alice :go\n") == [events.Ended("killed by oper: go")]
    assert talk.hear(":oper!o@h KILL bob :go\n") == []


# Confirmation


def test_without_labels_a_pong_confirms_what_was_before() -> None:
    talk = on_ngircd()
    talk.session.say(1, "#vec", Manner.TEXT, "one")
    talk.session.say(2, "#vec", Manner.ACTION, "two")
    *lines, ping = talk.sent()
    assert lines == ["PRIVMSG #vec :one", "PRIVMSG #vec :\x01ACTION two\x01"]
    talk.session.say(3, "#vec", Manner.TEXT, "three")
    assert talk.sent() == ["PRIVMSG #vec :three"]
    token = ping.removeprefix("PING ")
    assert talk.hear(f":ng.test PONG ng.test :{token}\n") == [events.Delivered(1), events.Delivered(2)]
    (second,) = talk.sent()
    assert talk.hear(f":ng.test PONG ng.test :{second.removeprefix('PING ')}\n") == [events.Delivered(3)]
    assert talk.sent() == []
    assert talk.hear(":ng.test PONG ng.test :never-asked\n") == []


def test_without_labels_an_error_is_the_earliest_matching_line_s() -> None:
    talk = on_ngircd()
    for token, target in ((1, "#vec"), (2, "ghost"), (3, "#VEC"), (4, "#vec")):
        talk.session.say(token, target, Manner.TEXT, "x")
    ping = talk.sent()[-1]
    (refused,) = talk.hear(":ng.test 401 alice Ghost :No such nick or channel name\n")
    assert refused == events.Refused(2, "401", "No such nick or channel name", "Ghost")
    (refused,) = talk.hear(":ng.test 404 alice #vec :Cannot send to channel\n")
    assert refused == events.Refused(1, "404", "Cannot send to channel", "#vec")
    (refused,) = talk.hear(":ng.test 412 alice :No text to send\n")
    assert refused == events.Refused(3, "412", "No text to send", "No text to send")
    assert talk.hear(f":ng.test PONG ng.test :{ping.removeprefix('PING ')}\n") == [events.Delivered(4)]
    assert talk.hear(":ng.test 404 alice #vec :Cannot send to channel\n") == [events.Passed("numeric")]


def test_with_labels_the_echo_confirms() -> None:
    talk = on_inspircd()
    for token in (1, 2, 3, 4):
        talk.session.say(token, "#vec", Manner.TEXT, f"line {token}")
    assert talk.sent() == [f"@label={token} PRIVMSG #vec :line {token}" for token in (1, 2, 3, 4)]
    told = talk.hear(
        "@time=T;msgid=m1;label=1;inspircd.org/echo :alice!alice@127.0.0.1 PRIVMSG #vec :line 1\n"
        "@label=2 :insp.test 404 alice #vec :You cannot send\n"
        "@label=3 :insp.test BATCH +7 :labeled-response\n"
        "@batch=7 :insp.test 404 alice #vec :You cannot send\n"
        "@batch=7 :insp.test 404 alice #vec :really\n"
        ":insp.test BATCH :-7\n"
        "@label=4 :insp.test ACK\n"
    )
    assert told == [
        events.Delivered(1, "m1"),
        events.Refused(2, "404", "You cannot send", "#vec"),
        events.Refused(3, "404", "You cannot send", "#vec"),
        events.Passed("numeric"),
        events.Delivered(4),
    ]


def test_with_labels_silence_is_asked_about() -> None:
    talk = on_inspircd()
    talk.session.say(1, "#vec", Manner.TEXT, "x")
    talk.sent()
    assert talk.session.deadline() == talk.clock.now + PATIENCE
    talk.clock.now += PATIENCE
    assert talk.session.tick() == []
    (ping,) = talk.sent()
    assert talk.hear(f":insp.test PONG insp.test :{ping.removeprefix('PING ')}\n") == [events.Delivered(1)]


def test_with_labels_anothers_error_is_not_taken_for_ours() -> None:
    talk = on_inspircd()
    talk.session.say(1, "#vec", Manner.TEXT, "x")
    talk.sent()
    assert talk.hear("@label=99 :insp.test 404 alice #vec :no\n") == [events.Passed("numeric")]
    assert talk.hear("@label=1 :bob!b@h PRIVMSG #vec :label of somebody else\n")[0] != events.Delivered(1)
    assert talk.hear("@label=1;msgid=z :alice!a@h PRIVMSG #vec :x\n") == [events.Delivered(1, "z")]


def test_what_is_lost_is_told() -> None:
    talk = on_ngircd(burst=1.0, per_second=0.01)
    talk.clock.now += 1000
    assert not talk.session.say(1, "#vec", Manner.TEXT, "sent")
    talk.sent()
    assert talk.session.say(2, "#vec", Manner.TEXT, "throttled")
    assert talk.session.say(3, "#vec", Manner.TEXT, "withdrawn")
    talk.session.withdraw(3)
    talk.session.withdraw(99)
    talk.sent()
    assert talk.session.lost() == [events.Dropped(1, sent=True), events.Dropped(2, sent=False)]
    assert talk.state() is State.CLOSED
    assert talk.hear("PING x\n") == []
    assert talk.session.deadline() is None


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    talk = on_ngircd()
    room = talk.session.text_bytes("#vec")
    with pytest.raises(LocalProtocolError, match="does not fit"):
        talk.session.say(1, "#vec", Manner.TEXT, "x" * (room + 1))
    with pytest.raises(LocalProtocolError, match="does not fit"):
        talk.session.say(1, "#vec", Manner.ACTION, "x" * room)
    with pytest.raises(LocalProtocolError):
        talk.session.say(1, "#vec", Manner.CTCP, "DCC")
    assert talk.sent() == []


# Joining and nicks, later


def test_joining_with_keys_and_being_refused() -> None:
    talk = on_ngircd()
    talk.session.join([("#open", None), ("#locked", "sesame"), ("#full", None)])
    assert talk.sent() == ["JOIN #locked,#open,#full sesame"]
    assert talk.hear(":ng.test 475 alice #Locked :Bad key\n") == [events.JoinRefused("#Locked", "475", "Bad key")]
    assert talk.hear(":ng.test 471 alice #full :full\n") == [events.JoinRefused("#full", "471", "full")]
    assert talk.hear(":ng.test 471 alice #full :full\n") == [events.Passed("numeric")]


def test_many_channels_take_several_lines() -> None:
    talk = on_ngircd()
    names = [f"#{number:02}{'x' * 150}" for number in range(7)] + [f"#{number}" for number in range(20)]
    talk.session.join([(name, "k" * 100 if number == 3 else None) for number, name in enumerate(names)])
    lines = talk.sent()
    assert all(len(line) <= 510 for line in lines)
    assert sorted(name for line in lines for name in line.split()[1].split(",")) == sorted(names)
    assert lines[0].split()[1].startswith("#03")
    assert lines[0].endswith("k")
    assert len(lines) < len(names)


def test_another_nick_later() -> None:
    talk = on_ngircd()
    assert talk.hear(":ng.test 433 alice bob :in use\n") == [events.Passed("numeric")]
    talk.session.rename("bob")
    assert talk.sent() == ["NICK bob"]
    assert talk.hear(":ng.test 433 alice bob :in use\n") == [events.NickRefused("433", "in use")]
    (changed,) = talk.hear(":alice!~alice@h NICK :alina\n")
    assert changed == events.NickChanged(Source("alice", "~alice", "h"), "alina", ("#vec",), own=True)


# Liveness


def test_silence_is_asked_about_then_ended() -> None:
    talk = on_ngircd()
    assert talk.session.deadline() == talk.clock.now + SILENCE
    talk.clock.now += SILENCE
    assert talk.session.tick() == []
    (ping,) = talk.sent()
    assert talk.session.deadline() == 1000 + 2 * SILENCE
    talk.hear(f":ng.test PONG ng.test :{ping.removeprefix('PING ')}\n")
    assert talk.session.deadline() == talk.clock.now + SILENCE
    talk.clock.now += SILENCE
    talk.session.tick()
    talk.sent()
    talk.clock.now += SILENCE - 1
    assert talk.session.tick() == []
    assert talk.sent() == []
    talk.clock.now += 1
    assert isinstance(talk.session.tick()[0], events.Ended)


def test_what_others_say_is_no_answer() -> None:
    talk = on_ngircd()
    talk.clock.now += SILENCE
    talk.session.tick()
    (ping,) = talk.sent()
    for _ in range(10):
        talk.clock.now += SILENCE / 10
        talk.hear(":bob!b@h PRIVMSG alice :still there\n")
    assert isinstance(talk.session.tick()[0], events.Ended)
    assert ping.startswith("PING")


def test_while_nothing_is_read_no_answer_is_missed() -> None:
    talk = on_ngircd()
    talk.clock.now += SILENCE
    talk.session.tick()
    for _ in range(10):
        talk.clock.now += SILENCE
        talk.session.excuse()
        assert talk.session.tick() == []


def test_goodbye() -> None:
    talk = on_ngircd()
    talk.session.quit("bye\r\nNICK x")
    assert talk.sent() == ["QUIT :bye  NICK x"]
    with pytest.raises(LocalProtocolError):
        talk.session.quit("again")
    with pytest.raises(LocalProtocolError):
        talk.session.join([("#x", None)])
    assert talk.sent() == []


# The table


def test_legal_transitions() -> None:
    for (state, trigger), after in TRANSITIONS.items():
        assert step(state, trigger) is after


@pytest.mark.parametrize(("state", "trigger"), [(s, t) for s in State for t in Trigger if (s, t) not in TRANSITIONS])
def test_illegal_transitions(state: State, trigger: Trigger) -> None:
    with pytest.raises(LocalProtocolError if trigger in OURS else RemoteProtocolError):
        step(state, trigger)


def test_every_state_can_be_reached_and_lost() -> None:
    reached = {State.NEW}
    for _ in State:
        reached |= {after for (state, _), after in TRANSITIONS.items() if state in reached}
    assert reached == set(State)
    assert all(TRANSITIONS[state, Trigger.LOST] is State.CLOSED for state in State)


def test_an_illegal_request_changes_nothing() -> None:
    talk = Talk()
    with pytest.raises(LocalProtocolError):
        talk.session.quit("too early")
    assert talk.state() is State.NEW
    talk.session.start()
    talk.sent()
    with pytest.raises(LocalProtocolError):
        talk.session.start()
    assert talk.state() is State.NEGOTIATING
    assert talk.sent() == []
    talk = on_ngircd()
    assert talk.hear(":ng.test 001 mallory :Welcome again\n") == [events.Passed("malformed line")]
    assert (talk.state(), talk.session.me.nick) == (State.READY, "alice")


# Whatever comes


WORDS = [
    *(
        "PRIVMSG",
        "NOTICE",
        "JOIN",
        "PART",
        "QUIT",
        "KICK",
        "NICK",
        "TOPIC",
        "MODE",
        "PING",
        "PONG",
        "CAP",
        "BATCH",
        "ERROR",
    ),
    *(
        "001",
        "005",
        "332",
        "353",
        "366",
        "376",
        "396",
        "401",
        "404",
        "433",
        "475",
        "FAIL",
        "ACK",
        "CHGHOST",
        "KILL",
        "TAGMSG",
    ),
    *(
        "#vec",
        "alice",
        "bob",
        "*",
        "LS",
        "ACK",
        "NAK",
        "NEW",
        "DEL",
        "batch",
        "+1",
        "-1",
        "labeled-response",
        "x=y",
        "-x",
    ),
    *(
        ":alice!a@h",
        ":bob!b@h",
        ":s",
        "@label=1",
        "@batch=1",
        "@",
        ":",
        "",
        ":x y",
        "PREFIX=(",
        "CASEMAPPING=ascii",
        "=",
    ),
]
STREAMS = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.lists(st.sampled_from(WORDS), max_size=6).map(lambda words: " ".join(words).encode()),
    ),
    max_size=15,
).map(lambda lines: b"\r\n".join(lines) + b"\r\n")


def sessions(quiet: bool) -> Iterator[Talk]:
    new = Talk("alice", "bob")
    new.session.start()
    for talk in (new, on_ngircd(quiet=quiet), on_inspircd(quiet=quiet)):
        if talk is not new:
            talk.session.say(1, "#vec", Manner.TEXT, "under way")
        talk.sent()
        yield talk


@given(STREAMS, st.booleans())
def test_no_bytes_make_a_session_raise(stream: bytes, quiet: bool) -> None:
    for whole, single in zip(sessions(quiet), sessions(quiet), strict=True):
        told = list(whole.session.receive(stream))
        assert [event for byte in stream for event in single.session.receive(bytes([byte]))] == told
        for talk in (whole, single):
            try:
                data = talk.session.outgoing()
                talk.session.tick()
            except ProtocolError as error:
                raise AssertionError("a request of ours failed on what the server sent") from error
            assert not data or data.endswith(b"\r\n")
        tokens = [
            event.token for event in told if isinstance(event, events.Delivered | events.Refused | events.Dropped)
        ]
        assert len(tokens) == len(set(tokens))


def test_a_server_that_was_not_listened_to_was_not_silent() -> None:
    talk = Talk()
    talk.session.start(secure=False)
    talk.hear(NGIRCD)
    talk.sent()
    talk.clock.now += 2 * SILENCE + 1
    talk.session.excuse()
    assert talk.session.tick() == []
    assert talk.state() is State.READY
    talk.clock.now += SILENCE
    assert talk.session.tick() == []
    assert talk.sent()[0].startswith("PING")
    talk.clock.now += SILENCE
    assert isinstance(talk.session.tick()[0], events.Ended)
