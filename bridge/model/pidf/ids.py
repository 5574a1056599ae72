"""Ids of tuples: what any network calls a device, as an XML ID, and back.

An xs:ID starts with a letter and holds no spaces, colons and the like; RFC 8048 advises to set letters before an
XMPP resource. ``ID-`` comes first, then the text, each character but ASCII letters, digits, dot and hyphen as its
code point in hexadecimal between underscores: ``my phone`` becomes ``ID-my_20_phone``.
"""

import re

_PREFIX = "ID-"
_PLAIN = re.compile(r"[A-Za-z0-9.-]*")
_OTHER = re.compile(r"[^A-Za-z0-9.-]")
_WRITTEN = re.compile(r"_([0-9a-f]{1,6})_")
_NAME = re.compile(
    "[A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd]"
    "[-.0-9A-Z_a-z\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u1fff\u200c\u200d\u203f\u2040\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd]*"
)


def to_xml_id(text: str) -> str:
    """An XML ID that no other text has."""
    return _PREFIX + _OTHER.sub(lambda found: f"_{ord(found[0]):x}_", text)


def from_xml_id(name: str) -> str:
    """What `to_xml_id` made the ID of; an ID that it cannot have made stands for itself (as in RFC 3922's examples)."""
    if not name.startswith(_PREFIX):
        return name
    rest = name.removeprefix(_PREFIX)
    if _PLAIN.fullmatch(rest):
        return rest
    try:
        text = _WRITTEN.sub(lambda found: chr(int(found[1], 16)), rest)
    except (ValueError, OverflowError):
        return name
    return text if to_xml_id(text) == name else name


def is_xml_id(text: str) -> bool:
    """Whether a text may be an xs:ID (an NCName, as editions 1 to 5 of XML all take it)."""
    return _NAME.fullmatch(text) is not None
