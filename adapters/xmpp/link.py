"""What a room needs of the adapter it belongs to."""

from collections.abc import Container
from typing import Protocol

from bridge.model.address import Address
from bridge.model.event import Event, State
from bridge.model.presence import Tuple
from bridge.model.result import Receipt


class Link(Protocol):
    """What a room needs of the rest of the adapter. Nothing of it blocks."""

    def write(self, stanza: str) -> None:
        """Give a stanza to the stream. Raises `SendError`."""

    def emit(self, *items: Event | State) -> None:
        """Report to the core, in this order."""

    def ignored(self, what: str, native_id: str = "") -> None:
        """As `bridge.contract.Core.ignored`."""

    def reached(self, room: str, line: str) -> None:
        """So far the room was heard: all up to the line of that id, as the room itself calls it. To be remembered with
        what was reported before. Empty: the room gives no ids that could be believed."""

    def confirmed(self, part_id: str, receipt: Receipt) -> None:
        """As `bridge.contract.Core.confirmed`."""


class Sight(Protocol):
    """Who is told what the people in rooms show. Nothing of it blocks."""

    def seen(self, room: str, nick: str, address: Address, shown: Tuple) -> None:
        """Somebody is there, and shows this; said again at every change."""

    def gone(self, room: str, nick: str) -> None:
        """Nobody is there under that nick any more."""

    def renamed(self, room: str, nick: str, new: str) -> None:
        """Who was seen under that nick will be under the new one, and is seen so next."""

    def only(self, room: str, nicks: Container[str]) -> None:
        """Of those who were seen there, these alone are there still."""

    def cleared(self, room: str) -> None:
        """Nothing is known any more of who is there."""
