"""What a puppet is called in a room: a nick that the room will take, made of the person's name."""

import hashlib
import unicodedata
from collections.abc import Iterator

from adapters.xmpp import ids
from adapters.xmpp.sanitise import clean
from bridge.model.address import Person

NICK_CHARACTERS = 64
"""How long a nick we ask for is at most. Resources may have 1023 bytes (RFC 7622 section 3.4); no list shows those."""

_TRIES = 30
"""How many nicks are tried before a person gets no puppet."""


def prepared(text: str) -> str | None:
    """The nick as servers write it (resourceprep, RFC 3920 appendix B), None if it cannot be one."""
    try:
        nick = ids.jid(f"room@conference.invalid/{text}").resource if text else ""
    except ValueError:
        return None
    return str(nick) or None


def nick(name: str) -> str | None:
    """The name, as close as a nick can be to it; None if nothing of it can stand in one."""
    visible = "".join(char for char in clean(name) if unicodedata.category(char) not in ("Cc", "Cf", "Zl", "Zp"))
    text = " ".join(visible.split())[:NICK_CHARACTERS].strip()
    found = prepared(text)
    if found is None:
        # A character that the profile prohibits, or right-to-left and left-to-right mixed (RFC 3454 section 6).
        found = prepared("".join(char for char in text if prepared(char) is not None).strip())
    return found


def candidates(person: Person) -> Iterator[str]:
    """Distinct nicks for the person, best first; the same at every call."""
    address = person.address
    code = hashlib.sha256(str(address).encode(errors="replace")).hexdigest()[:8]
    bases = [found for text in (person.name, address.native.lstrip("@#!"), f"guest {code}") if (found := nick(text))]
    yield bases[0]
    # Text written from right to left takes no Latin mark (RFC 3454 section 6); then another base does.
    base = next(found for found in bases if _marked(found, address.network, 2))
    seen = {bases[0]}
    for number in range(1, _TRIES):
        found = _marked(base, address.network, number)
        if found is not None and found not in seen:
            seen.add(found)
            yield found


def _marked(base: str, network: str, number: int) -> str | None:
    """The base with the network's name, and with the number from the second on."""
    mark = f" ({network})" if number == 1 else f" ({network} {number})"
    return prepared(base[: NICK_CHARACTERS - len(f" ({network} {_TRIES})")].strip() + mark)
