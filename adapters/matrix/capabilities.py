"""What a Matrix room can express through this adapter."""

from bridge.capabilities import Capabilities, Ordering

PART_BYTES = 30_000
"""Bytes of text in one event. An event holds 65,536 bytes of JSON, in which a quotation mark, a backslash or a line
feed takes two; the rest is for the envelope that the homeserver adds."""

ROOM = Capabilities(part_bytes=PART_BYTES, lines=True, ordering=Ordering.SERIAL)
"""Requests and answers, one after another in a room: the homeserver orders events as they arrive."""
