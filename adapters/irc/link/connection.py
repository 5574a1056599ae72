"""One session over one carrier: writes what is due, keeps the timer, and turns confirmations into futures."""

import asyncio
import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from adapters.irc.link.kept import KeptCarrier
from adapters.irc.link.transport import Carrier, DialError, Dialler
from adapters.irc.protocol import events, numerics
from adapters.irc.protocol.errors import LocalProtocolError
from adapters.irc.protocol.events import Event, Manner
from adapters.irc.protocol.flood import Urgency
from adapters.irc.protocol.refusals import direct_words
from adapters.irc.protocol.sender import Profile
from adapters.irc.protocol.session import Session
from adapters.irc.protocol.snapshot import Snapshot
from adapters.irc.protocol.states import State
from bridge.contract import Handover, SendError
from bridge.model.result import Failure, Reason, Receipt

log = structlog.get_logger(__name__)

BACKLOG: Final = 45.0
"""Seconds for which flood control may hold a line back; those that had to wait longer wait with whoever sends them,
who has a store."""


_OPENED: Final = "opened"
"""In snapshots: when the connection was opened, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection is over. `permanent`: another like it would end the same way. `asked`: we closed it. `again`:
    the server sent us to another port, where to try at once."""

    failure: Failure
    permanent: bool = False
    asked: bool = False
    again: bool = False


HISTORY_WITHIN: Final = 60.0
"""Seconds that a page of a channel's history may take, flood control included."""


PAGE: Final = 1000
"""Lines that are kept of a page, however many the server sends. Whoever asks goes on after the last of them."""


