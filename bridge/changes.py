"""States as they take effect: each goes to the owner of that kind of state."""

import asyncio
from functools import partial

import structlog

from bridge.model.address import Address, Person, Place
from bridge.model.event import Cause, Joined, Left, PuppetGone, Renamed, Roster, State, TopicSet
from bridge.reconcile import Barred, Reconciler
from bridge.reports import Reports
from bridge.rosters import Rosters
from bridge.router import Router
from bridge.store import Store, states
from bridge.topics import Topics

log = structlog.get_logger(__name__)


class Changes:
    """Applies states, in the order in which the journal releases them."""

    def __init__(
        self,
        router: Router,
        rosters: Rosters,
        reconciler: Reconciler,
        topics: Topics,
        reports: Reports,
        store: Store,
    ) -> None:
        self._router = router
        self._rosters = rosters
        self._reconciler = reconciler
        self._topics = topics
        self._reports = reports
        self._store = store
        reconciler.on_refusal(self._barred_again)

    def apply(self, state: State) -> None:
        """Let the state take effect."""
        match state:
            case TopicSet():
                self._topics.apply(state)
            case PuppetGone():
                self._puppet_gone(state)
            case Roster(place=place):
                if self._rosters.apply(state):
                    self._reconciler.roster_changed(place)
            case Joined(place=place, person=person):
                changed = self._rosters.apply(state)
                if self._came_back(place, person.address) or changed:
                    self._reconciler.person_changed(place, person.address)
            case Renamed(place=place, person=person):
                if self._rosters.apply(state):
                    self._reconciler.person_changed(place, person.address)
            case Left(place=place, address=address):
                self._reconciler.went(place, address)
                if self._rosters.apply(state):
                    self._reconciler.person_changed(place, address)

    def _came_back(self, place: Place, address: Address) -> bool:
        """Whose puppet was removed elsewhere, and who left and came back, gets a new chance there."""
        ended = self._reconciler.came_back(place, address)
        for there in ended:
            note = partial(states.unbar, place=there, address=address)
            self._store.write(note).add_done_callback(_log_failure)
        return bool(ended)

    def _puppet_gone(self, gone: PuppetGone) -> None:
        before = self._reconciler.absent_with_cause(gone.place, gone.address)
        self._reconciler.gone(gone)
        log.info("puppet gone", place=str(gone.place), person=str(gone.address), cause=gone.cause.value)
        if gone.cause in (Cause.KICKED, Cause.BANNED):
            self._note_and_tell(gone, tell=before is None)

    def _barred_again(self, gone: PuppetGone) -> None:
        """They left and came back, and the network does not let them in: the earlier removal holds."""
        log.info("puppet still not let in", place=str(gone.place), person=str(gone.address), cause=gone.cause.value)
        self._note_and_tell(gone, tell=True)

    def _note_and_tell(self, gone: PuppetGone, *, tell: bool) -> None:
        self._store.write(partial(states.bar, gone=gone)).add_done_callback(_log_failure)
        room = self._router.room(gone.place)
        for member in room.members if tell and room else ():
            name = self._rosters.people(member.place).get(gone.address)
            if name is not None:
                self._reports.say(
                    member.place,
                    Person(gone.address, name),
                    f"In {gone.place.native} on {gone.place.network}, {Barred(gone)}. "
                    "What you say does not reach it until you leave here and come back.",
                )
                return


def _log_failure(done: asyncio.Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("an absence could not be noted", error=f"{type(error).__name__}: {error}")
