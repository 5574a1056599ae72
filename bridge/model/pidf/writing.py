"""From a `Document` to octets, in the order of the schemas of RFC 3863, RFC 4479 and RFC 4480."""

from collections.abc import Iterable

from bridge.model import rfc3339
from bridge.model.elements import Extension, attribute, escape, is_absolute_uri, is_language
from bridge.model.pidf.document import Activities, Device, Document, Person, PidfError, Service, UserInput
from bridge.model.pidf.ids import is_xml_id
from bridge.model.pidf.names import CLIENT, MODEL, PIDF, RPID
from bridge.model.presence import Activity, Notes, Presence


def dumps(presence: Presence | Document) -> bytes:
    """Write a presence document in UTF-8. Characters that XML cannot hold are left out.

    Raises `PidfError` for ids that are no XML ID or occur twice, for priorities and times out of range, and for a
    presence of which nothing is known.
    """
    document = Document.of(presence) if isinstance(presence, Presence) else presence
    if not is_absolute_uri(document.entity):
        raise PidfError(f"the entity is no absolute URI: {document.entity[:80]!r}")
    holders: tuple[Service | Person | Device, ...] = (*document.services, *document.persons, *document.devices)
    taken: set[str] = set()
    for each in holders:
        if not is_xml_id(each.id) or each.id in taken:
            raise PidfError(f"{each.id[:80]!r} is no XML ID, or is there twice")
        taken.add(each.id)
    prefixes = f' xmlns:dm="{MODEL}"' if document.persons or document.devices else ""
    if document.persons or any(each.user_input for each in holders):
        prefixes += f' xmlns:r="{RPID}"'
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    parts.append(f'<presence xmlns="{PIDF}"{prefixes} entity="{attribute(document.entity)}">')
    try:
        parts += map(_service, document.services)
        parts += _notes("note", document.notes)
        parts += map(_person, document.persons)
        parts += map(_device, document.devices)
    except (ValueError, OverflowError) as error:
        raise PidfError(str(error)) from error
    parts += _foreign(document.extensions)
    parts.append("</presence>\n")
    return "".join(parts).encode()


def _service(service: Service) -> str:
    parts = [f'<tuple id="{service.id}"><status>']
    if service.basic is not None:
        parts.append(f"<basic>{service.basic}</basic>")
    if service.show is not None:
        parts.append(f'<show xmlns="{CLIENT}">{service.show}</show>')
    parts += _foreign(service.status_extensions)
    parts.append("</status>")
    parts.append(_user_input(service.user_input))
    parts += _foreign(service.extensions)
    if service.priority is not None:
        parts.append(f'<contact priority="{_priority(service.priority)}">{escape(service.contact)}</contact>')
    elif service.contact:
        parts.append(f"<contact>{escape(service.contact)}</contact>")
    parts += _notes("note", service.notes)
    if service.timestamp is not None:
        parts.append(f"<timestamp>{rfc3339.write(service.timestamp)}</timestamp>")
    parts.append("</tuple>")
    return "".join(parts)


def _person(person: Person) -> str:
    activities = "".join(map(_activities, person.activities))
    return f'<dm:person id="{person.id}">{activities}{_about(person)}</dm:person>'


def _device(device: Device) -> str:
    named = f"<dm:deviceID>{escape(device.device_id)}</dm:deviceID>"
    return f'<dm:device id="{device.id}">{_about(device, named)}</dm:device>'


def _about(it: Person | Device, named: str = "") -> str:
    """What persons and devices have alike: what is foreign comes first, notes and time at the end."""
    parts = [_user_input(it.user_input), *_foreign(it.extensions), named, *_notes("dm:note", it.notes)]
    if it.timestamp is not None:
        parts.append(f"<dm:timestamp>{rfc3339.write(it.timestamp)}</dm:timestamp>")
    return "".join(parts)


def _activities(it: Activities) -> str:
    span = "" if it.since is None else f' from="{rfc3339.write(it.since)}"'
    span += "" if it.until is None else f' until="{rfc3339.write(it.until)}"'
    values = it.values
    if len(values) > 1 or it.others or it.extensions:
        values -= {Activity.UNKNOWN}
    parts = [f"<r:activities{span}>", *_notes("r:note", it.notes)]
    parts += [f"<r:{each}/>" for each in sorted(values)]
    parts += _notes("r:other", it.others)
    parts += _foreign(it.extensions)
    parts.append("</r:activities>")
    return "".join(parts)


def _user_input(it: UserInput | None) -> str:
    if it is None:
        return ""
    details = "" if it.threshold is None else f' idle-threshold="{it.threshold}"'
    details += "" if it.last is None else f' last-input="{rfc3339.write(it.last)}"'
    return f"<r:user-input{details}>{'idle' if it.idle else 'active'}</r:user-input>"


def _notes(tag: str, notes: Notes) -> Iterable[str]:
    for language, text in notes:
        tagged = f' xml:lang="{language}"' if is_language(language) else ""
        yield f"<{tag}{tagged}>{escape(text)}</{tag}>"


def _foreign(extensions: Iterable[Extension]) -> Iterable[str]:
    return (each.xml for each in extensions)


def _priority(value: float) -> str:
    """A qvalue: at most three digits after the point (RFC 3863 section 4.1.5)."""
    if not 0 <= value <= 1:
        raise PidfError(f"a priority of {value} is not between 0 and 1")
    return f"{value:.3f}".rstrip("0").removesuffix(".")
