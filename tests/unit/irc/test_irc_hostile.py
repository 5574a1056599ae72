"""Whatever a server sends, in whatever state: events, or nothing; the same whole and split; never anything else."""

import base64
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.protocol import events
from adapters.irc.protocol.errors import LocalProtocolError, RemoteProtocolError
from adapters.irc.protocol.events import Manner
from adapters.irc.protocol.linebuffer import CAP, LineBuffer
from adapters.irc.protocol.message import parse
from adapters.irc.protocol.nickserv import NickServLogin
from adapters.irc.protocol.sasl import Credentials, Mechanism
from adapters.irc.protocol.states import State
from tests.unit.irc.test_irc_session import CAPS, INSPIRCD, NGIRCD, Talk

SAYS = [
    *("001", "005", "332", "353", "366", "376", "396", "401", "404", "421", "433", "432", "464", "465", "475"),
    *("900", "901", "902", "903", "904", "905", "906", "907", "908"),
    *("ACCOUNT", "ACK", "AUTHENTICATE", "AWAY", "BATCH", "CAP", "CHGHOST", "ERROR", "FAIL", "JOIN", "KICK", "KILL"),
    *("MODE", "NICK", "NOTICE", "PART", "PING", "PONG", "PRIVMSG", "QUIT", "SETNAME", "TAGMSG", "TOPIC"),
]
ABOUT = [
    *("#vec", "alice", "bob", "*", "NickServ", "LS", "NEW", "DEL", "NAK", "LIST", "302", "+", "x", "-1", "+1", "="),
    *(":sasl", "sasl=PLAIN", ":sasl=PLAIN,SCRAM-SHA-256 batch", "sts=port=6697,duration=0", "sts=port=1", "-sasl"),
    *(":You are now identified for alice.", ":Invalid password", ":Bad password", "ACCOUNT_REQUIRED", "QUJD", "!", ""),
    *("x" * 400, ":" + "y" * 500, "CASEMAPPING=ascii", "PREFIX=(", "LINELEN=20", "NICKLEN=-1", "a,b,c", "alice!a@h"),
    base64.b64encode(b"r=x,s=QUJD,i=4096").decode(),
]
BY = ["", ":s ", ":alice!a@h ", ":bob!b@h ", ":NickServ!s@h ", "@label=1 :s ", "@batch=1;time=x :bob!b@h ", ": ", "@ "]
LINES = st.builds(
    lambda by, command, about: f"{by}{' '.join([command, *about])}".encode(),
    st.sampled_from(BY),
    st.sampled_from(SAYS),
    st.lists(st.sampled_from(ABOUT), max_size=5),
)
STREAMS = st.lists(LINES | st.binary(max_size=40), max_size=12).map(lambda lines: b"\r\n".join([*lines, b""]))


def new() -> Talk:
    return Talk()


def negotiating(**profile: object) -> Talk:
    talk = Talk("alice", "bob", "cy", nickserv=NickServLogin("pw"), **profile)
    talk.session.start(secure=True)
    return talk


def authenticating(mechanism: Mechanism = Mechanism.PLAIN, required: bool = True) -> Talk:
    talk = negotiating(sasl=Credentials(mechanism, "ana", "secret", required))
    talk.hear(f":s CAP * LS :sasl {CAPS}\n:s CAP * ACK :{CAPS} sasl\n")
    return talk


def challenged() -> Talk:
    talk = authenticating(Mechanism.SCRAM_SHA_256, required=False)
    talk.hear("AUTHENTICATE +\n")
    return talk


def registering() -> Talk:
    talk = negotiating()
    talk.hear(":s CAP * LS :\n")
    return talk


def greeted() -> Talk:
    talk = registering()
    talk.hear(":s 001 alice :Welcome\n")
    return talk


def identifying() -> Talk:
    talk = registering()
    talk.hear(NGIRCD)
    return talk


def ready(quiet: bool = False) -> Talk:
    talk = Talk(sasl=Credentials(Mechanism.PLAIN, "ana", "secret", required=False), quiet=quiet)
    talk.session.start()
    talk.hear(f":s CAP * LS :{CAPS}\n:s CAP * ACK :{CAPS}\n{INSPIRCD}:alice!a@h JOIN #vec\n")
    talk.session.say(1, "#vec", Manner.TEXT, "under way")
    return talk


