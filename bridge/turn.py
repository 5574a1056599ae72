"""Whose turn it is in a place where people write on connections of their own, which know nothing of each other."""

import asyncio
from collections.abc import Iterable

from bridge.attempt import Attempt
from bridge.capabilities import HAND_OVER, Capabilities, Ordering
from bridge.contract import Voice
from bridge.model.address import Address


async def turn(flight: Iterable[Attempt], capabilities: Capabilities, speaker: Address, voice: Voice) -> bool:
    """Wait until this speaker may write, by that voice, behind what is in `flight`, in the order it was begun.

    What goes out on another connection: let the previous line arrive first, within reason, unless it is throttled; and
    in any case if it is the same person's, for whom the other voice spoke. Returns whether there was anything to wait
    for.
    """
    if capabilities.ordering is not Ordering.SPEAKER:
        return False
    attempts = list(flight)
    own = [each for each in attempts if each.delivery.event.sender.address == speaker]
    others = [each for each in attempts if each not in own and not each.throttled]
    before = [each.done for each in own if each.voice is not voice and each.done is not None]
    if before:
        await asyncio.wait(before)
    waited = [each.done for each in others[-1:] if each.done is not None]
    if waited:
        await asyncio.wait(waited, timeout=HAND_OVER)
    return bool(before or waited)
