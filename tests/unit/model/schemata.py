"""The schemas of the RFCs, so that what is written can be held against them."""

from functools import cache
from pathlib import Path

import xmlschema

_FOLDER = Path(__file__).parent / "schemas"


@cache
def presence_schema() -> xmlschema.XMLSchema:
    """RFC 3863's, with those of the data model (RFC 4479) and RPID (RFC 4480)."""
    return xmlschema.XMLSchema([str(_FOLDER / name) for name in ("pidf.xsd", "data-model.xsd", "rpid.xsd")])


@cache
def watcher_schema() -> xmlschema.XMLSchema:
    """RFC 3858's."""
    return xmlschema.XMLSchema(str(_FOLDER / "watcherinfo.xsd"))
