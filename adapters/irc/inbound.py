"""What an IRC session tells, as events and states of the common model. Pure: the scene is all it knows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from adapters.irc import events
from adapters.irc.events import Manner
from adapters.irc.ids import Places
from adapters.irc.markup import from_irc
from adapters.irc.message import Source
from adapters.irc.nicks import Own, is_service
from bridge.model import event as model
from bridge.model.address import Address, Person, Place
from bridge.model.event import Cause, Event, Origin, Protection, State
from bridge.model.message import Kick, Message, MessageKind

_KINDS = {Manner.TEXT: MessageKind.TEXT, Manner.ACTION: MessageKind.EMOTE, Manner.NOTICE: MessageKind.NOTICE}


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that is not bridged."""

    what: str
    native_id: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """One item, and the place that it is of."""

    place: Place
    item: Event | State


@dataclass(frozen=True, slots=True)
class Scene:
    """What translation must know: the network's name and rules, its places, and who of those seen is ours."""

    network: str
    places: Places
    fold: Callable[[str], str]
    own: Callable[[Source], Own | None]
    mint: Callable[[], str]
    now: Callable[[], float]
    protection: Protection = Protection.NONE

    def address(self, nick: str) -> Address:
        """Whose nick it is."""
        return Address(self.network, self.fold(nick))

    def person(self, nick: str) -> Person:
        """Whoever bears the nick, spelled so."""
        return Person(self.address(nick), nick)


def timestamp(tag: str, otherwise: float) -> float:
    """A ``time`` tag (IRCv3 server-time) in seconds since the epoch; `otherwise` for none that can be read."""
    if not tag:
        return otherwise
    try:
        parsed = datetime.fromisoformat(tag)
        return parsed.timestamp() if parsed.tzinfo is not None else otherwise
    except (ValueError, OverflowError, OSError):
        return otherwise


def translate(told: events.Event, scene: Scene) -> Iterator[Heard | Ignored]:
    """What a session told about a channel or a person. What concerns only our connections gives nothing."""
    match told:
        case events.Said():
            yield from _said(told, scene)
        case events.Joined(channel, source):
            place = scene.places.find(channel)
            if place and _counts(source, scene):
                yield Heard(place, model.Joined(place, scene.person(source.nick)))
        case events.Parted(channel, source, reason):
            place = scene.places.find(channel)
            if place and _counts(source, scene):
                yield Heard(place, model.Left(place, scene.address(source.nick), Cause.LEFT, _line(reason)))
        case events.Quit(source, reason, channels):
            for place in _places(channels, scene):
                if _counts(source, scene):
                    yield Heard(place, model.Left(place, scene.address(source.nick), Cause.QUIT, _line(reason)))
        case events.NickChanged(source, nick, channels):
            for place in _places(channels, scene):
                if _counts(source, scene):
                    yield Heard(place, model.Left(place, scene.address(source.nick), Cause.NICK, f"now {nick}"))
                    yield Heard(place, model.Joined(place, scene.person(nick)))
        case events.Kicked():
            yield from _kicked(told, scene)
        case events.Members(channel, nicks):
            place = scene.places.find(channel)
            if place:
                people = tuple(scene.person(nick) for nick in nicks if _counts(Source(nick), scene))
                yield Heard(place, model.Roster(place, people))
        case events.Topic(channel, text, source):
            place = scene.places.find(channel)
            if place:
                own = source is not None and scene.own(source) is not None
                by = scene.person(source.nick) if source and not own and source.user is not None else None
                plain = from_irc(text).text
                yield Heard(place, model.TopicSet(place, plain, by, initial=source is None, own=own))
        case events.JoinRefused():
            yield Ignored("join refused")
        case events.Passed(what):
            yield Ignored(what)


def _counts(source: Source, scene: Scene) -> bool:
    """Whether they are a person of the network: none of ours, no services."""
    return scene.own(source) is None and not is_service(source.nick)


def _places(channels: tuple[str, ...], scene: Scene) -> Iterator[Place]:
    for channel in channels:
        if place := scene.places.find(channel):
            yield place


def _line(reason: str) -> str | None:
    return from_irc(reason).text or None


def _said(said: events.Said, scene: Scene) -> Iterator[Heard | Ignored]:
    if said.own or scene.own(said.source) is not None:
        yield Ignored("own echo", said.msgid)
    elif said.only_some:
        yield Ignored("statusmsg", said.msgid)
    elif said.source.user is None:
        yield Ignored("server message", said.msgid)
    elif is_service(said.source.nick):
        yield Ignored("service message", said.msgid)
    elif not said.to_channel:
        yield Ignored("direct message", said.msgid)
    elif said.manner not in _KINDS:
        yield Ignored("ctcp", said.msgid)
    elif (place := scene.places.find(said.target)) is None:
        yield Ignored("unknown channel", said.msgid)
    else:
        message = Message(from_irc(said.text), _KINDS[said.manner])
        yield Heard(place, _event(place, said.source, said.msgid, said.when, message, scene))


def _kicked(kicked: events.Kicked, scene: Scene) -> Iterator[Heard | Ignored]:
    place = scene.places.find(kicked.channel)
    if place is None:
        return
    target = scene.own(Source(kicked.nick))
    reason = _line(kicked.reason)
    if target is not None and target.address is None:
        yield Ignored("kick of the bot", kicked.msgid)
        return
    address = target.address if target is not None and target.address else scene.address(kicked.nick)
    if scene.own(kicked.source) is None:
        kick = Kick(address, kicked.nick, reason)
        yield Heard(place, _event(place, kicked.source, kicked.msgid, kicked.when, kick, scene))
    if target is None:
        yield Heard(place, model.Left(place, address, Cause.KICKED, reason, kicked.source.nick or None))


def _event(place: Place, source: Source, msgid: str, when: str, content: Message | Kick, scene: Scene) -> Event:
    origin = Origin(scene.network, msgid or scene.mint())
    sender = scene.person(source.nick or scene.network)
    return Event(origin, place, sender, timestamp(when, scene.now()), content, protection=scene.protection)
