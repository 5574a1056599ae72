"""Wanted state against actual state: which puppets should be in a place, and which are.

What should be follows from the rosters of a room's other places; what is, adapters tell. The difference is walked at
the pace that each network bears, by a few workers per network, each of which looks at one puppet in one place at a
time and asks anew what is wanted: a netsplit, a restart and a single join are the same thing.

Rules that hold throughout:

1. State never overtakes what was said. A puppet is made present and named before a lane lets it speak (`ensure`), and
   it does not leave and is not renamed while deliveries of its own wait for that place.
2. An absence with a cause (a kick, a ban) is not undone. It ends when the person was seen to leave at home and to come
   back: then one join is tried, and while that has not succeeded nobody speaks for them there, the bot included. If the
   network refuses it (a ban still stands), the absence holds as before, until they leave and come back again.
3. Nobody is taken out because we do not know: while the roster of a place is unknown, its people's puppets stay.
4. Whoever cannot come holds up nobody: after one wait, or one failure, the bot speaks for them at once, and their
   puppet is tried again in the background, at growing intervals.
5. What was begun before a connection broke says nothing of the next one.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import structlog

from bridge.contract import Adapter, Keeping, NoPuppetError, Puppeteer, SendError, Voice
from bridge.crew import Crew
from bridge.model.address import Address, Person, Place
from bridge.model.event import Cause, PuppetGone
from bridge.model.result import Failure, Reason
from bridge.puppet import Actual, Puppet
from bridge.rosters import Rosters
from bridge.router import Router
from bridge.speakers import Undeliverable

log = structlog.get_logger(__name__)

PATIENCE = 10.0
"""Seconds a lane waits for a puppet to come; then the bot speaks for it, marked."""

JOIN_TIMEOUT = 60.0
"""Seconds a join, a leave or a rename may take before it counts as failed."""

RETRY = (2.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds between attempts at a puppet that could not come, the last one for ever."""

LASTING = 60.0
"""Seconds a puppet must have been there for its loss to be an accident; lost sooner a second time, it must wait."""


Pair = tuple[Place, Address]


class Barred(Undeliverable):
    """Somebody removed the person's puppet from the place; nothing of theirs is brought there."""

    def __init__(self, gone: PuppetGone) -> None:
        words = "banned" if gone.cause is Cause.BANNED else "removed"
        by = f" by {gone.by}" if gone.by else ""
        reason = f": {gone.reason}" if gone.reason else ""
        super().__init__(Failure(Reason.FORBIDDEN, f"you were {words} there{by}{reason}"))


