"""PIDF, ``application/pidf+xml`` (RFC 3863), with the data model (RFC 4479) and the parts of RPID (RFC 4480) that our
networks can say.

`loads` reads as those texts ask readers to: it checks no schema, takes what it can, and refuses only what cannot be a
presence document. `dumps` writes what the schemas allow. What a document says of a presentity in the terms of our
networks is `Document.presence`, and `Document.of` the way back.
"""

from bridge.model.pidf.document import Activities, Device, Document, Person, PidfError, Service, UserInput
from bridge.model.pidf.ids import from_xml_id, to_xml_id
from bridge.model.pidf.reading import loads
from bridge.model.pidf.writing import dumps

MEDIA_TYPE = "application/pidf+xml"

__all__ = [
    "MEDIA_TYPE",
    "Activities",
    "Device",
    "Document",
    "Person",
    "PidfError",
    "Service",
    "UserInput",
    "dumps",
    "from_xml_id",
    "loads",
    "to_xml_id",
]
