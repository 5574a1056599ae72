"""What an IRC session tells, as events and states of the common model. Pure: the scene is all it knows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from adapters.irc.ids import Places
from adapters.irc.markup import from_irc
from adapters.irc.nicks import Own, is_service
from adapters.irc.protocol import events
from adapters.irc.protocol.events import Manner
from adapters.irc.protocol.message import Source
from adapters.irc.protocol.servertime import timestamp
from bridge.model import event as model
from bridge.model.address import Address, Person, Place, PlaceKind
from bridge.model.event import Cause, Event, Origin, Protection, State
from bridge.model.message import Kick, Message, MessageKind, Text

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
    is_bot: Callable[[str], bool] = lambda nick: False
    spelled: Callable[[str], str] = lambda nick: nick
    stands_for: Callable[[str], str] = lambda nick: ""
    is_gateway: Callable[[str], bool] = lambda nick: False
    was_ours: Callable[[events.Said], bool] = lambda said: False
    protection: Protection = Protection.NONE

    def over(self, *, secure: bool, origin: str) -> "Scene":
        """The same as a connection sees it that is by TLS, or is not. `origin` names the line that is being read, where
        whoever reads it again gives it the same name."""
        protection = Protection.TRANSPORT if secure else Protection.NONE
        if origin:
            return replace(self, protection=protection, mint=lambda: origin)
        return self if protection is self.protection else replace(self, protection=protection)

    def address(self, nick: str) -> Address:
        """Whose nick it is."""
        return Address(self.network, self.fold(nick))

    def correspondent(self, nick: str) -> Place:
        """The place where one speaks with whoever bears the nick."""
        return Place(self.network, self.address(nick).native, PlaceKind.USER)

    def person(self, nick: str) -> Person:
        """Whoever bears the nick, spelled so."""
        return Person(self.address(nick), nick, self.stands_for(nick))


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
    """Whether they are a person of the network: none of ours, no services, no other gateway's bot."""
    return scene.own(source) is None and not is_service(source.nick) and not scene.is_gateway(source.nick)


def marked(told: events.About, channels: Iterable[str], scene: Scene) -> Iterator[Heard]:
    """Somebody in these channels turns out to be another gateway's bot or puppet: as who they are, or as nobody."""
    nick = told.source.nick
    if scene.own(told.source) is not None or not (scene.is_gateway(nick) or scene.stands_for(nick)):
        return
    for place in _places(tuple(channels), scene):
        gone = model.Left(place, scene.address(nick))
        yield Heard(place, gone if scene.is_gateway(nick) else model.Joined(place, scene.person(nick)))


def _places(channels: tuple[str, ...], scene: Scene) -> Iterator[Place]:
    for channel in channels:
        if place := scene.places.find(channel):
            yield place


def _line(reason: str) -> str | None:
    return from_irc(reason).text or None


def barred(said: events.Said, scene: Scene) -> str | None:
    """Why what was said is never bridged, wherever it was said, as a short label; None for what may be.

    A message to some of a channel's members is nobody else's, so it is neither the room's nor a private one.
    """
    if said.own or scene.own(said.source) is not None:
        return "own echo"
    if said.history and scene.was_ours(said):
        return "own echo"
    if said.only_some:
        return "statusmsg"
    if said.source.user is None:
        return "server message"
    if is_service(said.source.nick):
        return "service message"
    return "bot" if said.bot or scene.is_bot(said.source.nick) else None


def private(said: events.Said, to: Address, body: Text, scene: Scene) -> Event:
    """What somebody said to `to`, and to nobody else."""
    return replace(_message(scene.correspondent(said.source.nick), said, body, scene), to=to)


def _said(said: events.Said, scene: Scene) -> Iterator[Heard | Ignored]:
    if why := barred(said, scene):
        yield Ignored(why, said.msgid)
    elif not said.to_channel:
        yield Ignored("direct message", said.msgid)
    elif said.manner not in _KINDS:
        yield Ignored("ctcp", said.msgid)
    elif (place := scene.places.find(said.target)) is None:
        yield Ignored("unknown channel", said.msgid)
    else:
        yield Heard(place, _message(place, said, from_irc(said.text), scene))


def _message(place: Place, said: events.Said, body: Text, scene: Scene) -> Event:
    message = Message(body, _KINDS[said.manner])
    event = _event(place, said.source, said.msgid, said.when, message, scene)
    return event if said.hops is None else replace(event, hops=said.hops)


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
