"""What a puppet's session throws away before it is decoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.protocol import events
from adapters.irc.protocol.sender import Profile
from adapters.irc.protocol.session import Session
from adapters.irc.protocol.sieve import Sieve

DROPPED = [
    b":bob!b@h PRIVMSG #vec :hi",
    b"@time=2026-11-22T16:59:19.084Z;msgid=1 :bob!b@h PRIVMSG #vec :hi",
    b":bob!b@h NOTICE #vec :hi",
    b":bob!b@h PRIVMSG @#vec :to ops",
    b":bob!b@h JOIN #vec",
    b":bob!b@h JOIN :#vec",
    b":bob!b@h JOIN #vec * :Real Bob",
    b":bob!b@h PART #vec :bye",
    b":bob!b@h QUIT :bye",
    b":bob!b@h NICK :bobby",
    b":bob!b@h MODE #vec +o cy",
    b":ng.test MODE #vec +o alice",
    b":ng.test 353 alice = #vec :@bob cy",
    b":alicette!b@h JOIN #vec",
]
KEPT = [
    b"PING :x",
    b"ERROR :Closing link",
    b":ng.test 366 alice #vec :End of NAMES list",
    b":ng.test 404 alice #vec :Cannot send to channel",
    b":ng.test 401 alice ghost :No such nick",
    b":ng.test NOTICE alice :*** hello",
    b":ng.test NOTICE * :*** Looking up your hostname",
    b":bob!b@h PRIVMSG alice :psst",
    b":bob!b@h NOTICE alice :psst",
    b"@label=1 :alice!a@h PRIVMSG #vec :own echo",
    b":alice!a@h JOIN #vec",
    b":alice!a@h PART #vec",
    b":alice!a@h NICK :alina",
    b":alice!a@h MODE alice :+i",
    b":alice!a@h QUIT :bye",
    b":bob!b@h KICK #vec alice :out",
    b":bob!b@h KICK #vec cy :out",
    b":bob!b@h INVITE alice #vec",
    b":ng.test MODE alice +i",
    b":oper!o@h KILL alice :go",
    b":rialto!r@h JOIN #vec",
    b":rialto!r@h QUIT :gone",
    b":rialto!r@h NICK :rialto_",
]


@pytest.fixture
def sieve() -> Sieve:
    sieve = Sieve()
    sieve.own("alice")
    sieve.heed(["rialto"])
    sieve.limits("#&", "@+")
    return sieve


@pytest.mark.parametrize("raw", DROPPED)
def test_dropped(sieve: Sieve, raw: bytes) -> None:
    assert sieve.drops(raw)


@pytest.mark.parametrize("raw", KEPT)
def test_kept(sieve: Sieve, raw: bytes) -> None:
    assert not sieve.drops(raw)


@pytest.mark.parametrize("raw", DROPPED)
def test_watched_channels_are_read(sieve: Sieve, raw: bytes) -> None:
    sieve.watch(["#VEC"])
    assert not sieve.drops(raw)
    sieve.watch(["#other"])
    assert sieve.drops(raw) or raw.split(b" ")[1] in (b"QUIT", b"NICK")
    sieve.watch([])
    assert sieve.drops(raw)


def test_what_the_bot_says_is_dropped_too(sieve: Sieve) -> None:
    assert sieve.drops(b":rialto!r@h PRIVMSG #vec :hi")


def test_our_nick_changes(sieve: Sieve) -> None:
    sieve.own("alina")
    assert sieve.drops(b":alice!a@h JOIN #vec")
    assert not sieve.drops(b":alina!a@h JOIN #vec")


@given(st.binary(max_size=100))
def test_any_bytes(raw: bytes) -> None:
    sieve = Sieve()
    sieve.limits("", "")
    sieve.drops(raw)
    sieve.limits("#", "@+#")
    sieve.watch(["#x"])
    assert isinstance(sieve.drops(raw), bool)


def test_who_learns_of_a_watch_from_a_line_gets_the_next_one_of_the_same_bytes() -> None:
    session = Session(Profile(iter(["ana"]), "ana", "Ana", quiet=True), lambda: 0.0)
    session.start()
    assert list(session.receive(b":s 001 ana :hi\r\n:s 422 ana :none\r\n:ana!a@h JOIN #vec\r\n"))
    session.heed(["rialto"])
    told: list[str] = []
    for event in session.receive(
        b":kim!k@h PRIVMSG #vec :before\r\n:rialto!r@h QUIT :gone\r\n:kim!k@h PRIVMSG #vec :after\r\n"
    ):
        match event:
            case events.Quit(source):
                told.append(source.nick)
                session.watch(["#vec"])
            case events.Said():
                told.append(event.text)
    assert told == ["rialto", "after"]
