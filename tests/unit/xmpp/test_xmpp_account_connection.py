"""One connection of an account without a server: what is said before TLS, login, sessions, and hostile streams."""

import asyncio
import ssl
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.xmpp.account.connection import SM, Connection, Login, Phase, Resumption

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    b" id='1' from='example.org' version='1.0'>"
)
TLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PLAIN = b"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>"
BIND = b"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
MANAGED = f"<sm xmlns='{SM}'/>".encode()
BOUND = (
    "<iq type='result' id='{}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>bot@example.org/r</jid></bind></iq>"
)


class Line(asyncio.Transport):
    """A transport that keeps what is written, and tells its protocol when it is aborted."""

    def __init__(self, protocol: Connection, *, secure: bool) -> None:
        super().__init__({"ssl_object": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)} if secure else None)
        self.protocol = protocol
        self.written = ""
        self.gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data).decode()

    def close(self) -> None:
        self.abort()

    def is_closing(self) -> bool:
        return self.gone

    def abort(self) -> None:
        if not self.gone:
            self.gone = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def taken(self) -> str:
        """What was written since the last time."""
        written, self.written = self.written, ""
        return written


class Ear:
    """Keeps what the connection tells."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.stanzas: list[Element] = []

    def bound(self, session: str, *, managed: bool, limit: int | None) -> None:
        self.told.append(("bound", session, managed, limit))

    def resumed(self, h: int) -> None:
        self.told.append(("resumed", h))

    def not_resumed(self, h: int | None) -> None:
        self.told.append(("not resumed", h))

    def acked(self, h: int) -> None:
        self.told.append(("acked", h))

    def asked(self) -> None:
        self.told.append(("asked",))

    def received(self, stanza: Element) -> None:
        self.stanzas.append(stanza)


def connected(
    *, protected: bool = True, secure: bool = False, plain: bool = False, resumption: Resumption | None = None
) -> tuple[Connection, Line, Ear]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    login = Login("bot@example.org", "secret", "rialto", "example.org", context, protected, plain)
    ear = Ear()
    made = Connection(login, ear, resumption, secure=secure)
    line = Line(made, secure=secure)
    made.connection_made(line)
    made.data_received(HEADER)
    return made, line, ear


def features(*offers: bytes) -> bytes:
    return b"<stream:features>" + b"".join(offers) + b"</stream:features>"


def logged_in(*offers: bytes, resumption: Resumption | None = None) -> tuple[Connection, Line, Ear]:
    """A connection that has just logged in, and what the server then offers."""
    made, line, ear = connected(protected=False, resumption=resumption)
    made.authenticated = True
    line.taken()
    made.data_received(features(BIND, *offers))
    return made, line, ear


def answer(line: Line) -> bytes:
    """The server's yes to the request that was just written."""
    return BOUND.format(line.taken().partition('id="')[2].partition('"')[0]).encode()


