"""The words depend on whose voice it is: what was begun by one voice and is to be ended by the other."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bridge.attempt import Attempt
from bridge.contract import Voice
from bridge.delivery import State
from bridge.model.event import Event
from bridge.model.message import Message, Text
from bridge.model.result import Receipt
from bridge.outcomes import Outcomes
from bridge.store import Store, deliveries
from bridge.store.deliveries import Piece

Reduce = Callable[[Event, int], list[Piece]]
"""Makes the pieces of an event for the new voice, counted from the number given."""


async def reword(
    attempt: Attempt, voice: Voice, pieces: list[Piece], reduce: Reduce, store: Store, outcomes: Outcomes, now: float
) -> None:
    """Have the attempt said by `voice`, in `pieces` if nothing of it has arrived. What has keeps its place in the
    count. `now` is in seconds since the epoch. Returns when what is going to be sent is noted durably."""
    each = attempt.delivery
    if not attempt.outcome:
        await store.write(partial(deliveries.restart, each=each, pieces=pieces, now=now))
        attempt.pieces, attempt.voice = pieces, voice
        attempt.handed.clear()
    elif voice is Voice.BOT:
        # The puppet said the beginning and is gone: the bot says the rest, in its name.
        rest = "\n".join(piece.text.text for piece in attempt.open)
        event = replace(each.event, content=Message(Text(rest), attempt.open[0].kind))
        more = reduce(event, len(attempt.pieces))
        await store.write(partial(deliveries.begin, each=each, pieces=more, now=now))
        for piece in attempt.open:
            attempt.outcome[piece.index] = State.FAILED
            failed = partial(deliveries.confirm, each=each, index=piece.index, receipt=Receipt(), state=State.FAILED)
            outcomes.note(failed)
        attempt.pieces, attempt.voice = [*attempt.pieces, *more], voice
    # Else the bot began, and goes on: it can always speak, and its words carry the name already.
