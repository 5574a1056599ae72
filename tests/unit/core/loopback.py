"""A network that exists in memory only: what the core's own tests attach to it instead of a protocol.

It is a fourth kind of network, written against `bridge.contract` alone. Tests script how it answers.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from bridge.capabilities import Capabilities, Ordering
from bridge.contract import Core, Handover, NoPuppetError, Notice, Part, SendError, Voice
from bridge.model.address import Address, Person, Place
from bridge.model.presence import Presence
from bridge.model.result import Reason, Receipt
from bridge.model.subscription import Notify

Answer = Callable[[Part], Receipt | SendError | None]


def confirm(part: Part) -> Receipt:
    """Every part arrives at once."""
    return Receipt(f"native-{part.id}")


class Loopback:
    """An adapter without a network. `answer` says how a part ends; None leaves it open for the test to end."""

    def __init__(self, ordering: Ordering = Ordering.STREAM, puppets: int = 1000) -> None:
        self.ordering = ordering
        self.limit = puppets
        self.answer: Answer = confirm
        self.sent: list[Part] = []
        self.open: dict[str, asyncio.Future[Receipt]] = {}
        self.puppets: dict[tuple[Place, Address], str] = {}
        self.log: list[str] = []
        self.told: list[tuple[Person, str]] = []
        self.notices: list[Notice] = []
        self.identities: dict[str, Address] = {}
        self.own_identities: set[str] = set()
        self.meets: list[Voice | SendError] = []
        self.at_home_here: set[str] = set()
        self.shown: list[Presence] = []
        self.notified: list[Notify] = []
        self.watched: list[tuple[Address, bool]] = []
        self.topics: list[tuple[Place, str]] = []
        self.join_gate = asyncio.Event()
        self.join_gate.set()
        self.leave_gate = asyncio.Event()
        self.leave_gate.set()
        self.changed = asyncio.Event()
        self.part_bytes = 400
        self.started = asyncio.Event()
        self._core: Core | None = None

    @property
    def core(self) -> Core:
        assert self._core is not None, "the service has not started this adapter"
        return self._core

    async def start(self, core: Core) -> None:
        self._core = core
        core.online()
        self.started.set()

    async def stop(self) -> None:
        self.log.append("stop")

    def capabilities(self, place: Place, speaker: Person, voice: Voice) -> Capabilities:
        return Capabilities(part_bytes=self.part_bytes, lines=False, ordering=self.ordering, max_parts=5)

    def send(self, part: Part) -> Handover:
        self.note(f"send {part.speaker.name}: {part.text}")
        self.sent.append(part)
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        answer = self.answer(part)
        if isinstance(answer, SendError):
            future.set_exception(answer)
        elif answer is not None:
            future.set_result(answer)
        else:
            self.open[part.id] = future
        return Handover(future)

    async def join(self, place: Place, person: Person) -> None:
        await self.join_gate.wait()
        if len(self.puppets) >= self.limit:
            raise NoPuppetError(f"at most {self.limit} puppets")
        self.puppets[place, person.address] = person.name
        self.note(f"join {person.name}")

    async def leave(self, place: Place, address: Address, reason: str | None) -> None:
        self.note(f"leaving {self.puppets.get((place, address))}")
        await self.leave_gate.wait()
        name = self.puppets.pop((place, address), None)
        self.note(f"leave {name}")

    async def rename(self, place: Place, person: Person) -> None:
        self.note(f"rename {self.puppets[place, person.address]} to {person.name}")
        self.puppets[place, person.address] = person.name

    @property
    def joins_in_flight(self) -> int:
        return 4

    async def set_topic(self, place: Place, text: str, by: Person | None) -> None:
        self.topics.append((place, text))
        self.note(f"topic {text}")

    async def tell(self, notice: Notice) -> None:
        self.told.append((notice.person, notice.text))
        self.notices.append(notice)
        self.note(f"tell {notice.person.name}: {notice.text}")

    async def meet(self, place: Place, person: Person) -> Voice:
        await self.join_gate.wait()
        self.note(f"meet {person.name}")
        if self.meets:
            answer = self.meets.pop(0)
            if isinstance(answer, SendError):
                raise answer
            return answer
        return Voice.PUPPET

    def at_home(self, address: Address) -> bool:
        return address.native in self.at_home_here

    def identity(self, address: Address) -> str:
        return f"test:{address}"

    def native(self, identity: str) -> Address | None:
        return self.identities.get(identity)

    def ours(self, identity: str) -> bool:
        return identity in self.own_identities

    def show(self, presence: Presence) -> None:
        self.shown.append(presence)

    def notify(self, notify: Notify) -> None:
        self.notified.append(notify)
        self.note(f"notify {notify.watcher.native} of {notify.target.native}: {notify.state}")

    def watch(self, address: Address, *, wanted: bool) -> None:
        self.watched.append((address, wanted))

    def note(self, line: str) -> None:
        self.log.append(line)
        self.changed.set()

    async def until(self, predicate: Callable[[], bool], timeout: float = 5.0) -> None:
        """Wait until the predicate holds. On failure, say what was done so far."""
        deadline = asyncio.get_running_loop().time() + timeout
        while not predicate():
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError("it did not come to that; seen so far:\n  " + "\n  ".join(self.log))
            self.changed.clear()
            # Counters change without a word: look again after a moment even if nothing was noted.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), 0.05)

    def lose(self) -> None:
        """The connection breaks: whatever is open is in doubt."""
        for future in self.open.values():
            if not future.done():
                future.set_exception(SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, "connection lost"))
        self.open.clear()


class Asking(Loopback):
    """A loopback network that can tell what arrived before."""

    def __init__(self, ordering: Ordering = Ordering.STREAM) -> None:
        super().__init__(ordering)
        self.arrived: set[str] = set()
        self.asked: list[str] = []

    def rechecks(self, place: Place) -> bool:
        return True

    async def recheck(self, parts: Sequence[Part]) -> Mapping[str, Receipt]:
        self.asked += [part.id for part in parts]
        self.note("recheck")
        return {part.id: Receipt(f"native-{part.id}") for part in parts if part.id in self.arrived}
