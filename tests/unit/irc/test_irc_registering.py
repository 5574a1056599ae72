"""How a session comes in: SASL, STS, WEBIRC, NickServ; dialogues as InspIRCd 3.15 with Atheme and ngIRCd hold them."""

import base64

import pytest

from adapters.irc.protocol import events, numerics
from adapters.irc.protocol.nickserv import NickServLogin
from adapters.irc.protocol.registering import AUTHENTICATE_WITHIN, IDENTIFY_WITHIN
from adapters.irc.protocol.sasl import Credentials, Mechanism
from adapters.irc.protocol.states import State
from adapters.irc.protocol.webirc import Identity
from tests.unit.irc.test_irc_session import CAPS, INSPIRCD, NGIRCD, Talk

PLAIN = Credentials(Mechanism.PLAIN, "ana", "secret")
PREFERRED = Credentials(Mechanism.PLAIN, "ana", "secret", required=False)
SCRAM = Credentials(Mechanism.SCRAM_SHA_256, "ana", "secret")
SAID = base64.b64encode(b"\0ana\0secret").decode()
OVER = ":s 900 alice alice!a@h ana :You are now logged in as ana\n:s 903 alice :SASL authentication successful\n"


def on_the_way(credentials: Credentials | None, offered: str = "sasl=PLAIN,EXTERNAL", **profile: object) -> Talk:
    """A session that has negotiated its capabilities."""
    talk = Talk(sasl=credentials, **profile)
    talk.session.start()
    talk.hear(f":s CAP * LS :{CAPS} {offered}\n")
    requested = talk.sent()[-1]
    assert requested.startswith("CAP REQ :")
    talk.hear(f":s CAP alice ACK {requested.removeprefix('CAP REQ ')}\n")
    return talk


def failed(told: list[events.Event]) -> events.RegistrationFailed:
    (event,) = (event for event in told if isinstance(event, events.RegistrationFailed))
    return event


def test_sasl_is_over_before_the_capabilities_are() -> None:
    talk = on_the_way(PLAIN)
    assert talk.sent() == ["AUTHENTICATE PLAIN"]
    assert talk.state() is State.AUTHENTICATING
    assert talk.hear("AUTHENTICATE +\n") == []
    assert talk.sent() == [f"AUTHENTICATE {SAID}"]
    assert talk.hear(OVER) == [events.LoggedIn("ana")]
    assert talk.sent() == ["CAP END"]
    assert talk.state() is State.REGISTERING
    assert talk.session.account == "ana"
    assert talk.hear(INSPIRCD)[-1] == events.Ready()


def test_a_list_of_mechanisms_is_optional() -> None:
    assert on_the_way(PLAIN, "sasl").sent() == ["AUTHENTICATE PLAIN"]


