"""Client-to-client messages inside PRIVMSG and NOTICE (Modern IRC's CTCP draft). Only ACTION carries what is said."""

from dataclasses import dataclass
from typing import Final

DELIMITER: Final = "\x01"
ANSWERED: Final = ("ACTION", "CLIENTINFO", "PING", "SOURCE", "TIME", "VERSION")
"""What CLIENTINFO names."""

_PING_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Ctcp:
    """A command in upper case and what follows it."""

    command: str
    text: str


def parse(text: str) -> Ctcp | None:
    """The CTCP message that the text is, with or without its closing delimiter; None for ordinary text."""
    if not text.startswith(DELIMITER):
        return None
    command, _, rest = text[1:].removesuffix(DELIMITER).partition(" ")
    return Ctcp(command.upper(), rest.replace(DELIMITER, ""))


def clean(text: str) -> str:
    """The text without any delimiter: it can neither become a CTCP message nor end one."""
    return text.replace(DELIMITER, "")


def build(command: str, text: str = "") -> str:
    """The text of a CTCP message."""
    return f"{DELIMITER}{command} {clean(text)}{DELIMITER}" if text else f"{DELIMITER}{command}{DELIMITER}"


def answer(query: Ctcp, *, version: str, source: str, time: str) -> str | None:
    """The text of the NOTICE that answers the query; None for what is not answered."""
    match query.command:
        case "VERSION":
            return build("VERSION", version)
        case "SOURCE":
            return build("SOURCE", source)
        case "TIME":
            return build("TIME", time)
        case "CLIENTINFO":
            return build("CLIENTINFO", " ".join(ANSWERED))
        case "PING" if query.text:
            return build("PING", query.text[:_PING_LIMIT])
    return None
