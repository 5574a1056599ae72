"""What was kept as JSON: one object a line, for programs that want to count rather than to read."""

import json
from datetime import UTC, datetime

from bridge.store import codec
from bridge.store.archive import Kept


def line(kept: Kept) -> bytes:
    """One event. Times are RFC 3339 in UTC; people and places are NETWORK:ID; `content` is as the store has it."""
    kind, _, fields = codec.encode(kept.content).partition(b" ")
    found = {
        "id": kept.id,
        "when": datetime.fromtimestamp(kept.when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "room": kept.room,
        "place": f"{kept.network}:{kept.place}",
        "native_id": kept.native_id,
        "from": str(kept.sender),
        "name": kept.sender_name,
        "to": None if kept.recipient is None else str(kept.recipient),
        "what": kind.decode(),
        "content": json.loads(fields),
    }
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
