"""What of an event is really sent to a place: its content, brought to what the place can express.

Pure and deterministic. A `bridge.contract.Part` carries text so far, so that everything but text crosses as one
readable line, said by the puppet or the bot: an edit, a reaction, a retraction, a file. What is left out or changed is
told by the steps; nothing goes in silence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import assert_never

from bridge.capabilities import Capabilities
from bridge.contract import Voice
from bridge.model.address import Person
from bridge.model.event import Event
from bridge.model.message import (
    Gap,
    Kick,
    Location,
    Media,
    MediaKind,
    Message,
    MessageKind,
    Opaque,
    Reaction,
    Retraction,
    Style,
    Text,
)
from bridge.model.result import Failure, Reason
from bridge.split import SMALLEST, cut, first, ranges
from bridge.text import duration, excerpt, join, substitute


class Step(StrEnum):
    """One thing that was done to bring a message to a place. The values are stable: they label a metric."""

    CONTROL_REMOVED = "control-removed"
    STYLES_REMOVED = "styles-removed"
    LINK_SPELLED = "link-spelled"
    EDIT_AS_TEXT = "edit-as-text"
    REPLY_REMOVED = "reply-removed"
    SUBJECT_AS_LINE = "subject-as-line"
    REACTION_AS_LINE = "reaction-as-line"
    RETRACTION_AS_LINE = "retraction-as-line"
    MEDIA_AS_LINE = "media-as-line"
    LOCATION_AS_LINE = "location-as-line"
    OPAQUE_AS_LINE = "opaque-as-line"
    KICK_AS_ABSENCE = "kick-as-absence"
    EMOTE_AS_TEXT = "emote-as-text"
    NOTICE_AS_TEXT = "notice-as-text"
    LINES_SPLIT = "lines-split"
    LONG_SPLIT = "long-split"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class Downgraded:
    """The parts to send, in their order, and the steps taken, each once.

    No parts: there is nothing to be said, and all is well (a kick, which membership shows).
    """

    parts: tuple[tuple[MessageKind, Text], ...]
    steps: tuple[Step, ...] = ()


class Refused(ValueError):  # noqa: N818 - the answer to a request, named as the field names it
    """The event may not be sent to this place; `failure` is for its sender."""

    def __init__(self, reason: Reason, text: str) -> None:
        self.failure = Failure(reason, text)
        super().__init__(str(self.failure))


NAME_BYTES = 64
"""The most that a name may take of a part which the bot says."""

_FIELD_BYTES = 200  # of a file's name, a reaction, a reason
_COUNTED = 1000  # parts beyond which they are not counted any more, only refused
_SHIELD = "\u200b"

_LINE_END = re.compile("\r\n?|[\u2028\u2029]")
# C0 but tab and line feed, DEL, and lone surrogates, which JSON can bring and no wire can carry.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_NO_URL = re.compile("[\\s\x00-\x20\x7f\ud800-\udfff]+")
_SPACE = re.compile(r"\s+")
# What could make a name look like another, or like the end of the name: brackets, and marks of writing direction.
_NAME_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]"
)
_BRACKETS = str.maketrans("<>", "‹›")

_ARTICLES = {
    MediaKind.IMAGE: "an image",
    MediaKind.AUDIO: "an audio file",
    MediaKind.VIDEO: "a video",
    MediaKind.STICKER: "a sticker",
    MediaKind.FILE: "a file",
}

_Line = tuple[MessageKind, Text]


def downgrade(
    event: Event, voice: Voice, capabilities: Capabilities, where: str = "the other side", *, shield: bool = True
) -> Downgraded:
    """Bring what was said to one place.

    `where` is what a sender who is refused is told the place is called. With `shield`, a name that is part of a line
    has a zero-width space in it, so that its owner's client does not take it for being addressed. Raises `Refused`
    when the content has nothing to show, would take more than `max_parts` parts, or finds no room in a part.
    """
    steps: list[Step] = []
    lines = [(kind, _style(_clean(text, steps), capabilities, steps)) for kind, text in _lines(event, steps)]
    if not lines and Step.KICK_AS_ABSENCE in steps:
        return Downgraded((), tuple(steps))
    # Nobody said it: no name belongs before it.
    spoken_by = Voice.PUPPET if isinstance(event.content, Gap) else voice
    cast = _Cast(event.sender, spoken_by, capabilities, shield)
    limit = max(_COUNTED, capabilities.max_parts)
    parts = list(islice((part for kind, text in lines for part in cast.parts(kind, text, steps)), limit + 1))
    if not parts:
        raise Refused(Reason.BAD_REQUEST, f"there is nothing in this message that {where} could show")
    if len(parts) > capabilities.max_parts:
        count = f"more than {limit}" if len(parts) > limit else str(len(parts))
        raise Refused(
            Reason.POLICY_VIOLATION,
            f"this message would take {count} lines on {where}; at most {capabilities.max_parts} are sent",
        )
    return Downgraded(tuple(parts), tuple(dict.fromkeys(steps)))


def _lines(event: Event, steps: list[Step]) -> list[_Line]:
    """The content as things said and done. The words for what is done complete a sentence that begins with a name."""
    match event.content:
        case Message() as message:
            return _message(message, steps)
        case Reaction(key=key, withdrawn=withdrawn):
            steps.append(Step.REACTION_AS_LINE)
            return [_done(f"took back the reaction {_field(key)}" if withdrawn else f"reacted {_field(key)}")]
        case Retraction(reason=reason):
            steps.append(Step.RETRACTION_AS_LINE)
            return [_done(f"took back a message{_after(': ', reason)}")]
        case Kick():
            steps.append(Step.KICK_AS_ABSENCE)
            return []
        case Opaque(what=what, detail=detail):
            steps.append(Step.OPAQUE_AS_LINE)
            if detail.text.strip():
                return [(MessageKind.EMOTE, join([f"sent {_field(what)}: ", detail]))]
            return [_done(f"sent {_field(what)}, which cannot be shown here")]
        case Gap(since=since, until=until):
            where = f"{_field(event.place.native)} on {event.place.network}"
            return [(MessageKind.NOTICE, Text(f"(nothing was heard from {where} for {duration(until - since)})"))]
        case other:
            assert_never(other)


def _message(message: Message, steps: list[Step]) -> list[_Line]:
    lines: list[_Line] = []
    body = message.body
    for part in message.parts:
        match part:
            case Media():
                steps.append(Step.MEDIA_AS_LINE)
                lines.append(_done(_media(part)))
                if body.text.strip() in (part.name, part.url):
                    body = Text("")  # networks without captions repeat there what the line says already
            case Location():
                steps.append(Step.LOCATION_AS_LINE)
                lines.append(_done(f"shared a location: {_after('', part.label, ' ')}{_field(part.uri)}"))
                if body.text.strip() == part.uri:
                    body = Text("")
            case other:
                assert_never(other)
    said = [body] if body.text.strip() else []
    if message.subject is not None and message.subject.text.strip():
        steps.append(Step.SUBJECT_AS_LINE)
        if message.kind is MessageKind.EMOTE:
            lines.append((MessageKind.TEXT, message.subject))
        else:
            said.insert(0, message.subject)
    if message.replaces is not None:
        steps.append(Step.EDIT_AS_TEXT)
        if said:
            said[0] = join(["(edited) ", said[0]])
    if message.reply_to is not None:
        steps.append(Step.REPLY_REMOVED)
    if said:
        lines.append((message.kind, join(said, "\n")))
    return lines


def _done(words: str) -> _Line:
    return MessageKind.EMOTE, Text(words)


def _media(media: Media) -> str:
    size = f" ({_amount(media.size)})" if media.size is not None and media.size >= 0 else ""
    where = f" {_NO_URL.sub('', media.url)}" if media.url else ", which cannot be fetched from here"
    return f"sent {_ARTICLES[media.kind]}{_after(': ', media.name)}{size}{where}"


def _amount(size: int) -> str:
    amount = float(size)
    units = ["B", "kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    digits = 1 if amount < 9.95 and units[0] != "B" else 0
    return f"{amount:.{digits}f} {units[0]}"


def _after(before: str, value: str | None, after: str = "") -> str:
    field = _field(value or "")
    return f"{before}{field}{after}" if field else ""


def _field(value: str) -> str:
    """A short value on one line."""
    line = _SPACE.sub(" ", _CONTROL.sub("", _LINE_END.sub(" ", value))).strip()
    short = cut(line, _FIELD_BYTES)
    return line if short == line else f"{short}…"


def _clean(text: Text, steps: list[Step]) -> Text:
    ended = substitute(text, _LINE_END, "\n")
    cleaned = substitute(ended, _CONTROL, "")
    if cleaned.text != ended.text:
        steps.append(Step.CONTROL_REMOVED)
    return cleaned


def _style(text: Text, capabilities: Capabilities, steps: list[Step]) -> Text:
    """Only the marks that the place has; the target of a link that it cannot mark is spelled out behind it."""
    if not text.spans:
        return text
    pieces: list[Text | str] = []
    at = 0
    for span in sorted(text.spans, key=lambda span: span.end):
        if span.style in capabilities.styles or not 0 <= span.start < span.end <= len(text.text):
            continue
        if span.style is Style.LINK and span.value and span.value not in text.text[span.start : span.end]:
            steps.append(Step.LINK_SPELLED)
            pieces += (excerpt(text, at, span.end), f" ({_NO_URL.sub('', span.value)})")
            at = span.end
        elif span.style not in (Style.LINK, Style.MENTION):  # their text says it all
            steps.append(Step.STYLES_REMOVED)
    spelled = join([*pieces, excerpt(text, at, len(text.text))])
    kept = tuple(span for span in spelled.spans if span.style in capabilities.styles)
    return Text(spelled.text, kept, text.language)


class _Cast:
    """Who says the parts, and how much room they have."""

    def __init__(self, person: Person, voice: Voice, capabilities: Capabilities, shield: bool) -> None:
        self._voice = voice
        self._capabilities = capabilities
        # A third of a part for the name leaves most of it to what is said, however little a part holds.
        room = min(NAME_BYTES, max(capabilities.part_bytes // 3, SMALLEST))
        self._name = name_in_line(person, room, shield=shield)

    def parts(self, kind: MessageKind, text: Text, steps: list[Step]) -> Iterator[_Line]:
        """The parts of one thing said. Raises `Refused` if the place has no room for a character."""
        kind, prefix = self._opening(kind, steps)
        room = self._capabilities.part_bytes - len(prefix.encode())
        if kind is MessageKind.EMOTE:
            room -= self._capabilities.emote_bytes
        if room < SMALLEST:
            raise Refused(Reason.RESOURCE_CONSTRAINT, "there is no room for any text there")
        for start, end in self._split_lines(text.text, steps):
            line = excerpt(text, start, end)
            pieces = [piece for piece in ranges(line.text, room) if line.text[slice(*piece)].strip()]
            if len(pieces) > 1:
                steps.append(Step.LONG_SPLIT)
            for piece in pieces:
                yield kind, join([prefix, excerpt(line, *piece)]) if prefix else excerpt(line, *piece)

    def _opening(self, kind: MessageKind, steps: list[Step]) -> tuple[MessageKind, str]:
        """What kind the parts are, and what they begin with."""
        if self._voice is Voice.BOT:
            steps.append(Step.NAMED)
        match kind:
            case MessageKind.EMOTE if self._voice is Voice.BOT:
                return MessageKind.TEXT, f"* {self._name} "
            case MessageKind.EMOTE if not self._capabilities.emotes:
                steps.append(Step.EMOTE_AS_TEXT)
                return MessageKind.TEXT, f"* {self._name} "
            case MessageKind.NOTICE if not self._capabilities.notices:
                steps.append(Step.NOTICE_AS_TEXT)
                kind = MessageKind.TEXT
        return kind, f"<{self._name}> " if self._voice is Voice.BOT else ""

    def _split_lines(self, text: str, steps: list[Step]) -> Iterator[tuple[int, int]]:
        """Where the lines start and end that become parts of their own."""
        if self._capabilities.lines:
            yield 0, len(text)
            return
        start = found = 0
        while start <= len(text):
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            if text[start:end].strip():
                found += 1
                if found == 2:
                    steps.append(Step.LINES_SPLIT)
                yield start, end
            start = end + 1


def name_in_line(person: Person, room: int = NAME_BYTES, *, shield: bool = True) -> str:
    """A person's name as part of a line of text: on one line, at most `room` bytes, and not to be taken for its end.

    With `shield`, a zero-width space after its first character keeps clients from taking it for a call.
    """
    for source in (person.name, person.address.native):
        name = _SPACE.sub(" ", _NAME_FORBIDDEN.sub("", source).translate(_BRACKETS)).strip()
        if name:
            break
    else:
        name = "?"
    if not shield:
        return cut(name, room)
    name = cut(name, max(room - len(_SHIELD.encode()), SMALLEST))
    head = first(name)
    return f"{head}{_SHIELD}{name[len(head) :]}"
