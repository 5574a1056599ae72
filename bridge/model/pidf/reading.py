"""From octets to a `Document`."""

import re

from bridge.model import rfc3339
from bridge.model.elements import Node, XmlError, is_absolute_uri, read
from bridge.model.pidf.document import Activities, Device, Document, Person, PidfError, Service, UserInput
from bridge.model.pidf.ids import is_xml_id, to_xml_id
from bridge.model.pidf.names import (
    ACTIVITIES,
    BASIC,
    CONTACT,
    DEVICE,
    DEVICE_ID,
    KNOWN,
    MODEL_NOTE,
    MODEL_TIMESTAMP,
    NOTE,
    OTHER,
    PERSON,
    RPID_NOTE,
    SHOW,
    STATUS,
    TIMESTAMP,
    TUPLE,
    USER_INPUT,
    VALUES,
)
from bridge.model.presence import Activity, Basic, Notes, Show

_PRIORITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_SECONDS = re.compile(r"[0-9]{1,18}")


def loads(data: bytes) -> Document:
    """Read a presence document. Raises `PidfError`, and nothing else, for what is none.

    Refused are: what is not well-formed XML or has a document type, another root, an entity that is no absolute URI,
    a tuple without an id, and an id that occurs twice. A tuple whose basic status is neither open nor closed is left
    out, and so is a person or device without an id; other values that cannot be read are as if they were not there.
    """
    try:
        root = read(data, KNOWN)
    except XmlError as error:
        raise PidfError(str(error)) from error
    entity = root.attributes.get("entity", "").strip()
    if not is_absolute_uri(entity):
        raise PidfError(f"the entity is no absolute URI: {entity[:80]!r}" if entity else "there is no entity")
    ids: set[str] = set()
    services, persons, devices = [], [], []
    for child in root.children:
        if child.name == TUPLE:
            identity = _identity(child, ids)
            if identity is None:
                raise PidfError("a tuple has no id")
            service = _service(child, identity)
            if service is not None:
                services.append(service)
        elif child.name in (PERSON, DEVICE):
            identity = _identity(child, ids)
            if identity is None:
                continue
            if child.name == PERSON:
                persons.append(_person(child, identity))
            else:
                device = _device(child, identity)
                if device is not None:
                    devices.append(device)
    return Document(entity, tuple(services), _notes(root, NOTE), tuple(persons), tuple(devices), tuple(root.extensions))


def _identity(node: Node, taken: set[str]) -> str | None:
    """The id of an element, which becomes one if XML takes it for none (RFC 3922 has bare resources)."""
    written = node.attributes.get("id", "").strip()
    if not written:
        return None
    identity = written if is_xml_id(written) else to_xml_id(written)
    if identity in taken:
        raise PidfError(f"the id {written[:80]!r} occurs twice")
    taken.add(identity)
    return identity


def _first(node: Node, name: str) -> Node | None:
    for child in node.children:
        if child.name == name:
            return child
    return None


def _notes(node: Node, name: str) -> Notes:
    return tuple((child.language, child.text) for child in node.children if child.name == name)


def _moment(node: Node, name: str) -> float | None:
    found = _first(node, name)
    return None if found is None else rfc3339.read_or_none(found.text)


def _service(node: Node, identity: str) -> Service | None:
    basic, show, contact, priority, extensions = None, None, "", None, node.extensions
    status = _first(node, STATUS)
    if status is not None:
        for child in status.children:
            word = child.text.strip()
            if child.name == BASIC:
                if word not in ("open", "closed"):
                    return None
                basic = Basic(word)
            elif child.name == SHOW and show is None and word in ("chat", "away", "xa", "dnd"):
                show = Show(word)
    reach = _first(node, CONTACT)
    if reach is not None:
        contact = reach.text.strip()
        written = reach.attributes.get("priority", "").strip()
        if _PRIORITY.fullmatch(written):
            priority = float(written)
    return Service(
        identity,
        basic,
        show,
        contact,
        priority,
        _notes(node, NOTE),
        _moment(node, TIMESTAMP),
        _user_input(node),
        () if status is None else tuple(status.extensions),
        tuple(extensions),
    )


def _person(node: Node, identity: str) -> Person:
    return Person(
        identity,
        tuple(_activities(child) for child in node.children if child.name == ACTIVITIES),
        _user_input(node),
        _notes(node, MODEL_NOTE),
        _moment(node, MODEL_TIMESTAMP),
        tuple(node.extensions),
    )


def _device(node: Node, identity: str) -> Device | None:
    """None for one that does not say which device it is: the schema wants that said."""
    device_id = _first(node, DEVICE_ID)
    if device_id is None:
        return None
    return Device(
        identity,
        device_id.text.strip(),
        _user_input(node),
        _notes(node, MODEL_NOTE),
        _moment(node, MODEL_TIMESTAMP),
        tuple(node.extensions),
    )


def _activities(node: Node) -> Activities:
    values = frozenset(VALUES[child.name] for child in node.children if child.name in VALUES)
    others = _notes(node, OTHER)
    if len(values) > 1 or others or node.extensions:
        values -= {Activity.UNKNOWN}
    return Activities(
        values,
        others,
        _notes(node, RPID_NOTE),
        rfc3339.read_or_none(node.attributes.get("from")),
        rfc3339.read_or_none(node.attributes.get("until")),
        tuple(node.extensions),
    )


def _user_input(node: Node) -> UserInput | None:
    """None too where something in it must be understood: we understand nothing in it."""
    found = _first(node, USER_INPUT)
    if found is None or any(each.must_understand for each in found.extensions):
        return None
    word = found.text.strip()
    if word not in ("active", "idle"):
        return None
    threshold = found.attributes.get("idle-threshold", "").strip()
    return UserInput(
        word == "idle",
        rfc3339.read_or_none(found.attributes.get("last-input")),
        int(threshold) if _SECONDS.fullmatch(threshold) and int(threshold) > 0 else None,
    )
