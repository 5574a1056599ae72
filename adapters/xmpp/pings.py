"""Confirming what was sent to people, by asking their server a question it has to answer.

A server handles what we send to its domain in the order of the stream, so whatever it answers to a ping (XEP-0199)
that follows a message, result or error, shows that it has taken the message; had it refused it, the error would have
come first. One ping serves all messages before it: while one is under way, those that follow wait for the next.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from adapters.xmpp import ids, outbound
from adapters.xmpp.errors import Refused, StanzaError
from adapters.xmpp.queries import Queries
from bridge.contract import SendError
from bridge.model.result import Reason, Receipt

log = structlog.get_logger(__name__)

PATIENCE = 30.0
"""Seconds a server may take to answer. One that is new to ours has to be found and connected to first."""

_OUR_SIDE = frozenset({Reason.REMOTE_SERVER_NOT_FOUND, Reason.REMOTE_SERVER_TIMEOUT})
"""Answers that our own server makes because the other one cannot be had."""


@dataclass(eq=False, slots=True)
class _Sent:
    """A message under way to a bare JID."""

    part_id: str
    recipient: str
    future: asyncio.Future[Receipt]


@dataclass(slots=True)
class _Flush:
    """What waits for one domain: `waiting` for the next ping, which `task` is to send."""

    waiting: list[_Sent] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Pings:
    """Owns what was sent to people and is not confirmed yet. `sender` is the full JID that asks."""

    def __init__(self, queries: Queries, sender: str) -> None:
        self._queries = queries
        self._sender = sender
        self._under_way: dict[str, _Sent] = {}
        self._flushes: dict[str, _Flush] = {}

    def sent(self, part_id: str, to: str) -> asyncio.Future[Receipt]:
        """The message of that part has been written, to that JID; the future gets its receipt or `SendError`."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        # A caller that lost interest must not be logged as an exception never retrieved.
        future.add_done_callback(_retrieved)
        before = self._under_way.get(part_id)
        if before is not None:
            self._fail(before, SendError.passing(Reason.UNEXPECTED_REQUEST, "it was sent again meanwhile"))
        sent = self._under_way[part_id] = _Sent(part_id, ids.bare(to), future)
        domain = ids.domain(to)
        flush = self._flushes.setdefault(domain, _Flush())
        flush.waiting.append(sent)
        if flush.task is None:
            # A task begins when the loop comes round: all that is sent till then goes before its ping.
            flush.task = asyncio.create_task(self._run(domain, flush), name=f"confirm {domain}")
        return future

    def refused(self, part_id: str, sender: str, error: SendError) -> bool:
        """An error came, from that JID, for the message of that part. Tells whether that was waited for."""
        sent = self._under_way.get(part_id)
        if sent is None or ids.bare(sender) not in (sent.recipient, ids.domain(sent.recipient)):
            return False
        self._fail(sent, error)
        return True

    def lost(self, reason: Reason, text: str) -> None:
        """The stream is gone: nothing will be answered."""
        flushes, self._flushes = self._flushes, {}
        for flush in flushes.values():
            if flush.task is not None:
                flush.task.cancel()
        for sent in tuple(self._under_way.values()):
            self._fail(sent, SendError.passing(reason, text))

    async def _run(self, domain: str, flush: _Flush) -> None:
        while flush.waiting:
            before, flush.waiting = flush.waiting, []
            error = await self._ask(domain)
            for sent in before:
                # What failed by itself, or was sent again since, is none of this ping's business.
                if error is not None:
                    self._fail(sent, error)
                    continue
                self._end(sent)
                if not sent.future.done():
                    sent.future.set_result(Receipt(ids.wire_id(sent.part_id)))
        flush.task = None
        if self._flushes.get(domain) is flush:
            del self._flushes[domain]

    def _fail(self, sent: _Sent, error: SendError) -> None:
        self._end(sent)
        if not sent.future.done():
            sent.future.set_exception(error)

    def _end(self, sent: _Sent) -> None:
        if self._under_way.get(sent.part_id) is sent:
            del self._under_way[sent.part_id]

    async def _ask(self, domain: str) -> SendError | None:
        """None if the server has answered, whatever."""
        sender = self._sender
        try:
            await self._queries.ask(domain, lambda token: outbound.ping(sender, domain, token), PATIENCE)
        except Refused as refused:
            return _unreachable(domain, refused.error)
        except SendError as error:
            return error
        return None


def _unreachable(domain: str, error: StanzaError) -> SendError | None:
    if error.reason not in _OUR_SIDE:
        return None
    log.info("a server cannot be reached", domain=domain, error=str(error.reason))
    said = f" ({error.text})" if error.text else ""
    text = f"the server {domain} cannot be reached{said}"
    if error.reason is Reason.REMOTE_SERVER_NOT_FOUND and error.type != "wait":
        return SendError.permanent(error.reason, text)
    return SendError.passing(error.reason, text)


def _retrieved(future: asyncio.Future[Receipt]) -> None:
    if not future.cancelled():
        future.exception()