def silent() -> Talk:
    return ready(quiet=True)


def logging_in() -> Talk:
    talk = ready()
    talk.hear(":s CAP alice NEW :sasl\n:s CAP alice ACK :sasl\n")
    return talk


def closing() -> Talk:
    talk = ready()
    talk.session.quit("bye")
    return talk


def closed() -> Talk:
    talk = ready()
    talk.session.lost()
    return talk


MAKERS: dict[Callable[[], Talk], State] = {
    new: State.NEW,
    negotiating: State.NEGOTIATING,
    authenticating: State.AUTHENTICATING,
    challenged: State.AUTHENTICATING,
    registering: State.REGISTERING,
    greeted: State.GREETED,
    identifying: State.IDENTIFYING,
    ready: State.READY,
    silent: State.READY,
    logging_in: State.READY,
    closing: State.CLOSING,
    closed: State.CLOSED,
}


def test_every_state_is_tried() -> None:
    assert {maker().state() for maker in MAKERS} == set(State)
    for maker, state in MAKERS.items():
        assert maker().state() is state


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@given(stream=STREAMS, cuts=st.lists(st.integers(0, 400), max_size=6), later=st.floats(0, 300))
def test_any_bytes_in_any_state(make: Callable[[], Talk], stream: bytes, cuts: list[int], later: float) -> None:
    whole, single, pieces = make(), make(), make()
    # The nonces of SCRAM differ; nothing here gets as far as to see that.
    told = list(whole.session.receive(stream))
    assert [event for byte in stream for event in single.session.receive(bytes([byte]))] == told
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    parts = [stream[start:end] for start, end in itertools.pairwise(ends)]
    assert [event for piece in parts for event in pieces.session.receive(piece)] == told
    assert len({talk.state() for talk in (whole, single, pieces)}) == 1
    assert all(isinstance(event, events.Event) for event in told)
    for talk in (whole, single, pieces):
        data = talk.session.outgoing()
        # Line by line, what goes out is what we have said, and no more.
        assert not data or data.endswith(b"\r\n")
        for line in data.split(b"\r\n")[:-1]:
            assert not set(line) & set(b"\r\n\0")
            parse(line)
        talk.clock.now += later
        deadline = talk.session.deadline()
        assert deadline is None or deadline >= 0
        assert all(isinstance(event, events.Event) for event in talk.session.tick())
        talk.session.outgoing()
    if whole.state() in (State.NEW, State.CLOSED):
        assert whole.sent() == []


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@given(stream=STREAMS)
def test_what_we_ask_for_is_done_or_refused_by_name(make: Callable[[], Talk], stream: bytes) -> None:
    """Whatever was heard before, a request ends in a line or in `LocalProtocolError`."""
    session = make().session
    list(session.receive(stream))
    for ask in (
        lambda: session.join([("#tea", None)]),
        lambda: session.say(9, "#tea", Manner.TEXT, "hi"),
        lambda: session.topic(10, "#tea", "T"),
        lambda: session.rename("bob"),
        lambda: session.ask_service("HELP"),
        lambda: session.quit("bye"),
    ):
        try:
            ask()
        except LocalProtocolError:
            continue
    session.outgoing()
    session.lost()
    assert session.state is State.CLOSED


@given(st.binary(max_size=300))
def test_a_line_is_read_or_refused_by_name(raw: bytes) -> None:
    try:
        line = parse(raw)
    except RemoteProtocolError:
        return
    assert line.command.isupper() or line.command.isdigit()


@given(st.lists(st.binary(max_size=30), max_size=20), st.integers(1, 40))
def test_lines_are_bounded_however_they_are_cut(pieces: list[bytes], cap: int) -> None:
    whole, split = LineBuffer(cap), LineBuffer(cap)
    stream = b"".join(pieces)
    lines = whole.feed(stream)
    assert [line for piece in pieces for line in split.feed(piece)] == lines
    assert whole.overlong == split.overlong
    assert all(len(line) <= cap for line in lines)


def test_a_line_without_end_takes_no_more_memory_than_the_cap() -> None:
    talk = ready()
    for _ in range(10):
        assert list(talk.session.receive(b"x" * CAP)) in ([], [events.Passed("over-long line")])
    assert list(talk.session.receive(b"\r\nPING :y\r\n")) == []
    assert "PONG y" in talk.sent()
