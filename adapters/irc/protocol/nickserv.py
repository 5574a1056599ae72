"""Nickname services, for networks without SASL: what is said to them, and what their answers mean. Pure.

No standard says how they talk. Atheme, Anope and their kin agree on the commands; their answers are read by the words
that all of them use, and one that is not understood is waited out.
"""

import re
from dataclasses import dataclass, field
from typing import Final

_YES: Final = re.compile(
    r"\b(?:now|are|already) (?:identified|logged in|recogni[sz]ed)\b|\bpassword accepted\b", re.IGNORECASE
)
_NO: Final = re.compile(
    r"\b(?:invalid|incorrect|wrong|bad) password|password (?:is )?(?:incorrect|invalid)|authentication failed"
    r"|(?:not|isn't) (?:a )?registered|\baccess denied\b|\bfrozen\b|\bsuspended\b|\bunknown command\b"
    r"|\binsufficient parameters\b",
    re.IGNORECASE,
)
_FORMATTING: Final = re.compile(r"\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?|[\x02\x0f\x11\x16\x1d-\x1f]")


@dataclass(frozen=True, slots=True)
class NickServLogin:
    """An account with the network's services. `service` is whom to write to: ``NickServ``, or safer
    ``NickServ@services.example.org``, which servers give to nobody but the services. Without `user`, the account is
    that of the nick itself."""

    password: str = field(repr=False)
    user: str = ""
    service: str = "NickServ"

    @property
    def nick(self) -> str:
        """Whom the answers come from."""
        return self.service.partition("@")[0]

    def identify(self) -> str:
        """What logs us in."""
        return " ".join(filter(None, ("IDENTIFY", self.user, self.password)))

    def ghost(self, nick: str) -> str:
        """What has whoever bears our nick disconnected: GHOST, which Atheme and Anope (by an alias) know."""
        return f"GHOST {nick} {self.password}"


def verdict(text: str) -> bool | None:
    """Whether an answer to IDENTIFY says that we are logged in, or that we are not; None where it says neither."""
    plain = _FORMATTING.sub("", text)
    if _YES.search(plain):
        return True
    return False if _NO.search(plain) else None
