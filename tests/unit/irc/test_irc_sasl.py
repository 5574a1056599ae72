"""SASL: mechanisms, their messages in chunks, and SCRAM by the example of RFC 7677."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.irc.protocol.sasl import CHUNK, LONGEST, Credentials, Mechanism, Sasl, SaslError, chunks
from adapters.irc.protocol.scram import MAX_ITERATIONS, Scram, ScramError, saslprep

# RFC 7677 section 3.
NONCE = "rOprNGfwEbeRWgbNEkqO"
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
VERIFIER = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def scram(password: str = "pencil") -> Scram:
    return Scram("user", password, NONCE)


def test_the_example_of_the_rfc() -> None:
    exchange = scram()
    assert exchange.answer(b"") == FIRST
    assert exchange.answer(CHALLENGE) == FINAL
    assert not exchange.proven
    assert exchange.answer(VERIFIER) == b""
    assert exchange.proven


def test_a_user_with_commas_and_equals_signs() -> None:
    assert Scram("a,b=c", "x", NONCE).answer(b"") == b"n,,n=a=2Cb=3Dc,r=" + NONCE.encode()


@pytest.mark.parametrize(
    ("challenge", "why"),
    [
        (CHALLENGE.replace(b"r=rO", b"r=rX"), "nonce"),
        (b"r=" + NONCE.encode() + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
        (CHALLENGE.replace(b"i=4096", b"i=4095"), "iterations"),
        (CHALLENGE.replace(b"i=4096", b"i=1"), "iterations"),
        (CHALLENGE.replace(b"i=4096", b"i=%d" % (MAX_ITERATIONS + 1)), "iterations"),
        (CHALLENGE.replace(b"i=4096", b"i=" + b"9" * 5000), "iteration count"),
        (CHALLENGE.replace(b"i=4096", b"i=-4096"), "iteration count"),
        (CHALLENGE.replace(b"i=4096", "i=٤٠٩٦".encode()), "iteration count"),
        (CHALLENGE.replace(b",i=4096", b""), "iteration count"),
        (CHALLENGE.replace(b"s=W22ZaJ0SNY7soEsUEjb6gQ==,", b""), "salt"),
        (CHALLENGE.replace(b"s=W22ZaJ0SNY7soEsUEjb6gQ==", b"s=!"), "salt"),
        (b"m=ext," + CHALLENGE, "extension"),
        (b"", "not one of SCRAM"),
        (b"\xff", "not text"),
        (b"hello", "not one of SCRAM"),
    ],
)
def test_a_challenge_that_is_refused(challenge: bytes, why: str) -> None:
    exchange = scram()
    exchange.answer(b"")
    with pytest.raises(ScramError, match=why):
        exchange.answer(challenge)
    assert not exchange.proven


@pytest.mark.parametrize(
    ("verifier", "why"),
    [
        (b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "does not know the password"),
        (b"v=", "does not know the password"),
        (b"e=invalid-proof", "refused: invalid-proof"),
        (b"x=y", "does not know the password"),
        (b"", "not one of SCRAM"),
    ],
)
def test_a_server_that_is_not_who_it_should_be(verifier: bytes, why: str) -> None:
    exchange = scram()
    exchange.answer(b"")
    exchange.answer(CHALLENGE)
    with pytest.raises(ScramError, match=why):
        exchange.answer(verifier)
    assert not exchange.proven


def test_a_server_that_says_too_much() -> None:
    with pytest.raises(ScramError, match="says more"):
        scram().answer(CHALLENGE)
    exchange = scram()
    for message in (b"", CHALLENGE, VERIFIER):
        exchange.answer(message)
    with pytest.raises(ScramError, match="says more"):
        exchange.answer(VERIFIER)


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_no_message_makes_scram_raise_anything_else(messages: list[bytes]) -> None:
    exchange = scram()
    for message in (b"", *messages):
        try:
            exchange.answer(message)
        except ScramError:
            break
    assert not exchange.proven


@pytest.mark.parametrize(
    ("text", "prepared"),
    # RFC 4013 section 3.
    [("I\xadX", "IX"), ("user", "user"), ("USER", "USER"), ("\xaa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b")],
)
def test_preparation(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\x07", "\u0627\x31", "\ue000", "a\u200e"])
def test_what_cannot_be_prepared(text: str) -> None:
    with pytest.raises(ValueError, match=r"character|directions"):
        saslprep(text)


# Chunks


@given(st.binary(max_size=2000))
def test_chunks_are_whole_and_say_where_they_end(payload: bytes) -> None:
    pieces = chunks(payload)
    assert all(len(piece) == CHUNK for piece in pieces[:-1])
    assert len(pieces[-1]) < CHUNK
    assert base64.b64decode("".join(piece for piece in pieces if piece != "+")) == payload


@pytest.mark.parametrize(("size", "count"), [(0, 1), (297, 1), (300, 2), (301, 2), (600, 3)])
def test_chunks_of_exactly_400(size: int, count: int) -> None:
    pieces = chunks(b"x" * size)
    assert len(pieces) == count
    assert (pieces[-1] == "+") == (size % 300 == 0)


def sasl(mechanism: Mechanism, user: str = "ana", password: str = "secret") -> Sasl:
    return Sasl(Credentials(mechanism, user, password), lambda: NONCE)


def test_plain() -> None:
    exchange = sasl(Mechanism.PLAIN)
    assert exchange.receive("+") == [base64.b64encode(b"\0ana\0secret").decode()]
    assert exchange.proven
    with pytest.raises(SaslError):
        exchange.receive("+")


def test_external() -> None:
    assert sasl(Mechanism.EXTERNAL, user="").receive("+") == ["+"]
    assert sasl(Mechanism.EXTERNAL).receive("+") == [base64.b64encode(b"ana").decode()]


def test_scram_in_chunks() -> None:
    exchange = Sasl(Credentials(Mechanism.SCRAM_SHA_256, "user", "pencil"), lambda: NONCE)
    assert exchange.receive("+") == chunks(FIRST)
    # A challenge of more than 400 characters, by a long nonce.
    long = CHALLENGE.replace(b"k0,s=", b"k0" + b"x" * 300 + b",s=")
    first, second = chunks(long)
    assert exchange.receive(first) == []
    answer = exchange.receive(second)
    assert len(answer) == 2
    assert base64.b64decode("".join(answer)).startswith(b"c=biws,r=" + NONCE.encode())
    assert not exchange.proven
    with pytest.raises(SaslError, match="does not know the password"):
        exchange.receive(base64.b64encode(VERIFIER).decode())


@pytest.mark.parametrize("chunk", ["!", "=", "a", "ä", "QQ==QQ==", "x" * (CHUNK + 1), " "])
def test_what_is_no_message(chunk: str) -> None:
    with pytest.raises(SaslError):
        sasl(Mechanism.SCRAM_SHA_256).receive(chunk)


def test_a_message_without_end() -> None:
    exchange = sasl(Mechanism.SCRAM_SHA_256)
    for _ in range(LONGEST // CHUNK):
        assert exchange.receive("x" * CHUNK) == []
    with pytest.raises(SaslError, match="too long"):
        exchange.receive("x" * CHUNK)


@given(st.sampled_from(list(Mechanism)), st.lists(st.text(max_size=CHUNK + 2) | st.just("+"), max_size=5))
def test_no_message_makes_sasl_raise_anything_else(mechanism: Mechanism, messages: list[str]) -> None:
    exchange = sasl(mechanism)
    for message in messages:
        try:
            exchange.receive(message)
        except SaslError:
            break


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(Credentials(Mechanism.PLAIN, "ana", "secret"))
