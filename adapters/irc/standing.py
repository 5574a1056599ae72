"""Whose stand-in a connection is, as gateways say it in real names, and who people are to other gateways. Pure.

IRC has no other field that everybody sees of a client. The real name of a puppet is the identity of its person and a
mark, that of a bot ends in another.
"""

import re
from typing import Final

from adapters.irc.protocol.casemap import Casemapping
from bridge.contract import IDENTITY_BYTES
from bridge.split import cut

_STAND_IN: Final = " (Rialto)"
_GATEWAY: Final = "Rialto gateway"
_IDENTITY = re.compile(r"[a-z][a-z0-9]{0,15}:\S+")


def puppet_name(identity: str, otherwise: str, most: int) -> str:
    """The real name of a puppet; `identity` is of the person it stands for.

    One that does not fit into `most` bytes, or is none, is not said by half: `otherwise`, cut.
    """
    marked = identity + _STAND_IN
    return marked if stands_for(marked) and len(marked.encode()) <= most else cut(otherwise, most)


def stands_for(realname: str | None) -> str:
    """Whose stand-in somebody with this real name is; empty for a person. Anybody can write anything there."""
    if realname is None or not realname.endswith(_STAND_IN):
        return ""
    identity = realname.removesuffix(_STAND_IN)
    return identity if _IDENTITY.fullmatch(identity) and len(identity.encode()) <= IDENTITY_BYTES else ""


def bot_name(realname: str) -> str:
    """The real name of our bot, with the words of the operator."""
    return realname if realname.endswith(_GATEWAY) else f"{realname} - {_GATEWAY}"


def is_gateway(realname: str | None) -> bool:
    """Whether somebody with this real name is the bot of a gateway, who is nobody's member of a room."""
    return realname is not None and realname.endswith(_GATEWAY)


def identity(network: str, nick: str) -> str:
    """Who a person is to other gateways: the network's own name (ISUPPORT NETWORK) and the folded nick."""
    return f"irc:{network}/{nick}"


def nick_of(text: str, network: str, casemapping: Casemapping) -> str | None:
    """The folded nick in an identity of this network; None for any other."""
    theirs, slash, nick = text.removeprefix("irc:").partition("/")
    if not text.startswith("irc:") or not slash or not nick or not network or theirs != network:
        return None
    return casemapping.fold(nick)
