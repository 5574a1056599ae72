"""Questions of ours (IQ requests) and their answers: a dictionary by id, not a handler each."""

import asyncio
import secrets
from collections.abc import Callable
from xml.etree.ElementTree import Element

from adapters.xmpp.errors import Refused, StanzaError, read_error
from bridge.model.result import Reason

PATIENCE = 10.0
"""Seconds an answer may take."""


class Queries:
    """What we asked and have no answer to yet."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._asked: dict[str, tuple[str, asyncio.Future[Element]]] = {}

    async def ask(self, to: str, request: Callable[[str], str], within: float = PATIENCE) -> Element:
        """Send the request that is built of an id, and wait for the answer of whom it is sent to.

        Raises `Refused` (also when no answer comes), `bridge.contract.SendError`.
        """
        token = f"ask-{secrets.token_hex(8)}"
        future: asyncio.Future[Element] = asyncio.get_running_loop().create_future()
        self._asked[token] = (to, future)
        try:
            self._write(request(token))
            async with asyncio.timeout(within):
                return await future
        except TimeoutError:
            raise Refused(StanzaError(Reason.REMOTE_SERVER_TIMEOUT, "wait", f"{to} does not answer")) from None
        finally:
            del self._asked[token]

    def answered(self, stanza: Element) -> bool:
        """An IQ of type ``result`` or ``error``; tells whether it answers anything."""
        to, future = self._asked.get(stanza.get("id", ""), ("", None))
        if future is None or future.done() or stanza.get("from") != to:
            return False
        if stanza.get("type") == "error":
            future.set_exception(Refused(read_error(stanza)))
        else:
            future.set_result(stanza)
        return True


def features(info: Element) -> frozenset[str]:
    """What an entity can do, from its disco#info result (XEP-0030)."""
    found = info.iter("{http://jabber.org/protocol/disco#info}feature")
    return frozenset(var for feature in found if (var := feature.get("var")))
