"""What keeps the account and its homeserver apart, in words an operator can act on. Pure."""

from dataclasses import dataclass

from adapters.matrix.errors import MatrixError, reason_of
from adapters.matrix.tls import ERRCODE
from bridge.model.result import Failure, Reason


@dataclass(frozen=True, slots=True)
class Facts:
    """The configuration that the words quote. `by_password`: the session is begun by password."""

    network: str
    homeserver: str
    user_id: str
    by_password: bool

    @property
    def keys(self) -> str:
        """Where the network's keys stand."""
        return f"networks.{self.network}"


def diagnose(error: MatrixError, facts: Facts, *, login: bool = False) -> Failure:
    """Why the network cannot be used, and what to do. `login`: it happened while a session was begun."""
    reason = reason_of(error.errcode, error.status)
    instead = f"or leave that out and set {facts.keys}.access_token to a token of a session of the account"
    if error.errcode == ERRCODE:
        text = error.text
    elif error.status == 0:
        text = f"{error.text}: is the homeserver running at {facts.homeserver}?"
    elif error.limited:
        text = f"the homeserver asks {facts.user_id} to wait: {error.text}"
    elif error.unreachable:
        text = f"the homeserver at {facts.homeserver} is not in order: {error.text}"
    elif login and error.errcode == "M_USER_DEACTIVATED":
        text = f"the account {facts.user_id} is deactivated ({error.text}): set {facts.keys}.user_id to another one"
    elif login and error.status in (401, 403):
        reason = Reason.NOT_AUTHORIZED
        text = (
            f"the homeserver does not accept this password for {facts.user_id} ({error.text}): "
            f"correct {facts.keys}.password, {instead}"
        )
    elif login:
        text = f"the homeserver does not let {facts.user_id} in by password ({error.text}): correct it, {instead}"
    elif error.unknown_token and facts.by_password:
        text = (
            f"the homeserver has ended the session of {facts.user_id} ({error.text}): "
            f"a new one is begun by {facts.keys}.password"
        )
    elif error.unknown_token:
        text = (
            f"the homeserver does not know this access token ({error.text}): set {facts.keys}.access_token to a token "
            f"of a session of {facts.user_id} that has not been logged out, or leave it out and set {facts.keys}"
            ".password"
        )
    else:
        text = f"the homeserver refused {facts.user_id}: {error.text}"
    return Failure(reason, text)


def another_account(user_id: str, facts: Facts) -> Failure:
    """The token is good, and another account's than configured."""
    return Failure(
        Reason.CONFLICT,
        f"the access token belongs to {user_id}, the configuration says {facts.user_id}: "
        f"correct {facts.keys}.user_id, or set {facts.keys}.access_token to a token of {facts.user_id}",
    )
