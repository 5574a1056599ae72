"""mIRC formatting codes to text with spans (modern.ircdocs.horse/formatting), and text to what may stand in a line."""

import re
from typing import Final

from bridge.model.message import Span, Style, Text

_STYLES: Final = {
    "\x02": Style.BOLD,
    "\x1d": Style.ITALIC,
    "\x1f": Style.UNDERLINE,
    "\x1e": Style.STRIKE,
    "\x11": Style.CODE,
}
_RESET: Final = "\x0f"
# Colour codes with their digits, reversal, and every other control character but the tab: none of them is text.
_TOKEN: Final = re.compile(
    r"\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?|[\x00-\x08\x0a-\x1f\x7f]"
)
_BREAKS: Final = re.compile(r"\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")


def from_irc(raw: str) -> Text:
    """The text without its codes, with spans for bold, italic, underline, strike and monospace. Colours are dropped.

    A style that is not closed ends with the line, as IRC clients show it.
    """
    if not _TOKEN.search(raw):
        return Text(raw)
    out: list[str] = []
    length = 0
    begun: dict[Style, int] = {}
    spans: list[Span] = []

    def close(style: Style) -> None:
        start = begun.pop(style)
        if length > start:
            spans.append(Span(start, length, style))

    position = 0
    for token in _TOKEN.finditer(raw):
        piece = raw[position : token.start()]
        out.append(piece)
        length += len(piece)
        position = token.end()
        if token[0] == _RESET:
            for style in list(begun):
                close(style)
        elif toggled := _STYLES.get(token[0]):
            if toggled in begun:
                close(toggled)
            else:
                begun[toggled] = length
    out.append(raw[position:])
    length += len(out[-1])
    for style in list(begun):
        close(style)
    return Text("".join(out), tuple(sorted(spans, key=lambda span: (span.start, -span.end, span.style))))


def to_irc(text: str) -> str:
    """The text as one line of plain IRC text: line breaks become spaces; what would be a formatting code, or begin a
    CTCP message, or is half a character, is left out. Never longer, in bytes, than the text."""
    return _CONTROLS.sub("", _BREAKS.sub(" ", text))
