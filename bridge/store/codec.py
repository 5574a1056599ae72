"""What is said, as bytes that an operator can read as they lie: of events for the body table, of parts for the payload.

Content is the name of its kind and a JSON object; a payload is a JSON array.
"""

from pydantic import TypeAdapter, ValidationError

from bridge.model.message import Content, Gap, Kick, Message, MessageKind, Opaque, Reaction, Retraction, Text

_CODECS: dict[str, TypeAdapter[Content]] = {
    "message": TypeAdapter(Message),
    "reaction": TypeAdapter(Reaction),
    "retraction": TypeAdapter(Retraction),
    "kick": TypeAdapter(Kick),
    "opaque": TypeAdapter(Opaque),
    "gap": TypeAdapter(Gap),
}
_NAMES: dict[type[Content], str] = {
    Message: "message",
    Reaction: "reaction",
    Retraction: "retraction",
    Kick: "kick",
    Opaque: "opaque",
    Gap: "gap",
}
_PAYLOAD: TypeAdapter[tuple[MessageKind, bool, Text]] = TypeAdapter(tuple[MessageKind, bool, Text])


def encode(content: Content) -> bytes:
    """The content as the name of its kind, a space, and its fields as JSON."""
    name = _NAMES[type(content)]
    return name.encode() + b" " + _CODECS[name].dump_json(content, exclude_defaults=True)


def decode(data: bytes) -> Content:
    """What `encode` wrote. Raises `ValueError` for anything else."""
    name, _, fields = data.partition(b" ")
    codec = _CODECS.get(name.decode(errors="replace"))
    if codec is None:
        raise ValueError(f"no content is called {name[:20]!r}")
    try:
        return codec.validate_json(fields)
    except ValidationError as error:
        raise ValueError(f"not the content of an event: {error}") from error


def encode_payload(kind: MessageKind, by_bot: bool, text: Text) -> bytes:
    """What is sent as one part: how it is meant, whether the bot says it, and the text with its marks and language."""
    return _PAYLOAD.dump_json((kind, by_bot, text), exclude_defaults=True)


def decode_payload(data: bytes) -> tuple[MessageKind, bool, Text]:
    """What `encode_payload` wrote. Raises `ValueError` for anything else."""
    try:
        return _PAYLOAD.validate_json(data)
    except ValidationError as error:
        raise ValueError(f"not the payload of a part: {error}") from error