class Connection:
    """From dialling to the end. What the session tells goes to `on_event`, at once and in order, but for what became
    of the lines that were sent, which goes into their futures."""

    def __init__(
        self,
        profile: Profile,
        dialler: Dialler,
        on_event: Callable[[Event], None],
        owner: Callable[[], dict[str, str]] = dict,
    ) -> None:
        """`owner` gives what its snapshots say of whose it is (`Snapshot.owner`)."""
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._dialler = dialler
        self._on_event = on_event
        self._carrier: Carrier | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = self._loop.time()
        self._choked = False
        self._deaf = False
        self._tokens = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Receipt]] = {}
        self._keys: dict[int, str] = {}
        self._opened = math.inf
        self._once: set[int] = set()
        self._pages: dict[int, list[events.Said]] = {}
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._ending: Ending | None = None
        self.session = Session(profile, self._loop.time)

    @property
    def ready(self) -> bool:
        """Whether things can be said."""
        return self.session.state is State.READY

    async def run(self) -> Ending:
        """Dial, and return when all is over. Cancelled, it drops the connection."""
        try:
            await self._dialler.dial(self)
        except DialError as error:
            return self._ending or Ending(error.failure)
        try:
            await asyncio.shield(self._closed)
        except asyncio.CancelledError:
            self.abort()
            raise
        return self._ending or Ending(Failure(Reason.REMOTE_SERVER_NOT_FOUND, "the server closed the connection"))

    # What the owner asks for.

    def say(
        self,
        target: str,
        manner: Manner,
        text: str,
        urgency: Urgency = Urgency.SPEECH,
        tags: Mapping[str, str] | None = None,
        key: str = "",
        since: float = 0.0,
    ) -> Handover:
        """Say something, with those of the client-only `tags` that the server passes on. On a connection that a keeper
        holds, what has a `key` is said once, however often it is asked for. If nobody asked for it before `since`, in
        seconds since the epoch, and the connection is older, the receipt says so.

        Raises `SendError`: temporary where the connection is not ready or its queue is full, permanent where the text
        does not fit.
        """
        if not self.ready:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, "the connection is not ready")
        if len(text.encode(errors="replace")) > self.session.text_bytes(target):
            raise SendError.permanent(Reason.POLICY_VIOLATION, "the text does not fit into one line")
        if (backlog := self.session.backlog(target)) > BACKLOG:
            raise SendError.passing(Reason.RESOURCE_CONSTRAINT, "flood control holds too many lines back", backlog / 2)
        token, future = self._future()
        if key:
            self._keys[token] = key
            if isinstance(self._carrier, KeptCarrier) and self._opened < since:
                self._once.add(token)
        try:
            throttled = self.session.say(token, target, manner, text, urgency, tags, key)
        except LocalProtocolError as error:
            del self._waiting[token]
            self._keys.pop(token, None)
            self._once.discard(token)
            reason = Reason.RESOURCE_CONSTRAINT if "waiting" in str(error) else Reason.POLICY_VIOLATION
            raise SendError(Failure(reason, str(error)), temporary=reason is Reason.RESOURCE_CONSTRAINT) from error
        self.flush()
        return Handover(future, throttled)

    def request(self, command: str, *params: str) -> None:
        """Ask the server something; nothing happens where it cannot be asked now."""
        if not self.ready:
            return
        try:
            self.session.request(command, *params)
        except LocalProtocolError as error:
            log.debug("not asked", command=command, error=str(error))
            return
        self.flush()

    def retract(self, target: str) -> None:
        """What still waits for this target shall not be sent; whoever sent it learns that it may be tried again."""
        self._tell(self.session.retract(target))

    def topic(self, channel: str, text: str) -> asyncio.Future[Receipt]:
        """Set a topic. Raises `SendError` where the connection is not ready."""
        if not self.ready:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, "the connection is not ready")
        token, future = self._future()
        try:
            self.session.topic(token, channel, text)
        except LocalProtocolError as error:
            del self._waiting[token]
            raise SendError.permanent(Reason.POLICY_VIOLATION, str(error)) from error
        self.flush()
        return future

    async def history(self, which: str, channel: str, selector: str, limit: int) -> list[events.Said]:
        """Lines of a channel's history, in order: see `Sender.history`. They are told to nobody else.

        Raises `SendError`, permanent where the server refuses.
        """
        if not self.ready:
            raise SendError.passing(Reason.RECIPIENT_UNAVAILABLE, "the connection is not ready")
        token, future = self._future()
        lines = self._pages[token] = []
        try:
            async with asyncio.timeout(HISTORY_WITHIN):
                self.session.history(token, which, channel, selector, limit)
                self.flush()
                await future
        except LocalProtocolError as error:
            raise SendError.passing(Reason.RESOURCE_CONSTRAINT, str(error)) from error
        except TimeoutError:
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "the server does not tell its history") from None
        finally:
            del self._pages[token]
            future.cancel()
        return lines

    def quit(self, reason: str) -> None:
        """Say good-bye; the server closes the connection then. Does nothing if that is under way."""
        self._ending = self._ending or Ending(Failure(Reason.GONE, reason), asked=True)
        if self.session.state in (State.NEW, State.CLOSING, State.CLOSED):
            return
        self.session.quit(reason)
        self.flush()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._ending = self._ending or Ending(Failure(Reason.GONE, "dropped"), asked=True)
        if self._carrier is not None:
            self._carrier.abort()

    async def wait_closed(self, within: float) -> None:
        """Return when the connection is closed, or after some seconds."""
        if self._carrier is not None:
            await asyncio.wait([self._closed], timeout=within)

    @property
    def silent_for(self) -> float:
        """Seconds since the server last said anything."""
        return self._loop.time() - self._heard

    def pause_reading(self) -> None:
        """Take no more from the server for now."""
        self._deaf = True
        if self._carrier is not None:
            self._carrier.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._deaf = False
        self.session.excuse()
        if self._carrier is not None:
            self._carrier.resume_reading()

    def flush(self) -> None:
        """Write what is due, unless the server takes nothing, and set the timer for what comes next."""
        if self._carrier is None or self.session.state is State.CLOSED:
            return
        if not self._choked:
            self._write(self._carrier)
        if self._timer is not None:
            self._timer.cancel()
        deadline = self.session.deadline()
        if deadline is not None:
            # While the server takes nothing, lines that are due are no reason to wake; resume_writing is.
            at = max(deadline, self._loop.time() + 1) if self._choked else deadline
            self._timer = self._loop.call_at(at, self._tick)

    def _write(self, carrier: Carrier) -> None:
        if not isinstance(carrier, KeptCarrier):
            if data := self.session.outgoing():
                carrier.write(data)
            return
        for keyed, group in itertools.groupby(self.session.pieces(), key=lambda piece: piece[0]):
            carrier.send(b"".join(data for _, data in group), keyed)

    # The carrier's side.

    def connected(self, carrier: Carrier, *, secure: bool) -> None:
        """The connection is open: introduce ourselves."""
        self._carrier = carrier
        self._opened = time.time()
        if self._ending is not None:
            carrier.abort()
            return
        self.session.start(secure=secure)
        self.flush()

    def received(self, data: bytes) -> None:
        """Bytes came."""
        self._heard = self._loop.time()
        self._tell(self.session.receive(data))
        self.flush()

    def resumed(self, carrier: Carrier, snapshot: Snapshot) -> None:
        """The connection was open before us."""
        self._carrier = carrier
        # Answers to what was sent before us must not be taken for answers to us.
        began = time.time_ns() // 1_000_000
        with contextlib.suppress(ValueError):
            self._opened = float(snapshot.owner.get(_OPENED, "inf"))
        self._tokens = itertools.count(began)
        self._tell(self.session.resume(snapshot, f"{began:x}-"))
        if self._ending is not None:
            carrier.abort()
        self.flush()

    def memory(self) -> tuple[object, Callable[[], Snapshot]] | None:
        """See `adapters.irc.link.kept.Resumable`."""
        if not self.ready:
            return None
        owner = {**self._owner(), _OPENED: f"{self._opened:.3f}"}
        standing = (self.session.standing, tuple(owner.items()))
        return standing, lambda: self.session.snapshot().model_copy(update={"owner": owner})

    def known(self, key: str) -> None:
        """It was said before us; that it arrived has still to be heard."""
        self.session.ask()
        self.flush()

    @property
    def origin(self) -> str:
        """The name of the line that is being received, if it will be the same whoever receives it; else empty."""
        return self._carrier.origin if isinstance(self._carrier, KeptCarrier) else ""

    def lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        if self._timer is not None:
            self._timer.cancel()
        if self._ending is None and error is not None:
            self._ending = Ending(Failure(Reason.REMOTE_SERVER_NOT_FOUND, f"the connection broke: {error}"))
        self._tell(self.session.lost())
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """The server takes no more for now."""
        self._choked = True

    def resume_writing(self) -> None:
        """It takes more again."""
        self._choked = False
        self.flush()

    # Between the two.

    def _future(self) -> tuple[int, asyncio.Future[Receipt]]:
        token, future = next(self._tokens), self._loop.create_future()
        self._waiting[token] = future
        future.add_done_callback(lambda done: self._decided(token, done))
        return token, future

    def _decided(self, token: int, future: asyncio.Future[Receipt]) -> None:
        self._waiting.pop(token, None)
        self._keys.pop(token, None)
        self._once.discard(token)
        if future.cancelled():
            # Whoever gave up on the line will send it again: it must not go out twice.
            self.session.withdraw(token)
        else:
            # An outcome that nobody asks for any more is no error of asyncio's to report.
            future.exception()

    def _tick(self) -> None:
        self._timer = None
        if self._deaf or (isinstance(self._carrier, KeptCarrier) and self._carrier.full):
            # It is us who do not listen.
            self.session.excuse()
        self._tell(self.session.tick())
        self.flush()

    def _tell(self, told: Iterable[Event]) -> None:
        for event in told:
            match event:
                case events.Said(asked=int(token)):
                    if (page := self._pages.get(token)) is not None and len(page) < PAGE:
                        page.append(event)
                case events.Delivered(token, msgid):
                    self._settle(token, Receipt(msgid or None, once=token in self._once))
                case events.Refused(token):
                    if isinstance(self._carrier, KeptCarrier) and (key := self._keys.get(token)):
                        self._carrier.unkey(key)
                    self._settle(token, self._refusal(event))
                case events.Dropped(token, sent):
                    text = "the connection was lost before the server confirmed" if sent else "it was never sent"
                    reason = Reason.REMOTE_SERVER_TIMEOUT if sent else Reason.RECIPIENT_UNAVAILABLE
                    self._settle(token, SendError.passing(reason, text))
                case events.Ended(text):
                    self._end(Ending(Failure(Reason.REMOTE_SERVER_NOT_FOUND, text)))
                case events.RegistrationFailed(numeric, text, permanent):
                    hint = numerics.ADVICE.get(numeric)
                    text = f"{text} ({numeric}): {hint}" if hint else f"{text} ({numeric})"
                    self._end(Ending(Failure(numerics.reason(numeric), text), permanent))
                case events.Sts(port) if not self.session.secure:
                    self._on_event(event)
                    failure = Failure(Reason.REDIRECT, f"the server is to be spoken to by TLS on port {port} (STS)")
                    self._end(Ending(failure, again=True))
                case _:
                    self._heed(event)

    def _heed(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:
            # Whoever can make us stumble must not be able to cut the connection, on which everybody's lines come.
            log.exception("an event was not understood", what=type(event).__name__)

    def _end(self, ending: Ending) -> None:
        # What refused us comes before the ERROR line that repeats it.
        self._ending = self._ending or ending
        if self._carrier is not None:
            self._carrier.close()

    def _settle(self, token: int, outcome: Receipt | SendError) -> None:
        future = self._waiting.pop(token, None)
        if future is None or future.done():
            return
        if isinstance(outcome, SendError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _refusal(self, refused: events.Refused) -> SendError:
        failure = Failure(numerics.reason(refused.numeric), self._words(refused))
        # A refusal by a channel we were just removed from says nothing of the line: the next try goes another way.
        outside = self.session.isupport.is_channel(refused.target) and refused.target not in self.session.channels
        return SendError(failure, temporary=refused.numeric in numerics.PASSING or outside)

    def _words(self, refused: events.Refused) -> str:
        """What a person is told, who knows of no numerics, where it was for a person; elsewhere the server's words."""
        words = None if self.session.isupport.is_channel(refused.target) else direct_words(refused)
        return words or f"{refused.text} ({refused.numeric})"
