"""Native ids as we keep them: what a network calls something may be of any length, and an index is not."""

import hashlib
from typing import Final

LONGEST: Final = 2048
"""Bytes of an id that is kept as it is. An entry of PostgreSQL's index holds some 2,700; honest ids have a tenth."""

_BEGINNING: Final = 256


def bounded(native_id: str) -> str:
    """The id, or where it is too long, its beginning and its SHA-256: the same for the same id, another for another.

    What is bounded already stays as it is. NUL, which no database takes for text, becomes U+FFFD.
    """
    native_id = native_id.replace("\0", "\ufffd")
    if len(native_id) * 4 <= LONGEST or len(raw := native_id.encode(errors="surrogatepass")) <= LONGEST:
        return native_id
    return f"{native_id[:_BEGINNING]}...sha-256:{hashlib.sha256(raw).hexdigest()}"
