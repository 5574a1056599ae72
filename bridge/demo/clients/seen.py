"""What a client saw, and waiting for it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any


class ClientError(Exception):
    """The server refused what the client asked for, or did not answer in time."""


class Sight(StrEnum):
    """What kind of thing was seen."""

    TEXT = "text"
    EMOTE = "emote"
    NOTICE = "notice"
    EDIT = "edit"
    REACTION = "reaction"
    RETRACTION = "retraction"
    JOIN = "join"
    LEAVE = "leave"
    KICK = "kick"
    RENAME = "rename"
    TOPIC = "topic"
    INVITE = "invite"
    ERROR = "error"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing as one client saw it.

    `who` did it, by the name this network shows; `sender` is the same by native id (real JID where it is shown, else
    the occupant's; user id; ``nick!user@host``). `text` is what was said, the topic, the reason of a leave or kick,
    the new name of a rename, the key of a reaction. `whom` was kicked. `place` is the room, empty in private.
    `id` is the network's id of it, `about` the id of what it edits, marks or retracts. `own`: this client did it.
    `history`: it was said before the client came. `when` is seconds since the epoch at which it was seen.
    """

    kind: Sight
    who: str
    text: str = ""
    place: str = ""
    whom: str = ""
    sender: str = ""
    id: str = ""
    about: str = ""
    own: bool = False
    history: bool = False
    when: float = field(default_factory=time.time, compare=False)

    def __str__(self) -> str:
        marks = "".join(f" [{mark}]" for mark, on in (("own", self.own), ("history", self.history)) if on)
        whom = f" {self.whom}" if self.whom else ""
        return f"{self.place or '(private)'}: {self.kind} by {self.who} ({self.sender}){whom}: {self.text!r}{marks}"


_FIELDS = frozenset(each.name for each in fields(Seen))
Predicate = Callable[[Seen], bool]


class Client:
    """What the clients have in common: `seen`, in order, and waiting for more of it."""

    network: str
    """What the client's kind of network is called in messages."""
    echo = True
    """Whether the network gives people back what they say themselves."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[Seen] = []
        self._wakers: set[asyncio.Future[None]] = set()

    async def wait_for(
        self, predicate: Predicate | None = None, /, *, timeout: float = 30.0, since: int = 0, **wanted: Any
    ) -> Seen:
        """The first thing seen (from index `since` of `seen` on) that the predicate accepts and whose fields equal
        `wanted`; waits for it. Raises `AssertionError`, listing everything seen so far.
        """
        description = _described(predicate, wanted)
        position = since
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            for seen in self.seen[position:]:
                if _matches(seen, predicate, wanted):
                    return seen
            position = max(position, len(self.seen))
            waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._wakers.add(waker)
            try:
                async with asyncio.timeout_at(deadline):
                    await waker
            except TimeoutError:
                raise AssertionError(
                    f"{self.name} on {self.network} did not see {description} within {timeout:g} s, but:"
                    f"\n{self.report()}"
                ) from None
            finally:
                self._wakers.discard(waker)

    def matching(self, predicate: Predicate | None = None, /, *, since: int = 0, **wanted: Any) -> list[Seen]:
        """Everything seen so far that the predicate accepts and whose fields equal `wanted`."""
        _described(predicate, wanted)
        return [seen for seen in self.seen[since:] if _matches(seen, predicate, wanted)]

    def report(self) -> str:
        """Everything seen so far, one a line."""
        return "\n".join(f"  {seen}" for seen in self.seen) or "  (nothing)"

    def _see(self, seen: Seen) -> None:
        self.seen.append(seen)
        for waker in self._wakers:
            if not waker.done():
                waker.set_result(None)


def _matches(seen: Seen, predicate: Predicate | None, wanted: dict[str, Any]) -> bool:
    if any(getattr(seen, name) != value for name, value in wanted.items()):
        return False
    return predicate is None or predicate(seen)


def _described(predicate: Predicate | None, wanted: dict[str, Any]) -> str:
    if unknown := set(wanted) - _FIELDS:
        raise TypeError(f"nothing seen has {', '.join(sorted(unknown))}")
    words = [f"{name}={value!r}" for name, value in wanted.items()]
    if predicate is not None:
        words.append("what the predicate accepts")
    return " ".join(words) or "anything"


@contextlib.asynccontextmanager
async def patience(what: str, seconds: float = 30.0) -> AsyncIterator[None]:
    """Bound a wait for a server: raises `ClientError` saying what was waited for."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ClientError(f"{what}: no answer within {seconds:g} s") from None