async def settled() -> None:
    """Let slixmpp's handlers, which are coroutines, run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def ended(made: Connection) -> tuple[str, str]:
    """Why it ended. What never does, is told, and does not stand still: examples are tried again without a limit."""
    async with asyncio.timeout(5):
        return await made.finished


# TLS


async def test_tls_is_asked_for_before_anything_else() -> None:
    made, line, _ = connected()
    made.data_received(features(TLS, PLAIN))
    await settled()
    assert line.taken().endswith('<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>')
    made.close()


async def test_without_tls_the_password_stays_here() -> None:
    made, line, _ = connected()
    made.data_received(features(PLAIN))
    await settled()
    assert "<auth" not in line.written
    assert (await ended(made))[0] == "no-tls"


async def test_no_mechanism_may_be_forced_on_us_before_tls() -> None:
    made, line, _ = connected()
    made.data_received(features(TLS, PLAIN))
    made.data_received(b"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>eA==</challenge>")
    made.data_received(b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
    await settled()
    assert not made.authenticated
    assert "<response" not in line.written
    made.close()


async def test_what_follows_the_word_to_begin_tls_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    made, line, _ = connected()
    begun = asyncio.Event()

    async def start_tls(*_: object, **__: object) -> object:
        begun.set()
        error = ssl.SSLCertVerificationError("no")
        error.verify_message = "not valid"
        raise error

    monkeypatch.setattr(asyncio.get_running_loop(), "start_tls", start_tls, raising=False)
    made.data_received(features(TLS, PLAIN))
    made.data_received(
        b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><stream:features>" + PLAIN + b"</stream:features>"
    )
    async with asyncio.timeout(5):
        await begun.wait()
        assert await ended(made) == ("certificate", "not valid")
    assert "<auth" not in line.written


async def test_with_plain_there_is_no_tls_even_where_it_is_offered() -> None:
    made, line, _ = connected(protected=False, plain=True)
    made.data_received(features(TLS, PLAIN))
    await settled()
    assert "<starttls" not in line.written
    assert "<auth" in line.written
    made.close()


async def test_a_server_that_offers_no_login() -> None:
    made, _, _ = connected(protected=False)
    made.data_received(features())
    assert (await ended(made))[0] == "no-login"


async def test_a_refused_login_says_why() -> None:
    made, line, _ = connected(protected=False)
    made.data_received(features(PLAIN))
    await settled()
    assert "<auth" in line.written
    made.data_received(
        b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/><text>Call us.</text></failure>"
    )
    await settled()
    condition, text = await ended(made)
    assert condition == "not-authorized"
    assert text == "account-disabled Call us."


# Sessions


async def test_a_session_begins_and_stanzas_come_only_then() -> None:
    made, line, ear = logged_in(
        MANAGED, b"<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>9000</max-bytes></limits>"
    )
    made.data_received(b"<message from='a@b'><body>early</body></message>")
    made.data_received(answer(line))
    assert line.taken() == f'<enable xmlns="{SM}" resume="true"/>'
    made.data_received(f"<enabled xmlns='{SM}' id='s1' resume='true'/><message from='a@b'/>".encode())
    assert ear.told == [("bound", "s1", True, 9000)]
    assert [stanza.get("from") for stanza in ear.stanzas] == ["a@b"]
    made.data_received(f"<r xmlns='{SM}'/><a xmlns='{SM}' h='7'/><a xmlns='{SM}' h='x'/><odd/>".encode())
    assert ear.told[1:] == [("asked",), ("acked", 7)]
    assert len(ear.stanzas) == 1
    made.close()


async def test_a_server_may_manage_streams_and_resume_none_or_neither() -> None:
    made, line, ear = logged_in(MANAGED)
    made.data_received(answer(line))
    made.data_received(f"<enabled xmlns='{SM}'/>".encode())
    assert ear.told == [("bound", "", True, None)]
    made.close()
    made, line, ear = logged_in(MANAGED)
    made.data_received(answer(line))
    made.data_received(f"<failed xmlns='{SM}'/>".encode())
    assert ear.told == [("bound", "", False, None)]
    made.close()
    made, line, ear = logged_in()
    made.data_received(answer(line))
    assert ear.told == [("bound", "", False, None)]
    made.close()


async def test_an_old_server_wants_a_session_to_be_started() -> None:
    made, line, ear = logged_in(b"<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>")
    made.data_received(answer(line))
    assert ear.told == []
    assert "urn:ietf:params:xml:ns:xmpp-session" in line.written
    made.data_received(answer(line))
    assert ear.told == [("bound", "", False, None)]
    made.close()


async def test_a_session_that_is_refused() -> None:
    made, line, _ = logged_in()
    token = line.taken().partition('id="')[2].partition('"')[0]
    made.data_received(
        f"<iq type='error' id='{token}'><error type='cancel'>"
        "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>".encode()
    )
    assert await ended(made) == ("not-bound", "resource-constraint")


async def test_a_session_is_resumed() -> None:
    made, line, ear = logged_in(MANAGED, resumption=Resumption("s'1", 5))
    assert line.taken() == f'<resume xmlns="{SM}" h="5" previd="s&apos;1"/>'
    made.data_received(f"<resumed xmlns='{SM}' h='9' previd='s1'/><message from='a@b'/>".encode())
    assert ear.told == [("resumed", 9)]
    assert made.phase is Phase.OPEN
    assert len(ear.stanzas) == 1
    made.close()


@pytest.mark.parametrize(("h", "known"), [("", None), ("h='4'", 4), ("h='-4'", None)])
async def test_a_session_that_is_gone_is_followed_by_a_new_one(h: str, known: int | None) -> None:
    made, line, ear = logged_in(MANAGED, resumption=Resumption("s1", 5))
    line.taken()
    made.data_received(f"<failed xmlns='{SM}' {h}><item-not-found/></failed>".encode())
    assert ear.told == [("not resumed", known)]
    assert "<resource>rialto</resource>" in line.written
    made.data_received(answer(line))
    made.data_received(f"<enabled xmlns='{SM}' id='s2' resume='1'/>".encode())
    assert ear.told[1:] == [("bound", "s2", True, None)]
    made.close()


# Hostile streams

NAMES = st.sampled_from(
    [
        "message",
        "presence",
        "iq",
        "odd",
        "stream:features",
        "stream:error",
        "{tls}proceed",
        "{tls}failure",
        "{sasl}success",
        "{sasl}failure",
        "{sasl}challenge",
        "{sm}r",
        "{sm}a",
        "{sm}enabled",
        "{sm}resumed",
        "{sm}failed",
        "{bind}bind",
    ]
)
SPACES = {
    "tls": "urn:ietf:params:xml:ns:xmpp-tls",
    "sasl": "urn:ietf:params:xml:ns:xmpp-sasl",
    "sm": SM,
    "bind": "urn:ietf:params:xml:ns:xmpp-bind",
}


def written(name: str, attributes: dict[str, str], inner: str) -> str:
    space, _, local = name.removeprefix("{").rpartition("}")
    xmlns = f" xmlns='{SPACES[space]}'" if space else ""
    given = "".join(f" {key}='{value}'" for key, value in attributes.items())
    return f"<{local}{xmlns}{given}>{inner}</{local}>"


ELEMENTS = st.builds(
    written,
    NAMES,
    st.dictionaries(
        st.sampled_from(["id", "h", "type", "from", "resume", "previd"]),
        st.sampled_from(["", "1", "-1", "99999999999999999999", "result", "error", "true", "a@b", "\u2603"]),
    ),
    st.sampled_from(["", "text", PLAIN.decode(), TLS.decode(), "<a><b/></a>", "eA==", MANAGED.decode()]),
)


@given(st.lists(ELEMENTS, max_size=12), st.sampled_from(["fresh", "logged in", "open"]), st.booleans())
async def test_whatever_a_server_sends_nothing_is_raised_and_no_secret_goes_unprotected(
    elements: list[str], where: str, bytewise: bool
) -> None:
    if where == "fresh":
        made, line, _ = connected()
    else:
        made, line, _ = logged_in(MANAGED, resumption=Resumption("s1", 1))
        if where == "open":
            made.data_received(f"<resumed xmlns='{SM}' h='0'/>".encode())
    data = "".join(elements).encode()
    for chunk in [bytes([byte]) for byte in data] if bytewise else [data]:
        made.data_received(chunk)
    await settled()
    if where == "fresh":
        assert "<auth" not in line.written
        assert "<bind" not in line.written
    made.close()
    await ended(made)
