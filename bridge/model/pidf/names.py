"""The names of presence documents: namespaces, and which elements are known where."""

from typing import Final

from bridge.model.elements import Known
from bridge.model.presence import Activity

PIDF: Final = "urn:ietf:params:xml:ns:pidf"
MODEL: Final = "urn:ietf:params:xml:ns:pidf:data-model"
RPID: Final = "urn:ietf:params:xml:ns:pidf:rpid"
CLIENT: Final = "jabber:client"

PRESENCE: Final = f"{PIDF} presence"
TUPLE: Final = f"{PIDF} tuple"
STATUS: Final = f"{PIDF} status"
BASIC: Final = f"{PIDF} basic"
CONTACT: Final = f"{PIDF} contact"
NOTE: Final = f"{PIDF} note"
TIMESTAMP: Final = f"{PIDF} timestamp"
SHOW: Final = f"{CLIENT} show"
PERSON: Final = f"{MODEL} person"
DEVICE: Final = f"{MODEL} device"
DEVICE_ID: Final = f"{MODEL} deviceID"
MODEL_NOTE: Final = f"{MODEL} note"
MODEL_TIMESTAMP: Final = f"{MODEL} timestamp"
ACTIVITIES: Final = f"{RPID} activities"
RPID_NOTE: Final = f"{RPID} note"
OTHER: Final = f"{RPID} other"
USER_INPUT: Final = f"{RPID} user-input"

VALUES: Final = {f"{RPID} {each}": each for each in Activity} | {f"{RPID} lunch": Activity.MEAL}

_LEAF: Final[Known] = {}
_ABOUT: Final[dict[str, Known]] = {USER_INPUT: _LEAF, MODEL_NOTE: _LEAF, MODEL_TIMESTAMP: _LEAF}

KNOWN: Final[Known] = {
    PRESENCE: {
        TUPLE: {
            STATUS: {BASIC: _LEAF, SHOW: _LEAF},
            USER_INPUT: _LEAF,
            CONTACT: _LEAF,
            NOTE: _LEAF,
            TIMESTAMP: _LEAF,
        },
        NOTE: _LEAF,
        PERSON: {
            ACTIVITIES: {RPID_NOTE: _LEAF, OTHER: _LEAF} | dict.fromkeys(VALUES, _LEAF),
            **_ABOUT,
        },
        DEVICE: {DEVICE_ID: _LEAF, **_ABOUT},
    }
}
