"""What may stand in the stream: one function that cleans text, and one that has the last word on every stanza.

A character that XML 1.0 forbids, or a stanza beyond the server's limit, ends the component's stream for everybody
(seen with Prosody 0.12). So all text passes `clean` when a stanza is built, and every stanza passes `checked` when it
is written, whoever built it.
"""

import re

STANZA_BYTES = 384 * 1024
"""The largest stanza we send, in bytes. Prosody ends the stream at 512 KiB (``component_stanza_size_limit``)."""

REPLACEMENT = "\ufffd"

# XML 1.0 (fifth edition) section 2.2, production Char, negated. Lone surrogates are among what is left out.
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_FORBIDDEN_BYTES = bytes(set(range(0x20)) - {0x09, 0x0A, 0x0D})
_NONCHARACTERS = ("\ufffe".encode(), "\uffff".encode())


class Unsendable(ValueError):  # noqa: N818 - named for what is wrong with the stanza
    """The stanza may not be written. The text says why, for a person."""


class TooLarge(Unsendable):
    """The stanza is larger than the server takes."""


def clean(text: str) -> str:
    """The text as it can stand in XML: forbidden characters become U+FFFD, CR and CRLF become LF."""
    if "\r" in text:
        # A parser would do the same (XML 1.0 section 2.11); so what we say is what is heard.
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _FORBIDDEN.sub(REPLACEMENT, text)


def escape(text: str) -> str:
    """Clean text as character data."""
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def attribute(text: str) -> str:
    """Clean text as the value of an attribute, to stand between either kind of quotation mark."""
    text = escape(text).replace('"', "&quot;").replace("'", "&apos;")
    # Else the parser would make spaces of them (XML 1.0 section 3.3.3).
    return text.replace("\n", "&#10;").replace("\t", "&#9;")


def checked(stanza: str) -> bytes:
    """The bytes to write. Raises `Unsendable` for what would end the stream."""
    try:
        data = stanza.encode()
    except UnicodeEncodeError:
        raise Unsendable("the message holds half a character, which XML forbids") from None
    if len(data) > STANZA_BYTES:
        raise TooLarge(f"the message is too large: {len(data)} bytes, of which XMPP takes {STANZA_BYTES}")
    if len(data.translate(None, _FORBIDDEN_BYTES)) != len(data) or any(char in data for char in _NONCHARACTERS):
        raise Unsendable("the message holds a character that XML forbids")
    return data
