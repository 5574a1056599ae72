"""What a presence document holds, as values, and what it says of a presentity in the terms of our networks."""

from collections import Counter
from dataclasses import dataclass
from typing import Final, Self

from bridge.model.address import Address
from bridge.model.elements import Extension
from bridge.model.pidf.ids import from_xml_id, to_xml_id
from bridge.model.presence import (
    DESCRIBED,
    SHOWS,
    Absence,
    Activity,
    Basic,
    Notes,
    Presence,
    Show,
    Tuple,
    best,
    declared,
    shown,
)

PERSON_ID: Final = "person"
"""The id of the only person in documents of our own. Tuples' ids start otherwise."""


class PidfError(ValueError):
    """What was given is no presence document, or cannot be written as one; the text says why."""


@dataclass(frozen=True, slots=True)
class UserInput:
    """RPID's ``user-input``: idle or not, when the last input was, and after how many seconds one is idle."""

    idle: bool
    last: float | None = None
    threshold: int | None = None


@dataclass(frozen=True, slots=True)
class Activities:
    """RPID's ``activities``: what a person does, in a span of time where one is given (seconds since the epoch).

    `others` are what ``other`` elements say. `Activity.UNKNOWN` stands alone or not at all.
    """

    values: frozenset[Activity] = frozenset()
    others: Notes = ()
    notes: Notes = ()
    since: float | None = None
    until: float | None = None
    extensions: tuple[Extension, ...] = ()

    def hold(self, at: float | None) -> bool:
        """Whether they count at a moment, and can be understood; with no moment given, only those without a span."""
        if _bars(self.extensions):
            return False
        if at is None:
            return self.since is None and self.until is None
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Service:
    """A ``tuple`` (RFC 3863 section 4.1.2), which the data model calls a service. `id` is an XML ID.

    `priority` is between 0 and 1 to thousandths, and needs a `contact` to mean anything.
    """

    id: str
    basic: Basic | None = None
    show: Show | None = None
    contact: str = ""
    priority: float | None = None
    notes: Notes = ()
    timestamp: float | None = None
    user_input: UserInput | None = None
    status_extensions: tuple[Extension, ...] = ()
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """The data model's ``person`` (RFC 4479 section 3.2). `id` is an XML ID."""

    id: str
    activities: tuple[Activities, ...] = ()
    user_input: UserInput | None = None
    notes: Notes = ()
    timestamp: float | None = None
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """The data model's ``device`` (RFC 4479 section 3.4). `id` is an XML ID, `device_id` a URN."""

    id: str
    device_id: str
    user_input: UserInput | None = None
    notes: Notes = ()
    timestamp: float | None = None
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A presence document. `entity` is the presentity's URI; `notes` are those directly in the root."""

    entity: str
    services: tuple[Service, ...] = ()
    notes: Notes = ()
    persons: tuple[Person, ...] = ()
    devices: tuple[Device, ...] = ()
    extensions: tuple[Extension, ...] = ()

    @classmethod
    def of(cls, presence: Presence, entity: str = "") -> Self:
        """The document of a presentity, under its ``pres:`` URI or the one that its watchers know it by.

        What the best device's user does is said of the person, and of each device by its show (RFC 8048). Raises
        `PidfError` if nothing is known: a gateway makes no document without a tuple (RFC 3922 section 6.3.2).
        """
        if not presence.tuples:
            raise PidfError(f"nothing is known of {presence.presentity}")
        entity = entity or presence.presentity.uri("pres")
        device = best(presence)
        does = device.activities if device is not None and device.basic is Basic.OPEN else frozenset()
        return cls(
            entity,
            tuple(_service(device, _inbox(entity)) for device in presence.tuples),
            presence.notes,
            (Person(PERSON_ID, (Activities(does),)),) if does else (),
        )

    def presence(self, presentity: Address, at: float | None = None) -> Presence:
        """What the document says of a presentity at a moment (seconds since the epoch).

        A tuple without basic status says nothing of whether somebody can be had, and is left out, as are persons and
        activities that ask for the understanding of something unknown (RFC 3863 section 4.2.3).
        """
        persons = [person for person in self.persons if not _bars(person.extensions)]
        held = [each for person in persons for each in person.activities if each.hold(at)]
        does = frozenset(value for each in held for value in each.values) - {Activity.UNKNOWN}
        shows = any(service.show for service in self.services)
        inbox = _inbox(self.entity)
        inputs = [person.user_input for person in persons if person.user_input is not None]
        ids = [from_xml_id(service.id) for service in self.services]
        times = Counter(ids)
        devices = []
        for service, native in zip(self.services, ids, strict=True):
            if service.basic is None:
                continue
            activities, show = _doing(service, does, shows)
            used = service.user_input or (inputs[0] if inputs and service.basic is Basic.OPEN else None)
            if (
                used is not None
                and used.idle
                and used.last is None
                and service.basic is Basic.OPEN
                and show is None
                and declared(activities) is Absence.NONE
            ):
                activities |= {Activity.AWAY}
            devices.append(
                Tuple(
                    native if times[native] == 1 else service.id,
                    service.basic,
                    activities,
                    _said(service.notes),
                    service.priority,
                    service.timestamp,
                    used.last if used and used.idle else None,
                    show=show,
                    contact="" if service.contact == inbox else service.contact,
                )
            )
        notes = self.notes + tuple(note for person in persons for note in person.notes)
        return Presence(presentity, tuple(devices), _said(notes))


def _inbox(entity: str) -> str:
    """The ``im:`` URI beside a ``pres:`` URI, empty beside another (RFC 2779 requirement 2.1.3)."""
    scheme, _, rest = entity.partition(":")
    return f"im:{rest}" if scheme.lower() == "pres" else ""


def _service(device: Tuple, inbox: str) -> Service:
    return Service(
        to_xml_id(device.id),
        device.basic,
        shown(device) if device.basic is Basic.OPEN else None,
        device.contact or inbox,
        device.priority,
        device.notes,
        device.since,
        None if device.idle_since is None else UserInput(idle=True, last=device.idle_since),
    )


def _doing(service: Service, does: frozenset[Activity], shows: bool) -> tuple[frozenset[Activity], Show | None]:
    """What the user of a device does, by the device's show and the person's activities; nothing on a closed one.

    The person's hold for a device whose show says the same, or for all if no device shows anything.
    """
    if service.basic is Basic.CLOSED:
        return frozenset(), None
    said = declared(does)
    if service.show is None:
        return (does if said is Absence.NONE or not shows else frozenset()), None
    if service.show is Show.CHAT:
        return (does if said is Absence.NONE else frozenset()), Show.CHAT
    if SHOWS[service.show] is said:
        return does, None
    return DESCRIBED[service.show]


def _bars(extensions: tuple[Extension, ...]) -> bool:
    """Whether what holds these must not be used by us: we understand none of them."""
    return any(each.must_understand for each in extensions)


def _said(notes: Notes) -> Notes:
    """Notes without the white space of a document's layout, and without those that say nothing."""
    return tuple((language, text.strip()) for language, text in notes if text.strip())
