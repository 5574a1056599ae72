"""What keeps the application service and its homeserver apart, in words an operator can act on. Pure.

Ping and its errors: application service API, specification v1.19, "Pinging".
"""

from dataclasses import dataclass
from enum import StrEnum

from adapters.matrix.errors import MatrixError, reason_of
from adapters.matrix.tls import ERRCODE
from bridge.model.result import Failure, Reason


class Stage(StrEnum):
    """What was being tried."""

    REACH = "reach"
    BOT = "bot"
    ROOMS = "rooms"
    PING = "ping"


@dataclass(frozen=True, slots=True)
class Facts:
    """The configuration that the words quote: the network, its homeserver's URL, our own URL, our id there."""

    network: str
    homeserver: str
    url: str
    id: str
    bot_id: str

    @property
    def registration(self) -> str:
        """How to write the registration file."""
        return f"rialto registration {self.network}"


def diagnose(stage: Stage, error: MatrixError, facts: Facts) -> Failure:
    """Why the network cannot be used, and what to do."""
    reason = reason_of(error.errcode, error.status)
    renew = f"write the file afresh with `{facts.registration}`, and restart the homeserver"
    if error.errcode == ERRCODE:
        text = error.text
    elif error.status == 0:
        text = f"{error.text}: is the homeserver running at {facts.homeserver}?"
    elif error.unknown_token:
        text = (
            f"the homeserver does not know our as_token ({error.errcode or error.status}): "
            f"the registration is missing there, or holds other tokens; {renew}"
        )
    elif stage is Stage.PING and error.errcode == "M_CONNECTION_FAILED":
        text = f"the homeserver cannot reach us at {facts.url} ({error.text}): check `url`, the firewall and `listen`"
    elif stage is Stage.PING and error.errcode == "M_CONNECTION_TIMEOUT":
        text = f"the homeserver gets no answer in time from {facts.url}: check `url` and what stands in between"
    elif stage is Stage.PING and error.errcode == "M_URL_NOT_SET":
        text = f"the registration on the homeserver has no url, so that nothing is pushed to us; {renew}"
    elif stage is Stage.PING and error.errcode == "M_BAD_STATUS" and error.detail in (401, 403):
        reason = Reason.NOT_AUTHORIZED
        text = f"the homeserver's hs_token is not ours: the registration and the configuration are out of step; {renew}"
    elif stage is Stage.PING and error.errcode == "M_BAD_STATUS":
        text = f"at {facts.url} somebody else answers the homeserver (status {error.detail}): check `url`"
    elif stage is Stage.PING and error.status == 403:
        text = f"the as_token belongs to another application service than {facts.id!r}: tokens out of step; {renew}"
    elif stage is Stage.PING and error.status == 404:
        text = "the homeserver cannot ping application services: Matrix 1.7 or later (Synapse 1.84) is needed"
    elif stage is Stage.BOT and error.errcode in ("M_EXCLUSIVE", "M_FORBIDDEN", "M_INVALID_USERNAME"):
        text = f"the registration does not cover the bot {facts.bot_id} ({error.text}); {renew}"
    elif error.unreachable:
        text = f"the homeserver at {facts.homeserver} is not in order: {error.text}"
    else:
        text = f"the homeserver refused us ({stage}): {error.text}"
    return Failure(reason, text)


def another_bot(user_id: str, facts: Facts) -> Failure:
    """The token is good, and belongs to another user than configured."""
    return Failure(
        Reason.CONFLICT,
        f"the registration makes us {user_id}, the configuration {facts.bot_id}: correct `domain` and `bot`, "
        f"or write the file afresh with `{facts.registration}` and restart the homeserver",
    )
