"""Bytes of IRC text to Unicode. The protocol names no character encoding (modern.ircdocs.horse, "Character codecs")."""

import codecs

FALLBACK = "cp1252"
"""What text that is not UTF-8 is most often written in."""


def decode(data: bytes, fallback: str = FALLBACK) -> str:
    """UTF-8 if the bytes are valid UTF-8, else `fallback`; what cannot be read becomes U+FFFD.

    Bytes that are UTF-8 beyond ASCII up to where they go wrong are UTF-8 all the same: servers cut lines in the midst
    of a character. Never raises for a `fallback` that `known` accepts.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if not data[: error.start].isascii():
            return data.decode(errors="replace")
        return data.decode(fallback, "replace")


def known(name: str) -> bool:
    """Whether `name` is an encoding in which text can be read without ever failing."""
    try:
        codecs.lookup(name)
        bytes(range(256)).decode(name, "replace")
    except (LookupError, UnicodeError, ValueError):
        return False
    return True