@pytest.mark.parametrize(
    ("lines", "code", "permanent"),
    [
        (":s 904 alice :SASL authentication failed", "904", True),
        (":s 902 alice :You must use a nick assigned to you", "902", True),
        (":s 905 alice :SASL message too long", "905", True),
        (":s 906 alice :SASL authentication aborted", "906", False),
        (":s 908 alice EXTERNAL :are available SASL mechanisms\n:s 904 alice :failed", "908", True),
        ("AUTHENTICATE QUJD", "SASL", True),
        ("AUTHENTICATE !", "SASL", True),
        (":alice!a@h 001 alice :Welcome", numerics.NO_SASL, False),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_sasl_fails(lines: str, code: str, permanent: bool, required: bool) -> None:
    talk = on_the_way(PLAIN if required else PREFERRED)
    talk.sent()
    told = talk.hear(lines + "\n")
    sent = [line for line in talk.sent() if line != "AUTHENTICATE *"]
    assert talk.session.account is None
    if required:
        refusal = failed(told)
        assert (refusal.numeric, refusal.permanent) == (code, permanent)
        assert numerics.ADVICE[code]
        assert sent == []
    elif code != numerics.NO_SASL:
        assert [type(event) for event in told if not isinstance(event, events.Passed)] == [events.LoginFailed]
        assert sent == ["CAP END"]
        assert talk.hear(INSPIRCD)[-1] == events.Ready()


@pytest.mark.parametrize(("credentials", "offered"), [(PLAIN, "sasl=EXTERNAL"), (SCRAM, "sasl=PLAIN,EXTERNAL")])
def test_a_mechanism_that_is_not_offered_is_not_tried(credentials: Credentials, offered: str) -> None:
    talk = Talk(sasl=credentials)
    talk.session.start()
    talk.sent()
    talk.hear(f":s CAP * LS :{offered}\n")
    assert talk.sent() == ["CAP REQ sasl"]
    refusal = failed(talk.hear(":s CAP alice ACK :sasl\n"))
    assert (refusal.numeric, refusal.permanent) == ("908", True)
    assert credentials.mechanism in refusal.text
    assert talk.sent() == []


@pytest.mark.parametrize("ls", ["multi-prefix", "sasl"])
def test_no_sasl_at_all(ls: str) -> None:
    """It is not offered, or the server takes its offer back when asked."""
    for credentials in (PLAIN, PREFERRED):
        talk = Talk(sasl=credentials)
        talk.session.start()
        talk.hear(f":s CAP * LS :{ls}\n")
        answer = "NAK" if ls == "sasl" else "ACK"
        told = talk.hear(f":s CAP alice {answer} :{ls}\n")
        if credentials.required:
            assert failed(told) == events.RegistrationFailed(numerics.NO_SASL, "the server offers no SASL now", False)
            assert talk.sent()[-1] != "CAP END"
        else:
            assert told == [events.LoginFailed("SASL", "the server offers no SASL now")]
            assert talk.sent()[-1] == "CAP END"


def test_a_server_without_cap_has_no_sasl() -> None:
    talk = Talk(sasl=PLAIN)
    talk.session.start()
    refusal = failed(talk.hear(":old 421 * CAP :Unknown command\n:old 001 alice :Welcome\n"))
    assert (refusal.numeric, refusal.permanent) == (numerics.NO_SASL, False)


def test_services_that_hang_are_given_up() -> None:
    for credentials in (PLAIN, PREFERRED):
        talk = on_the_way(credentials)
        talk.sent()
        assert talk.session.deadline() == talk.clock.now + AUTHENTICATE_WITHIN
        talk.clock.now += AUTHENTICATE_WITHIN
        (told,) = talk.session.tick()
        assert isinstance(told, events.RegistrationFailed if credentials.required else events.LoginFailed)
        assert "no answer" in told.text
        assert talk.sent() == ["AUTHENTICATE *"] + ["CAP END"] * (not credentials.required)
        # The server's word on our abort is not taken for anything else.
        assert talk.hear(":s 906 alice :aborted\n") == [events.Passed("numeric")]


def test_a_server_that_does_not_prove_itself_is_not_believed() -> None:
    talk = on_the_way(SCRAM, "sasl=SCRAM-SHA-256")
    assert talk.sent() == ["AUTHENTICATE SCRAM-SHA-256"]
    talk.hear("AUTHENTICATE +\n")
    assert talk.sent()[0].startswith("AUTHENTICATE ")
    told = talk.hear(OVER)
    assert failed(told).permanent
    assert "without having shown" in failed(told).text
    assert (talk.sent(), talk.session.account) == ([], None)


def test_already_logged_in_counts() -> None:
    talk = on_the_way(PLAIN)
    talk.sent()
    assert talk.hear(":s 907 alice :You have already authenticated\n") == []
    assert (talk.sent(), talk.session.account) == (["CAP END"], "ana")


def test_what_nobody_asked_for() -> None:
    talk = on_the_way(None)
    talk.sent()
    assert talk.hear("AUTHENTICATE +\n:s 903 alice :ok\n:s 904 alice :no\n") == [
        events.Passed("authenticate"),
        events.Passed("numeric"),
        events.Passed("numeric"),
    ]
    assert talk.sent() == []


def test_sasl_that_comes_back_is_used() -> None:
    talk = Talk(sasl=PREFERRED)
    talk.session.start()
    talk.hear(f":s CAP * LS :{CAPS}\n:s CAP alice ACK :{CAPS}\n{INSPIRCD}")
    talk.sent()
    assert talk.state() is State.READY
    talk.hear(":s CAP alice NEW :sasl=PLAIN\n")
    assert talk.sent() == ["CAP REQ sasl"]
    talk.hear(":s CAP alice ACK :sasl\n")
    assert talk.sent() == ["AUTHENTICATE PLAIN"]
    assert talk.state() is State.READY
    talk.hear("AUTHENTICATE +\n")
    assert talk.sent() == [f"AUTHENTICATE {SAID}"]
    assert talk.hear(OVER) == [events.LoggedIn("ana")]
    assert talk.sent() == []
    # Logged in, nothing more is tried, whatever is announced.
    talk.hear(":s CAP alice DEL :sasl\n:s CAP alice NEW :sasl=PLAIN\n:s CAP alice ACK :sasl\n")
    assert talk.sent() == ["CAP REQ sasl"]
    assert talk.hear(":s 901 alice alice!a@h :You are now logged out\n") == [events.LoggedOut()]
    assert talk.session.account is None


@pytest.mark.parametrize("credentials", [PLAIN, PREFERRED])
def test_sasl_that_comes_back_and_fails_ends_nothing(credentials: Credentials) -> None:
    talk = on_the_way(credentials)
    talk.hear("AUTHENTICATE +\n" + OVER + INSPIRCD + ":s 901 alice alice!a@h :You are now logged out\n")
    talk.sent()
    talk.hear(":s CAP alice NEW :sasl=PLAIN\n")
    assert talk.sent() == ["AUTHENTICATE PLAIN"]
    assert talk.hear(":s 904 alice :no\n") == [events.LoginFailed("SASL", "no")]
    talk.hear(":s CAP alice NEW :sasl=PLAIN\n")
    assert talk.sent() == ["AUTHENTICATE PLAIN"]
    talk.clock.now += AUTHENTICATE_WITHIN
    assert isinstance(talk.session.tick()[0], events.LoginFailed)
    assert (talk.sent(), talk.state()) == (["AUTHENTICATE *"], State.READY)


def test_a_nick_may_be_taken_meanwhile() -> None:
    talk = Talk("one", "two", sasl=PLAIN)
    talk.session.start()
    talk.hear(":s CAP * LS :sasl=PLAIN\n:s 433 * one :in use\n:s CAP * ACK :sasl\n")
    assert talk.sent()[-3:] == ["CAP REQ sasl", "NICK two", "AUTHENTICATE PLAIN"]


# STS


def test_a_plain_connection_says_no_more_when_it_hears_of_sts() -> None:
    talk = Talk(sasl=PLAIN)
    talk.session.start()
    talk.sent()
    told = talk.hear(":s CAP * LS * :batch sasl\n:s CAP * LS :sts=port=6697,duration=5\n")
    assert told == [events.Sts(6697, 5)]
    assert talk.sent() == []


def test_a_secure_connection_takes_the_duration_and_goes_on() -> None:
    talk = Talk()
    talk.session.start(secure=True)
    talk.sent()
    assert talk.hear(":s CAP * LS :batch sts=port=6697,duration=5\n") == [events.Sts(6697, 5)]
    assert talk.sent() == ["CAP REQ batch"]
    assert talk.hear(":s CAP * ACK :batch\n:s CAP * DEL :sts\n") == []


@pytest.mark.parametrize(
    ("secure", "value"), [(False, "duration=5"), (False, "port=0"), (True, "port=6697"), (True, "")]
)
def test_sts_that_means_nothing_here(secure: bool, value: str) -> None:
    talk = Talk()
    talk.session.start(secure=secure)
    talk.sent()
    assert talk.hear(f":s CAP * LS :sts={value}\n") == []
    # And it is never asked for.
    assert talk.sent() == ["CAP END"]


# WEBIRC


def test_webirc_comes_first() -> None:
    talk = Talk(webirc=Identity("gate", "rialto", "abc.rialto", "fd00::1"), password="sesame")
    talk.session.start()
    assert talk.sent()[:3] == ["WEBIRC gate rialto abc.rialto fd00::1", "CAP LS 302", "PASS sesame"]


# NickServ


LOGIN = NickServLogin("secret", service="NickServ@services.test")


def greeted(**profile: object) -> Talk:
    talk = Talk(nickserv=LOGIN, **profile)
    talk.session.start()
    talk.hear(":ng.test CAP * LS :multi-prefix\n:ng.test CAP alice ACK :multi-prefix\n")
    talk.sent()
    return talk


def test_nickserv_before_anything_is_joined() -> None:
    talk = greeted()
    assert events.Ready() not in talk.hear(NGIRCD)
    assert talk.sent() == ["PRIVMSG NickServ@services.test :IDENTIFY secret"]
    assert talk.state() is State.IDENTIFYING
    assert talk.hear(":NickServ!s@services.test NOTICE alice :This nickname is registered. Please identify.\n") == [
        events.Passed("services notice")
    ]
    told = talk.hear(":nickserv!s@services.test NOTICE alice :You are now identified for \x02alice\x02.\n")
    assert told == [events.LoggedIn("alice"), events.Ready()]
    assert talk.state() is State.READY


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (":s 900 alice alice!a@h ana :You are now logged in", [events.LoggedIn("ana"), events.Ready()]),
        (
            ":NickServ!s@h NOTICE alice :Invalid password for alice.",
            [events.LoginFailed("NickServ", "Invalid password for alice."), events.Ready()],
        ),
        (
            ":s 401 alice NickServ@services.test :No such nick",
            [events.LoginFailed("NickServ", "No such nick (401)"), events.Ready()],
        ),
        (
            ":s 401 alice NickServ :No such nick",
            [events.LoginFailed("NickServ", "No such nick (401)"), events.Ready()],
        ),
    ],
)
def test_what_ends_the_wait_for_nickserv(line: str, told: list[events.Event]) -> None:
    talk = greeted()
    talk.hear(NGIRCD)
    talk.sent()
    assert talk.hear(line + "\n") == told
    assert talk.hear(":s 376 alice :End\n:NickServ!s@h NOTICE alice :You are now identified.\n")[:-1] == []


