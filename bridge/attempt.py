"""One attempt after another at one delivery: its parts, and what became of each."""

import asyncio
from dataclasses import dataclass, field
from typing import Self

from bridge.contract import Part, SendError, Voice
from bridge.delivery import Delivery, State, minted_at, part_id
from bridge.model.result import Failure, Receipt, Status
from bridge.store.deliveries import Piece


@dataclass(slots=True, eq=False)
class Attempt:
    """A delivery that has been noted as being sent. Owned by its lane."""

    delivery: Delivery
    voice: Voice
    pieces: list[Piece]
    outcome: dict[int, State] = field(default_factory=dict)
    failure: Failure | None = None
    throttled: bool = False
    done: asyncio.Future[None] | None = None
    error: SendError | None = None
    """Why this attempt did not end well for the moment. Set at once, so that nothing newer is sent."""
    asked: bool = False
    """It was in doubt, and the network has been asked what arrived of it."""
    handed: set[int] = field(default_factory=set)
    """Parts that a connection was given, and that may so have arrived."""
    repeated: set[int] = field(default_factory=set)
    """Parts of these that are given to it once more."""

    @classmethod
    def resumed(cls, delivery: Delivery, pieces: list[Piece]) -> Self:
        """One that was under way when we ended: whatever of it is open may have arrived."""
        attempt = cls(delivery, Voice.BOT if pieces[0].by_bot else Voice.PUPPET, pieces)
        attempt.outcome = {piece.index: piece.state for piece in pieces if piece.state is not State.SENDING}
        attempt.handed = {piece.index for piece in attempt.open}
        return attempt

    @property
    def open(self) -> list[Piece]:
        """The parts whose outcome is not known."""
        return [piece for piece in self.pieces if piece.index not in self.outcome]

    def settle(self, index: int, receipt: Receipt, *, can_ask: bool) -> State:
        """Note the outcome of a part. Uncertain, if the network did not say, or nobody could ask before repeating, and
        nobody saw to it that it was not repeated."""
        perhaps_twice = index in self.repeated and not can_ask and not receipt.once
        unsure = receipt.status is not Status.SUCCESS or perhaps_twice
        self.outcome[index] = State.UNCERTAIN if unsure else State.CONFIRMED
        return self.outcome[index]

    def begin(self) -> None:
        """A new attempt starts."""
        self.error = None
        self.asked = False
        self.throttled = False
        self.repeated |= self.handed & {piece.index for piece in self.open}
        self.done = asyncio.get_running_loop().create_future()

    @property
    def state(self) -> State:
        """How the delivery as a whole has ended, once no part is open."""
        return State.UNCERTAIN if State.UNCERTAIN in self.outcome.values() else State.CONFIRMED

    def part(self, piece: Piece) -> Part:
        """What the adapter gets to send, with the same id at every attempt."""
        event, place = self.delivery.event, self.delivery.place
        return Part(
            id=part_id(event.id, place, piece.index),
            place=place,
            speaker=event.sender,
            voice=self.voice,
            kind=piece.kind,
            text=piece.text,
            when=event.when,
            source=event.origin.native_id,
            hops=event.hops,
            accepted=minted_at(event.id),
        )
