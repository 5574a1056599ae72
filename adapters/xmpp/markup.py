"""Bodies: from the text of a message and what surrounds it to the model's rich text.

XMPP bodies are plain text. What is told beside them is read here: the language, that a range only quotes what is
replied to (XEP-0428), that the body only repeats the address of a file (XEP-0066).
"""

from collections.abc import Container
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

from bridge.model.message import Media, MediaKind, Span, Style, Text

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_REPLY = "urn:xmpp:reply:0"
_FALLBACK = "{urn:xmpp:fallback:0}fallback"
_FALLBACK_BODY = "{urn:xmpp:fallback:0}body"
_FILE = "{urn:xmpp:file:metadata:0}"

_KINDS = {
    MediaKind.IMAGE: ("jpg", "jpeg", "png", "gif", "webp", "avif", "svg", "heic"),
    MediaKind.AUDIO: ("mp3", "ogg", "oga", "opus", "m4a", "flac", "wav", "aac"),
    MediaKind.VIDEO: ("mp4", "webm", "mkv", "mov", "ogv"),
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes}


def text_of(stanza: Element, name: str) -> Text | None:
    """The body or subject, in the stanza's own language if it comes in several; None if it has none."""
    own = stanza.get(_XML_LANG)
    found: Element | None = None
    for child in stanza:
        if child.tag.rpartition("}")[2] != name or child.tag.partition("}")[0] != stanza.tag.partition("}")[0]:
            continue
        if child.get(_XML_LANG) in (None, own):
            found = child
            break
        found = child if found is None else found
    if found is None:
        return None
    return Text(found.text or "", language=found.get(_XML_LANG) or own)


def _offset(value: str | None, otherwise: int, length: int) -> int:
    # Offsets count characters (XEP-0428 section 3); anything that is no such number stands for what is left out.
    if value is None or not value.isascii() or not value.isdigit() or len(value) > 9:
        return otherwise
    return min(int(value), length)


def fallbacks(stanza: Element, purposes: Container[str | None], length: int) -> list[tuple[int, int]]:
    """The ranges of the body that stand in for what some clients cannot show, for any of the purposes."""
    ranges = []
    for child in stanza.iter(_FALLBACK):
        if child.get("for") not in purposes:
            continue
        bodies = child.findall(_FALLBACK_BODY)
        if not bodies:
            ranges.append((0, length))
        for body in bodies:
            start, end = _offset(body.get("start"), 0, length), _offset(body.get("end"), length, length)
            if start < end:
                ranges.append((start, end))
    return ranges


def quoted(stanza: Element, body: Text) -> Text:
    """The body with what it quotes of the message it replies to (XEP-0461) marked as quote."""
    length = len(body.text)
    spans = tuple(Span(start, end, Style.QUOTE) for start, end in fallbacks(stanza, (_REPLY,), length))
    return Text(body.text, body.spans + spans, body.language) if spans else body


def cut(body: Text, count: int) -> Text:
    """The text without its first `count` characters, its spans moved along."""
    spans = tuple(
        Span(max(span.start - count, 0), span.end - count, span.style, span.value)
        for span in body.spans
        if span.end > count
    )
    return Text(body.text[count:], spans, body.language)


def _kind(name: str, mime: str | None) -> MediaKind:
    major = (mime or "").partition("/")[0]
    if major in ("image", "audio", "video"):
        return MediaKind(major)
    return _BY_SUFFIX.get(name.rpartition(".")[2].lower(), MediaKind.FILE)


def _name(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        path = ""
    return unquote(path.rstrip("/").rpartition("/")[2]) or "file"


def media_at(url: str) -> Media:
    """What is known of a file by its address alone (XEP-0066)."""
    name = _name(url)
    return Media(_kind(name, None), name, url)


def shared(element: Element, *, sticker: bool) -> Media:
    """A shared file (XEP-0447), or a sticker (XEP-0449)."""
    url = next((found.get("target") for found in element.iter("{http://jabber.org/protocol/url-data}url-data")), None)
    facts = {child.tag.removeprefix(_FILE): (child.text or "").strip() for child in element.iter() if child.text}
    size = facts.get("size", "")
    mime = facts.get("media-type") or None
    name = facts.get("name") or facts.get("desc") or (_name(url) if url else "file")
    return Media(
        MediaKind.STICKER if sticker else _kind(name, mime),
        name,
        url,
        mime,
        int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None,
    )
