"""Errors, and what an operator or a sender is told of them."""

import pytest

from adapters.matrix.diagnosis import Facts, Stage, another_bot, diagnose
from adapters.matrix.errors import MatrixError, errcode_of, reason_of, send_error
from bridge.model.result import Reason

FACTS = Facts("home", "http://hs:8008", "http://us:29330/home", "rialto-home", "@rialto:example.org")


@pytest.mark.parametrize(
    ("errcode", "status", "reason"),
    [
        ("M_FORBIDDEN", 403, Reason.FORBIDDEN),
        ("M_TOO_LARGE", 413, Reason.NOT_ACCEPTABLE),
        ("M_UNKNOWN", 403, Reason.FORBIDDEN),
        ("", 404, Reason.ITEM_NOT_FOUND),
        ("M_UNKNOWN", 500, Reason.INTERNAL_SERVER_ERROR),
        ("", 0, Reason.REMOTE_SERVER_TIMEOUT),
        ("M_NEW", 418, Reason.UNDEFINED_CONDITION),
    ],
)
def test_reasons(errcode: str, status: int, reason: Reason) -> None:
    assert reason_of(errcode, status) is reason


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_code(reason: Reason) -> None:
    assert errcode_of(reason).startswith("M_")


@pytest.mark.parametrize(
    "reason", [Reason.FORBIDDEN, Reason.ITEM_NOT_FOUND, Reason.GONE, Reason.CONFLICT, Reason.NOT_AUTHORIZED]
)
def test_there_and_back(reason: Reason) -> None:
    assert reason_of(errcode_of(reason), 400) is reason


@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (MatrixError(0, "", "no answer"), True),
        (MatrixError(502, "", "proxy"), True),
        (MatrixError(429, "M_LIMIT_EXCEEDED", "slow", retry_after=3.0), True),
        (MatrixError(401, "M_UNKNOWN_TOKEN", "who"), True),
        (MatrixError(403, "M_FORBIDDEN", "no"), False),
        (MatrixError(413, "M_TOO_LARGE", "big"), False),
        (MatrixError(404, "M_NOT_FOUND", "where"), False),
    ],
)
def test_what_may_pass(error: MatrixError, temporary: bool) -> None:
    told = send_error(error, "the message")
    assert told.temporary is temporary
    assert told.retry_after == error.retry_after
    assert error.text in told.failure.text


@pytest.mark.parametrize(
    ("stage", "error", "says"),
    [
        (Stage.REACH, MatrixError(0, "", "no connection"), "is the homeserver running at http://hs:8008?"),
        (Stage.REACH, MatrixError(401, "M_UNKNOWN_TOKEN", "x"), "`rialto registration home`"),
        (Stage.PING, MatrixError(502, "M_CONNECTION_FAILED", "x"), "cannot reach us at http://us:29330/home"),
        (Stage.PING, MatrixError(504, "M_CONNECTION_TIMEOUT", "x"), "no answer in time from http://us:29330/home"),
        (Stage.PING, MatrixError(400, "M_URL_NOT_SET", "x"), "has no url"),
        (Stage.PING, MatrixError(502, "M_BAD_STATUS", "x", detail=403), "hs_token is not ours"),
        (Stage.PING, MatrixError(502, "M_BAD_STATUS", "x", detail=404), "somebody else answers"),
        (Stage.PING, MatrixError(403, "M_FORBIDDEN", "x"), "another application service than 'rialto-home'"),
        (Stage.PING, MatrixError(404, "M_UNRECOGNIZED", "x"), "Matrix 1.7"),
        (Stage.BOT, MatrixError(400, "M_EXCLUSIVE", "x"), "does not cover the bot @rialto:example.org"),
        (Stage.ROOMS, MatrixError(500, "M_UNKNOWN", "database"), "is not in order: database"),
        (Stage.REACH, MatrixError(400, "M_UNKNOWN", "odd"), "refused us (reach): odd"),
    ],
)
def test_diagnoses(stage: Stage, error: MatrixError, says: str) -> None:
    assert says in diagnose(stage, error, FACTS).text


def test_another_bot() -> None:
    assert "@other:example.org" in another_bot("@other:example.org", FACTS).text
