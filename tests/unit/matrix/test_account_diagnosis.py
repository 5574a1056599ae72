"""Why an account's network cannot be used, in words that say what to do."""

import pytest

from adapters.matrix.account.diagnosis import Facts, another_account, diagnose
from adapters.matrix.errors import MatrixError
from bridge.model.result import Reason

TOKEN = Facts("home", "https://example.org", "@bot:example.org", False)
PASSWORD = Facts("home", "https://example.org", "@bot:example.org", True)


@pytest.mark.parametrize(
    ("error", "facts", "login", "reason", "words"),
    [
        (MatrixError(0, "", "no connection"), TOKEN, False, Reason.REMOTE_SERVER_TIMEOUT, "running at https://example"),
        (MatrixError(429, "M_LIMIT_EXCEEDED", "slow"), PASSWORD, True, Reason.RESOURCE_CONSTRAINT, "to wait"),
        (MatrixError(502, "", "bad"), TOKEN, False, Reason.INTERNAL_SERVER_ERROR, "not in order"),
        (
            MatrixError(401, "M_UNKNOWN_TOKEN", "x"),
            TOKEN,
            False,
            Reason.NOT_AUTHORIZED,
            "set networks.home.access_token",
        ),
        (MatrixError(401, "M_UNKNOWN_TOKEN", "x"), PASSWORD, False, Reason.NOT_AUTHORIZED, "ended the session"),
        (
            MatrixError(403, "M_FORBIDDEN", "x"),
            PASSWORD,
            True,
            Reason.NOT_AUTHORIZED,
            "correct networks.home.password",
        ),
        (MatrixError(403, "M_USER_DEACTIVATED", "x"), PASSWORD, True, Reason.GONE, "networks.home.user_id"),
        (MatrixError(400, "M_UNKNOWN", "no passwords"), PASSWORD, True, Reason.BAD_REQUEST, "networks.home.access_t"),
        (MatrixError(403, "M_FORBIDDEN", "no"), TOKEN, False, Reason.FORBIDDEN, "refused @bot:example.org"),
    ],
)
def test_each_trouble_has_its_words(error: MatrixError, facts: Facts, login: bool, reason: Reason, words: str) -> None:
    failure = diagnose(error, facts, login=login)
    assert failure.reason is reason
    assert words in failure.text


def test_another_accounts_token() -> None:
    failure = another_account("@ana:example.org", TOKEN)
    assert failure.reason is Reason.CONFLICT
    assert "belongs to @ana:example.org" in failure.text
    assert "networks.home.user_id" in failure.text
