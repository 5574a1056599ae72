"""Who says what a lane brings: the question that a lane asks before it speaks, in a room or to one person."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from bridge.contract import Adapter, Direct, SendError, Voice
from bridge.model.address import Address, Person, Place
from bridge.model.result import Failure, Reason
from bridge.permissions import NOT_WANTED

log = structlog.get_logger(__name__)

MEET_WITHIN = 30.0
"""Seconds an adapter may take to make ready for a private message: a room made, a connection opened."""


class Undeliverable(Exception):  # noqa: N818 - a state of affairs, told to the sender, not a fault
    """What somebody said will not be brought to the place; `failure` is for them."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class Speakers(Protocol):
    """Sees to it that whoever speaks can be heard in a place."""

    async def ensure(self, place: Place, person: Person) -> Voice:
        """Have the person's puppet ready to speak; otherwise the bot is to speak. The wait is bounded.

        Raises `Undeliverable`, and `SendError` where it may succeed later.
        """

    def check(self, place: Place, address: Address) -> None:
        """Raises `Undeliverable` if the person may not be heard there any more. Does not wait."""

    def drained(self, place: Place, address: Address) -> None:
        """No delivery of the person to the place waits any more."""

    def refresh(self, place: Place) -> None:
        """It is known again whose deliveries wait for the place."""


class Meetings:
    """Who speaks to one person: places of `PlaceKind.USER`. No state: adapters keep what they made."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        denies: Callable[[Address], bool],
        delivers: Callable[[Address, Address], bool],
    ) -> None:
        self._adapters = adapters
        self._denies = denies
        self._delivers = delivers

    async def ensure(self, place: Place, person: Person) -> Voice:
        """See `Speakers.ensure`."""
        self.check(place, person.address)
        adapter = self._adapters[place.network]
        if not isinstance(adapter, Direct):
            text = f"nobody on {place.network} can be written to in private"
            raise Undeliverable(Failure(Reason.FEATURE_NOT_IMPLEMENTED, text))
        try:
            async with asyncio.timeout(MEET_WITHIN):
                return await adapter.meet(place, person)
        except TimeoutError:
            text = f"{place.network} takes long to make it ready"
            raise SendError.passing(Reason.REMOTE_SERVER_TIMEOUT, text) from None
        except SendError as error:
            if error.temporary:
                raise
            raise Undeliverable(error.failure) from error

    def check(self, place: Place, address: Address) -> None:
        """See `Speakers.check`. The rules held when the message was taken in, and may be others since."""
        to = Address(place.network, place.native)
        if not self._delivers(to, address):
            raise Undeliverable(NOT_WANTED)
        if self._denies(address) or self._denies(to):
            raise Undeliverable(Failure(Reason.FORBIDDEN, "the rules of the bridge do not let it pass"))

    def drained(self, place: Place, address: Address) -> None:
        """See `Speakers.drained`. Nothing was put off."""

    def refresh(self, place: Place) -> None:
        """See `Speakers.refresh`. Nothing was put off."""
