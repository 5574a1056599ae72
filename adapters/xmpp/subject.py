"""The subject of a room (XEP-0045 section 8.1), and those of ours who are setting it."""

import asyncio
import secrets

from adapters.xmpp import outbound
from adapters.xmpp.awaiting import Awaiting
from adapters.xmpp.link import Link
from adapters.xmpp.own import Own
from bridge.contract import SendError
from bridge.model.result import Reason, Receipt


class Subject:
    """Of one room. `waiting` is where its answers are waited for."""

    def __init__(self, room: str, link: Link, waiting: Awaiting) -> None:
        self.text: str | None = None
        """The subject, as the room last told it."""
        self._room, self._link, self._waiting = room, link, waiting
        self._setting: dict[str, str] = {}

    def set(self, own: Own, text: str, now: float) -> asyncio.Future[Receipt]:
        """Have one of ours set it; the future gets its receipt or `SendError`. Raises `SendError`."""
        if not own.present:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, f"not in the room {self._room} at the moment")
        if text == self.text:
            # Some services (Prosody) reflect only what changes.
            done: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
            done.set_result(Receipt())
            return done
        token = f"subject-{secrets.token_hex(8)}"
        self._link.write(outbound.subject(own.jid, self._room, token, text))
        self._setting[own.jid] = token
        return self._waiting.add(token, now)

    def told(self, text: str, own: Own | None, receipt: Receipt) -> None:
        """It is this now; `own` is the one of ours who has just set it, if it was one."""
        self.text = text
        if own is not None:
            # By who set it, for services need not reflect a subject with its id (Prosody does not).
            self._waiting.confirm(self._setting.pop(own.jid, ""), receipt)