def test_others_cannot_end_it() -> None:
    talk = greeted()
    talk.hear(NGIRCD)
    talk.sent()
    (said,) = talk.hear(":mallory!m@h NOTICE alice :You are now identified for alice.\n")
    assert isinstance(said, events.Said)
    assert talk.hear(":s 401 alice bob :No such nick\n") == [events.Passed("numeric")]
    assert talk.state() is State.IDENTIFYING


def test_silence_of_nickserv_ends() -> None:
    talk = greeted()
    talk.hear(NGIRCD)
    talk.sent()
    assert talk.session.deadline() == talk.clock.now + IDENTIFY_WITHIN
    talk.clock.now += IDENTIFY_WITHIN
    assert talk.session.tick() == [events.LoginFailed("NickServ", "no answer"), events.Ready()]


def test_no_nickserv_where_sasl_did() -> None:
    talk = on_the_way(PREFERRED, nickserv=LOGIN)
    talk.hear("AUTHENTICATE +\n" + OVER)
    talk.sent()
    assert talk.hear(INSPIRCD)[-1] == events.Ready()
    assert not any("NickServ" in line for line in talk.sent())


def test_nickserv_where_sasl_failed() -> None:
    talk = on_the_way(PREFERRED, nickserv=LOGIN)
    talk.hear(":s 904 alice :no\n" + INSPIRCD)
    assert talk.sent()[-1] == "PRIVMSG NickServ@services.test :IDENTIFY secret"


def test_account_required() -> None:
    talk = on_the_way(None)
    assert failed(talk.hear(":s FAIL * ACCOUNT_REQUIRED :You must log in\n")).permanent
    assert "sasl" in numerics.ADVICE["ACCOUNT_REQUIRED"]
