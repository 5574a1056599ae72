"""What gateways say on the wire of whom they speak for: whose stand-in somebody is, and how far it may go. Pure.

One element for all of it, ours alone, since no XEP has one: ``<stand-in xmlns="org.rialto.bridge:stand-in"/>``. In the
presence of a puppet in a room, and in what is said there for somebody, ``of`` is the identity of the person
(`bridge.contract.Identifying`); in the presence of a gateway's bot stands ``gateway="true"``. In any message ``hops``
is how many gateways it may still pass (RFC 3860 MaxForwards). Anybody can write anything there: whoever claims to be a
stand-in hides nobody but themself.
"""

import re
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from adapters.xmpp.sanitise import attribute
from bridge.contract import IDENTITY_BYTES
from bridge.model.event import HOPS

NAMESPACE: Final = "org.rialto.bridge:stand-in"
TAG: Final = f"{{{NAMESPACE}}}stand-in"

_IDENTITY = re.compile(r"[a-z][a-z0-9]{0,15}:\S+")
_HOPS = re.compile(r"-?[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Mark:
    """What is said of a sender or an occupant. `of` is an identity, empty for a person who speaks for themself;
    `gateway`: the bot of a gateway, who is nobody's member of a room; `hops` only where it is said of a message."""

    of: str = ""
    gateway: bool = False
    hops: int | None = None

    def element(self) -> str:
        """As it is written; nothing where there is nothing to say."""
        said = f' of="{attribute(of)}"' if (of := usable(self.of)) else ""
        if self.gateway:
            said += ' gateway="true"'
        if self.hops is not None:
            said += f' hops="{self.hops:d}"'
        return f'<stand-in xmlns="{NAMESPACE}"{said}/>' if said else ""


NOBODY: Final = Mark()
GATEWAY: Final = Mark(gateway=True)


def usable(identity: str | None) -> str:
    """The text if it can be an identity, else nothing: one that is too long is not said by half."""
    if identity is None or len(identity) > IDENTITY_BYTES or not identity.isprintable():
        return ""
    if not _IDENTITY.fullmatch(identity) or len(identity.encode(errors="replace")) > IDENTITY_BYTES:
        return ""
    return identity


def read(stanza: Element) -> Mark:
    """What a stanza says; of several elements the first counts."""
    found = stanza.find(TAG)
    return read_element(found) if found is not None else NOBODY


def read_element(element: Element) -> Mark:
    """What one element says. Never more hops than any message has to begin with, and never less than none."""
    hops = element.get("hops", "")
    left = max(0, min(HOPS, int(hops))) if _HOPS.fullmatch(hops) else None
    return Mark(usable(element.get("of")), element.get("gateway") in ("true", "1"), left)
