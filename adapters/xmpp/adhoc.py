"""Commands to the bot by ad-hoc commands (XEP-0050): the same as by words, in forms that clients show.

What sets and forgets rules is one command, `rules`, with a form that lists them. Each of the others is a command of
its own, with a form of one field where it takes something.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Container, Iterator
from xml.etree.ElementTree import Element

import structlog

from adapters.xmpp import forms, ids, outbound
from adapters.xmpp.forms import COMMANDS, Field
from adapters.xmpp.known import Recent
from bridge.contract import Core, SendError
from bridge.model.address import Address, Person
from bridge.model.result import Reason
from bridge.words import ABOUT, VERBS, explained

log = structlog.get_logger(__name__)

WAITING = 1000
"""Requests that may wait to be answered."""

_COMMAND = f"{{{COMMANDS}}}command"
_INFO = "{http://jabber.org/protocol/disco#info}query"
_ITEMS = "{http://jabber.org/protocol/disco#items}query"
_IN_RULES = frozenset({*VERBS, "forget"})
_SUBMITS = frozenset({"execute", "complete", "next"})


class AdHoc:
    """Answers for the component's domain and for the bot. `rooms` by bare JID: nobody gives commands through one."""

    def __init__(
        self, core: Core, write: Callable[[str], None], *, domain: str, bot: str, rooms: Container[str]
    ) -> None:
        self._core = core
        self._write = write
        self._addressed = frozenset({domain, ids.bare(bot), bot})
        self._rooms = rooms
        self._sessions: Recent[str, tuple[str, str]] = Recent()
        self._waiting: deque[Element] = deque()
        self._some = asyncio.Event()

    def takes(self, request: Element) -> bool:
        """Take an IQ request if it has to do with commands; tells whether it has. Raises `SendError`."""
        payload = next(iter(request), None)
        if payload is None or request.get("to") not in self._addressed:
            return False
        if payload.tag == _COMMAND and request.get("type") == "set":
            self._take(request)
            return True
        node = payload.get("node")
        if not node or payload.tag not in (_INFO, _ITEMS) or request.get("type") != "get":
            return False
        nodes = dict(self._nodes())
        if node == COMMANDS and payload.tag == _ITEMS:
            self._write(outbound.result(request, forms.items(request.get("to", ""), nodes)))
        elif payload.tag == _INFO and (node == COMMANDS or node in nodes):
            self._write(outbound.result(request, forms.info(node, nodes.get(node, "Commands"))))
        else:
            return False
        return True

    async def run(self) -> None:
        """Do what is asked, one after another. Runs as long as the adapter."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting:
                request = self._waiting.popleft()
                answer = await self._answer(request)
                try:
                    self._write(answer)
                except SendError as error:
                    log.warning("answer not sent", to=request.get("from"), error=str(error))

    def _take(self, request: Element) -> None:
        if ids.bare(request.get("from", "")) in self._rooms:
            # Whose rules they were could be told, but not shown to them alone: most rooms do not pass forms on.
            self._write(outbound.error(request, Reason.NOT_ALLOWED, "ask by your own address, not through a room"))
        elif len(self._waiting) >= WAITING:
            self._write(outbound.error(request, Reason.RESOURCE_CONSTRAINT, "too much to do; ask again later"))
        else:
            self._waiting.append(request)
            self._some.set()

    def _nodes(self) -> Iterator[tuple[str, str]]:
        for name, offer in self._core.commands.items():
            if name not in _IN_RULES:
                yield name, "Who may see me, write to me, know that I watch" if name == "rules" else offer.about

    async def _answer(self, request: Element) -> str:
        (command, *_), asker = request, request.get("from", "")
        node, session = command.get("node", ""), command.get("sessionid")
        action = command.get("action", "execute")
        if node not in dict(self._nodes()):
            return outbound.error(request, Reason.ITEM_NOT_FOUND, "there is no such command")
        person = Person(Address(self._core.network, ids.bare(asker)), ids.bare(asker))
        if session is None:
            if action != "execute":
                return outbound.error(request, Reason.BAD_REQUEST, f"{action} goes with a command that has begun")
            return outbound.result(request, await self._begun(node, asker, person))
        if self._sessions.get(session) != (asker, node):
            return outbound.error(request, Reason.BAD_REQUEST, "that command is over; begin again")
        if action == "cancel":
            self._sessions.forget(session)
            return outbound.result(request, forms.canceled(node, session))
        if action not in _SUBMITS:
            return outbound.error(request, Reason.BAD_REQUEST, f"there is no {action} here")
        self._sessions.forget(session)
        fields = forms.filled(command)
        first, second = (fields.get("what"), fields.get("who")) if node == "rules" else (node, fields.get("text"))
        text = f"{first or ''} {second or ''}"
        return outbound.result(request, forms.completed(node, session, await self._said(person, text)))

    async def _begun(self, node: str, asker: str, person: Person) -> str:
        """The first answer: the form, or for what takes nothing, all there is to say."""
        offer, session = self._core.commands[node], secrets.token_hex(16)
        if node != "rules" and not offer.arguments:
            return forms.completed(node, session, await self._said(person, node))
        self._sessions[session] = asker, node
        if node == "rules":
            lines = (await self._said(person, node)).splitlines()
            form = forms.form("Rules", lines, (_WHAT, _WHO))
        else:
            required = not offer.arguments.startswith("[")
            form = forms.form(node, [offer.about], [Field("text", offer.arguments, required=required)])
        return forms.executing(node, session, form)

    async def _said(self, person: Person, text: str) -> str:
        """The answer to what could as well have been written to the bot."""
        answer = await self._core.command(person, text)
        return "That was no command, or one too many: try again later." if answer is None else answer


_WHAT = Field(
    "what",
    "What you decide",
    {
        **{word: f"{word}: {explained(word)} ({ABOUT[kind]})" for word, (kind, _) in VERBS.items()},
        "forget": "forget: no rule about them any more",
    },
)
_WHO = Field("who", "About whom: bo@example.org, @ana:example.org, NETWORK:NICK, a pattern with *, or anonymous")
