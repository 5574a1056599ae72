"""No text of anybody's can become a command, whatever way it takes to the server.

ngIRCd 26.1 and ircd-hybrid 8.2 end a command at a bare CR, so ``hi<CR>NICK pwned`` would run NICK.
"""

import itertools
import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.markup import to_irc
from adapters.irc.protocol.errors import LocalProtocolError
from adapters.irc.protocol.events import Manner
from adapters.irc.protocol.message import serialise
from adapters.irc.protocol.sender import Profile
from adapters.irc.protocol.session import Session

BREAKS = ["\r", "\n", "\r\n", "\0", "\n\r", "\r\0\n"]
HOSTILE = [f"hi{gap}{command}" for gap in BREAKS for command in ("NICK pwned", "QUIT :x", "\x01VERSION\x01")]
TEXT = st.text(alphabet=st.sampled_from([*"\r\n\0\x01 :@,ab", "é", "\u2028", "\x85"]), max_size=40) | st.text(
    max_size=40
)


def ready() -> Session:
    session = Session(Profile(iter(["me"]), "user", "Real Name", "secret"), lambda: 0.0)
    session.start()
    assert list(session.receive(b":s 001 me :hi me!user@host\r\n:s 422 me :none\r\n:me!user@host JOIN #c\r\n"))
    session.outgoing()
    return session


def check(data: bytes, *commands: str) -> list[bytes]:
    """The bytes are exactly these commands, each line whole."""
    assert b"\0" not in data
    assert data.endswith(b"\r\n")
    lines = data.removesuffix(b"\r\n").split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert [line.split(b" ")[0].decode() for line in lines] == list(commands)
    return lines


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("command", ["PRIVMSG", "NOTICE", "TOPIC", "PART", "QUIT", "AWAY", "USER", "KICK"])
def test_text_is_cleaned(command: str, text: str) -> None:
    check(serialise(command, "#c", text), command)


@pytest.mark.parametrize("text", [text for text in HOSTILE if any(mark in text for mark in "\r\n\0")])
def test_anything_else_is_refused(text: str) -> None:
    for params in ((text,), ("#c", text), (text, "#c"), ("a", text, "b")):
        with pytest.raises(LocalProtocolError):
            serialise("JOIN", *params)
    with pytest.raises(LocalProtocolError):
        serialise("PRIVMSG", text, "hello")


@pytest.mark.parametrize("command", ["", "NICK x", "NICK\r\nQUIT", "NI\0CK", "12", "ÑICK", ":x", "@x"])
def test_commands_are_words(command: str) -> None:
    with pytest.raises(LocalProtocolError):
        serialise(command, "x")


@pytest.mark.parametrize("key", ["a b", "a;b", "a=b", "a\r\nb", "", "+", "a/b/c", "é"])
def test_tag_names_are_names(key: str) -> None:
    with pytest.raises(LocalProtocolError):
        serialise("PRIVMSG", "#c", "x", tags={key: "v"})


@given(
    st.lists(TEXT, max_size=4),
    st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=5), TEXT, max_size=3),
)
def test_one_call_makes_one_line(params: list[str], tags: dict[str, str]) -> None:
    for command in ("PRIVMSG", "JOIN"):
        try:
            data = serialise(command, *params, tags=tags)
        except LocalProtocolError:
            continue
        assert data.count(b"\r") == data.count(b"\n") == 1
        assert data.endswith(b"\r\n")
        assert data.find(b"\0") < 0


@given(TEXT, st.sampled_from([Manner.TEXT, Manner.NOTICE, Manner.ACTION]))
def test_what_is_said_is_one_line_and_no_other_ctcp(text: str, manner: Manner) -> None:
    session = ready()
    session.say(1, "#c", manner, text)
    (line, _) = check(session.outgoing(), "NOTICE" if manner is Manner.NOTICE else "PRIVMSG", "PING")
    body = line.partition(b" :")[2]
    assert body.count(b"\x01") == (2 if manner is Manner.ACTION else 0)
    assert body.startswith(b"\x01ACTION") == (manner is Manner.ACTION)


ASKS: list[Callable[[Session, str], object]] = [
    lambda session, text: session.join([(text, None)]),
    lambda session, text: session.join([("#c", text)]),
    lambda session, text: session.part("#c", text),
    lambda session, text: session.part(text, "bye"),
    lambda session, text: session.topic(1, "#c", text),
    lambda session, text: session.topic(1, text, "x"),
    lambda session, text: session.rename(text),
    lambda session, text: session.names(text),
    lambda session, text: session.mode(text, "+B"),
    lambda session, text: session.say(1, text, Manner.TEXT, "x"),
    lambda session, text: session.answer_ctcp(text, "x"),
    lambda session, text: session.answer_ctcp("a", text),
    lambda session, text: session.quit(text),
    lambda session, text: session.request("AWAY", text),
    lambda session, text: session.request("MONITOR", "+", text),
    lambda session, text: session.request("ISON", text),
    lambda session, text: session.request("WHO", text, "%n,1"),
    lambda session, text: session.request(text),
]


@given(TEXT)
def test_every_request_is_one_line_or_refused(text: str) -> None:
    for ask in ASKS:
        session = ready()
        try:
            ask(session, text)
        except LocalProtocolError:
            assert session.outgoing() == b""
            continue
        data = session.outgoing()
        lines = data.removesuffix(b"\r\n").split(b"\r\n") if data else []
        assert len([line for line in lines if not line.startswith(b"PING")]) <= 1
        for line, forbidden in itertools.product(lines, (b"\r", b"\n", b"\0")):
            assert line.find(forbidden) < 0


@pytest.mark.parametrize("where", ["username", "realname", "password", "nick"])
@pytest.mark.parametrize("text", ["x\r\nQUIT", "x\rQUIT", "x\0"])
def test_registration(where: str, text: str) -> None:
    values = {"username": "u", "realname": "r", "password": "p", "nick": "n"} | {where: text}
    session = Session(
        Profile(iter([values["nick"]]), values["username"], values["realname"], values["password"]), lambda: 0
    )
    try:
        session.start()
    except LocalProtocolError:
        assert where != "realname"
    for line in session.outgoing().removesuffix(b"\r\n").split(b"\r\n"):
        assert not any(mark in line for mark in (b"\r", b"\n", b"\0"))
        assert not line.startswith(b"QUIT")


@pytest.mark.parametrize(("gap", "ping"), list(itertools.product([b"\r", b"\0"], [b"PING", b"PING a"])))
def test_a_server_cannot_make_us_send_two_lines(gap: bytes, ping: bytes) -> None:
    session = ready()
    list(session.receive(ping + b" :x" + gap + b"QUIT\r\n"))
    check(session.outgoing(), "PONG")


@given(st.text())
def test_markup_is_one_line_and_never_longer(text: str) -> None:
    line = to_irc(text)
    assert not any(ord(character) < 32 and character != "\t" for character in line)
    assert len(line.encode(errors="replace")) <= len(text.encode(errors="replace"))