class Reconciler:
    """Owns what is known of puppets. All methods are called on the event loop."""

    def __init__(
        self,
        router: Router,
        rosters: Rosters,
        adapters: Mapping[str, Adapter],
        busy: Callable[[Place, Address], bool],
        barred: Iterable[PuppetGone] = (),
        is_double: Callable[[Place, Address], bool] = lambda place, address: False,
    ) -> None:
        """`busy`: do deliveries of that person to that place wait? `barred`: absences kept by the store. `is_double`:
        is who is in that place another gateway's puppet of somebody who is in the room anyway?"""
        self._is_double = is_double
        self._router = router
        self._rosters = rosters
        self._adapters = adapters
        self._busy = busy
        self._puppets: dict[Place, dict[Address, Puppet]] = {}
        self._barred: dict[Pair, PuppetGone] = {(gone.place, gone.address): gone for gone in barred}
        self._went: set[Pair] = set()  # barred, and seen to leave at home since
        self._trial: dict[Pair, PuppetGone] = {}  # barred once; whether the network lets them in again is not known yet
        self._refused: Callable[[PuppetGone], None] | None = None
        self._epochs: Counter[str] = Counter()  # per network, how often it has gone offline
        self._crews = {
            name: Crew(name, adapter.joins_in_flight, self._settle)
            for name, adapter in adapters.items()
            if isinstance(adapter, Puppeteer)
        }

    # Life

    def start(self) -> None:
        """Start the workers. They rest until their network is online."""
        for crew in self._crews.values():
            crew.start()

    def on_refusal(self, refused: Callable[[PuppetGone], None]) -> None:
        """`refused` is called with an absence that had ended and holds again: the network did not let them in."""
        self._refused = refused

    async def stop(self) -> None:
        """Stop the workers, leaving puppets as they are."""
        for crew in self._crews.values():
            await crew.stop()
        for puppets in self._puppets.values():
            for puppet in puppets.values():
                puppet.do_not_retry()

    def online(self, network: str, present: Mapping[Place, Iterable[Person]] | None = None) -> None:
        """The network can be spoken to. `present`: all puppets that are in its places already, where that is known."""
        for place, people in (present or {}).items():
            self._take_stock(place, people)
        for _, puppet in self._puppets_on(network):
            puppet.failures, puppet.late = 0, False
            puppet.do_not_retry()
        if network in self._crews:
            self._crews[network].resume()
        for member in self._router.members(network):
            self.refresh(member.place)

    def present(self, place: Place, people: Iterable[Person]) -> None:
        """These puppets are in the place and no others, as its network tells after it came online."""
        self._take_stock(place, people)
        self.refresh(place)

    def offline(self, network: str, *, keeping: bool) -> None:
        """The network cannot be spoken to. Without `keeping`, all puppets there are gone with the connection."""
        self._epochs[network] += 1
        if network in self._crews:
            self._crews[network].pause()
        if keeping:
            return
        for _, puppet in self._puppets_on(network):
            puppet.actual = Actual.ABSENT

    # What should be

    def roster_changed(self, place: Place) -> None:
        """The roster of the place was told anew: puppets in the room's other places follow."""
        room = self._router.room(place)
        for member in room.members if room else ():
            self.refresh(member.place)

    def person_changed(self, place: Place, address: Address) -> None:
        """One person came to the place, left it, or is called otherwise there."""
        room = self._router.room(place)
        for member in room.members if room else ():
            # Whoever stands for this person elsewhere in the room is looked at anew with them.
            for each in (address, *self._rosters.claims(member.place)):
                for there in room.members if room else ():
                    puppet = self._puppets.get(there.place, {}).get(each)
                    if self._differs(there.place, each, puppet):
                        self._queue(there.place, each)

    def refresh(self, place: Place) -> None:
        """Look at every difference between wanted and actual in the place, also at those that were put off."""
        there = self._puppets.get(place, {})
        for address in dict.fromkeys((*self._candidates(place), *there)):
            puppet = there.get(address)
            if puppet is not None and not puppet.waiters and not self._busy(place, address):
                puppet.speaks_as = None
            if self._differs(place, address, puppet):
                self._queue(place, address)

    def went(self, place: Place, address: Address) -> None:
        """The person was seen to leave their own place: if they come back, earlier removals of their puppets end."""
        room = self._router.room(place)
        for member in room.members if room else ():
            if (member.place, address) in self._barred:
                self._went.add((member.place, address))

    def came_back(self, place: Place, address: Address) -> list[Place]:
        """The person is in their own place. Where their puppet was removed from and gets a new chance, as they left.

        Becoming known is not coming back: after a restart everybody becomes known.
        """
        room = self._router.room(place)
        ended = [member.place for member in room.members if (member.place, address) in self._went] if room else []
        for there in ended:
            self._went.discard((there, address))
            self._trial[there, address] = self._barred.pop((there, address))
            puppet = self._puppets.get(there, {}).get(address)
            if puppet is not None:
                puppet.do_not_retry()
        return ended

    def drained(self, place: Place, address: Address) -> None:
        """No delivery of the person to the place waits any more: what was put off can be done now."""
        puppet = self._puppets.get(place, {}).get(address)
        if puppet is None:
            return
        if not puppet.waiters:
            puppet.speaks_as = None
        if self._differs(place, address, puppet):
            self._queue(place, address)

    # What is

    def gone(self, gone: PuppetGone) -> None:
        """An adapter tells that a puppet is in a place no more."""
        pair = (gone.place, gone.address)
        puppet = self._puppet(*pair)
        was, puppet.actual = puppet.actual, Actual.ABSENT
        if gone.cause in (Cause.KICKED, Cause.BANNED):
            self._bar(gone)
            puppet.release()
        elif was is Actual.PRESENT:
            if asyncio.get_running_loop().time() - puppet.since >= LASTING:
                puppet.failures = 0
            elif puppet.failures == 0:
                puppet.failures = 1
            else:
                # Let in and put out again and again: to insist at once would only make it worse.
                self._retry_later(*pair, puppet, "lost soon after it came")
                puppet.release()
                return
        self._queue(*pair)

    def absent_with_cause(self, place: Place, address: Address) -> PuppetGone | None:
        """How the person's puppet was removed from the place, if somebody did that."""
        return self._barred.get((place, address))

    def tracked(self, place: Place) -> int:
        """How many puppets of the place are kept in mind, present or not."""
        return len(self._puppets.get(place, {}))

    # For lanes (`bridge.speakers.Speakers`)

    def check(self, place: Place, address: Address) -> None:
        """Raises `Barred` if somebody removed the person's puppet from the place."""
        gone = self._barred.get((place, address))
        if gone is not None:
            raise Barred(gone)

    async def ensure(self, place: Place, person: Person) -> Voice:
        """Have the person's puppet present and named, to speak; otherwise the bot is to speak. Bounded wait.

        Raises `Barred`.
        """
        self.check(place, person.address)
        member = self._router.member(place)
        crew = self._crews.get(place.network)
        if crew is None or member is None or not member.puppets:
            return Voice.BOT
        puppet = self._puppet(place, person.address)
        if puppet.there == person.name:
            return Voice.PUPPET
        puppet.speaks_as = person.name
        crew.add(place, person.address, urgent=True)
        if puppet.late:
            return self._voice(place, person.address, puppet)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        puppet.waiters.append(waiter)
        try:
            async with asyncio.timeout(PATIENCE):
                await waiter
        except TimeoutError:
            puppet.late = puppet.there != person.name
            log.warning("puppet not there in time; lines do not wait for it", place=str(place), person=str(person))
        finally:
            if waiter in puppet.waiters:
                puppet.waiters.remove(waiter)
        return self._voice(place, person.address, puppet)

    def _voice(self, place: Place, address: Address, puppet: Puppet) -> Voice:
        """Who speaks now. A puppet that could not be renamed in time speaks under the name it has. Raises `Barred`."""
        self.check(place, address)
        if puppet.actual is Actual.PRESENT:
            return Voice.PUPPET
        gone = self._trial.get((place, address))
        if gone is not None:
            raise Barred(gone)
        return Voice.BOT

    # The work

    async def _settle(self, place: Place, address: Address) -> None:
        """One puppet in one place: do what the difference asks for now."""
        puppet = self._puppet(place, address)
        busy = self._busy(place, address)
        if not busy and not puppet.waiters:
            puppet.speaks_as = None
        name = self._wanted_name(place, address)
        if puppet.speaks_as is not None and (place, address) not in self._barred:
            name = puppet.speaks_as
        if puppet.retry is None or name != puppet.tried:
            puppet.do_not_retry()
            await self._attempt(place, address, puppet, name, busy=busy)
        self._look_again(place, address, puppet)

    async def _attempt(self, place: Place, address: Address, puppet: Puppet, name: str | None, *, busy: bool) -> None:
        adapter = self._adapters[place.network]
        assert isinstance(adapter, Puppeteer)  # noqa: S101 - only such adapters have crews
        epoch = self._epochs[place.network]
        puppet.tried = name
        try:
            async with asyncio.timeout(JOIN_TIMEOUT):
                if name is None:
                    if puppet.actual is Actual.PRESENT and not busy:
                        await self._leave(adapter, place, address, puppet)
                elif puppet.actual is not Actual.PRESENT:
                    await adapter.join(place, Person(address, name))
                    if epoch == self._epochs[place.network] or isinstance(adapter, Keeping):
                        puppet.came(name, asyncio.get_running_loop().time())
                        self._trial.pop((place, address), None)
                elif puppet.name != name and (puppet.speaks_as is not None or not busy):
                    await adapter.rename(place, Person(address, name))
                    puppet.name, puppet.late, puppet.failures = name, False, 0
        except Exception as error:
            if not isinstance(error, (NoPuppetError, SendError, TimeoutError)):
                # An adapter's fault with one puppet is logged whole; for the others it is a failure like any.
                log.exception("an adapter failed", place=str(place), person=str(address))
            if epoch == self._epochs[place.network]:
                self._failed(place, address, puppet, error)

    def _look_again(self, place: Place, address: Address, puppet: Puppet) -> None:
        """What is wanted may have changed while we were at it; what is over is forgotten."""
        awaited = puppet.waiters and puppet.speaks_as is not None and (place, address) not in self._barred
        if awaited and puppet.actual is Actual.ABSENT and not puppet.late and puppet.retry is None:
            # A lane began to wait for it while it was leaving, or the connection broke meanwhile.
            self._queue(place, address, urgent=True)
            return
        puppet.release()
        if self._busy(place, address):
            return
        if puppet.actual is Actual.ABSENT and self._wanted_name(place, address) is None:
            puppet.do_not_retry()
            self._puppets[place].pop(address, None)
        elif puppet.retry is None and self._differs(place, address, puppet):
            self._queue(place, address)

    @staticmethod
    async def _leave(adapter: Puppeteer, place: Place, address: Address, puppet: Puppet) -> None:
        puppet.actual = Actual.LEAVING
        left = False
        try:
            await adapter.leave(place, address, None)
            left = True
        finally:
            # If it failed, the puppet is there still and is asked to leave again later; unless it is known to be gone.
            if left:
                puppet.actual, puppet.failures = Actual.ABSENT, 0
            elif puppet.actual is Actual.LEAVING:
                puppet.actual = Actual.PRESENT

    def _failed(self, place: Place, address: Address, puppet: Puppet, error: Exception) -> None:
        pair = (place, address)
        if pair in self._barred:
            return
        final = isinstance(error, NoPuppetError) or (isinstance(error, SendError) and not error.temporary)
        if final and pair in self._trial and puppet.actual is not Actual.PRESENT:
            gone = self._trial[pair]
            self._bar(gone)
            if self._refused is not None:
                self._refused(gone)
            return
        at_least = error.retry_after if isinstance(error, SendError) else None
        why = str(error) or ("timed out" if isinstance(error, TimeoutError) else type(error).__name__)
        self._retry_later(place, address, puppet, why, at_least or 0.0)

    def _retry_later(self, place: Place, address: Address, puppet: Puppet, why: str, at_least: float = 0.0) -> None:
        pause = max(RETRY[min(puppet.failures, len(RETRY) - 1)], at_least)
        puppet.failures += 1
        puppet.late = True
        log.warning("no puppet", place=str(place), person=str(address), error=why, retry_in=pause)
        puppet.do_not_retry()
        puppet.retry = asyncio.get_running_loop().call_later(pause, self._again, place, address, puppet)

    def _again(self, place: Place, address: Address, puppet: Puppet) -> None:
        puppet.retry = None
        self._queue(place, address)

    # Helpers

    def _bar(self, gone: PuppetGone) -> None:
        pair = (gone.place, gone.address)
        self._barred[pair] = gone
        self._trial.pop(pair, None)
        self._went.discard(pair)

    def _take_stock(self, place: Place, people: Iterable[Person]) -> None:
        names = {person.address: person.name for person in people}
        for address, name in names.items():
            puppet = self._puppet(place, address)
            if puppet.actual is not Actual.LEAVING:
                puppet.came(name)
        for address, puppet in self._puppets.get(place, {}).items():
            if address not in names:
                puppet.actual = Actual.ABSENT

    def _queue(self, place: Place, address: Address, *, urgent: bool = False) -> None:
        crew = self._crews.get(place.network)
        if crew is not None:
            crew.add(place, address, urgent=urgent)

    def _puppet(self, place: Place, address: Address) -> Puppet:
        return self._puppets.setdefault(place, {}).setdefault(address, Puppet())

    def _puppets_on(self, network: str) -> Iterable[tuple[Address, Puppet]]:
        for place, puppets in self._puppets.items():
            if place.network == network:
                yield from puppets.items()

    def _differs(self, place: Place, address: Address, puppet: Puppet | None) -> bool:
        """Is there anything to do? What is neither there nor wanted is to be forgotten."""
        wanted = self._wanted_name(place, address)
        if puppet is None:
            return wanted is not None
        return wanted != puppet.there or (wanted is None and puppet.actual is Actual.ABSENT)

    def _candidates(self, place: Place) -> Iterable[Address]:
        """Who may be wanted in the place, besides those whose puppets are there."""
        room = self._router.room(place)
        for member in room.members if room else ():
            if member.place != place:
                yield from self._rosters.people(member.place)

    def _wanted_name(self, place: Place, address: Address) -> str | None:
        """By what name the person's puppet should be in the place, None if it should not.

        Who is in several places of the room goes by the name they have in the first of them, in the configured order.
        """
        room, member = self._router.room(place), self._router.member(place)
        if room is None or member is None or not member.hears or not member.puppets:
            return None
        if (place, address) in self._barred or address in self._rosters.people(place):
            return None
        if not self._router.welcome(address):
            return None
        others = [other.place for other in room.members if other.place != place and other.speaks]
        for other in others:
            name = self._rosters.people(other).get(address)
            if name is not None and not self._is_double(other, address):
                return name
        # Rule 3: of a place we know nothing of, those who are there may still be there.
        if any(address.network == other.network and not self._rosters.known(other) for other in others):
            puppet = self._puppets.get(place, {}).get(address)
            return puppet.there if puppet is not None else None
        return None
