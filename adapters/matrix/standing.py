"""Whose stand-in somebody is, as gateways say it in the content of events, and who people are to other gateways. Pure.

A puppet's memberships and messages carry the identity of the person it stands for (`bridge.contract.Identifying`), the
membership of a bot that it is one. Anybody can write anything there: whoever claims to be a stand-in hides nobody but
themself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.matrix.ids import Namespace, is_user_id
from bridge.contract import IDENTITY_BYTES
from bridge.model.address import Address

STAMP: Final = "org.rialto.bridge"
"""The key in an event's content under which our own mark stands."""

_SCHEME: Final = "matrix:"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a membership says: whose stand-in the member is ("" for a person), and whether it is a gateway's bot."""

    stands_for: str = ""
    gateway: bool = False

    def content(self) -> dict[str, Any]:
        """What is added to the content of a membership; nothing where there is nothing to say."""
        if self.gateway:
            return {STAMP: {"gateway": True}}
        return {STAMP: stand_in(self.stands_for)} if usable(self.stands_for) else {}


PERSON: Final = Mark()
BOT: Final = Mark(gateway=True)


def usable(identity: object) -> str:
    """The value if it can be an identity, else ""."""
    if not isinstance(identity, str) or not identity.isprintable():
        return ""
    return identity if len(identity.encode("utf-8", "replace")) <= IDENTITY_BYTES else ""


def stand_in(identity: str) -> dict[str, Any]:
    """What is said under `STAMP` of a stand-in for the person of this identity."""
    return {"stands_for": identity} if usable(identity) else {}


def mark_of(content: Mapping[str, Any]) -> Mark:
    """What the content of an event says of its sender, or of the member it is about."""
    stamp = content.get(STAMP)
    if not isinstance(stamp, dict):
        return PERSON
    if stamp.get("gateway") is True:
        return BOT
    return Mark(usable(stamp.get("stands_for")))


def identity(user_id: str) -> str:
    """Who a user is to other gateways."""
    return _SCHEME + user_id


def native(network: str, text: str, ours: Namespace) -> Address | None:
    """The user who has this identity; None for an identity of elsewhere, for a malformed one and for our own users."""
    user_id = text.removeprefix(_SCHEME)
    if not text.startswith(_SCHEME) or not is_user_id(user_id) or ours.owns(user_id):
        return None
    return Address(network, user_id)


def is_ours(text: str, ours: Namespace) -> bool:
    """Whether another gateway means one of our own users by this identity."""
    return text.startswith(_SCHEME) and ours.owns(text.removeprefix(_SCHEME))
