"""Messages in messages: what RFC 3862 has a gateway do that wishes to add something (section 2)."""

from collections.abc import Iterator

from bridge.model.cpim.reader import loads
from bridge.model.cpim.values import MEDIA_TYPE, Content, CpimError, CpimMessage
from bridge.model.cpim.writer import dumps

DEPTH = 32
"""How many messages may stand in one another."""


def enclose(message: CpimMessage) -> Content:
    """The content of another message around this one, which stays as it is."""
    return Content(dumps(message), MEDIA_TYPE, ())


def layers(message: CpimMessage, strict: bool = True, depth: int = DEPTH) -> Iterator[CpimMessage]:
    """The message, what it encloses, and so on to the innermost. Raises `CpimError` beyond `depth` messages."""
    yield message
    for _ in range(depth - 1):
        if message.content.type != MEDIA_TYPE:
            return
        message = loads(message.content.decoded(), strict)
        yield message
    if message.content.type == MEDIA_TYPE:
        raise CpimError(f"more than {depth} messages stand in one another", "content")
