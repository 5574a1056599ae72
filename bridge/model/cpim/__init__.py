"""``message/cpim`` (RFC 3862): the form in which an instant message passes from one kind of network to another.

What we write, we also hold others to, in strict mode: `CpimMessage` says which headers there are and how often (the
statement that section 6 asks an application for). Tolerant mode is for what others wrote. Each thing that it mends is
named by a `Repair`; what is not named there is refused in both modes. A control character, a folded line and broken
UTF-8 always are.

The RFC leaves a few things open, or says them twice. This is what is done here:

* ``NS: p <uri>`` is written with the space that all its examples have, and read without it too, as its grammar has it.
* Unprefixed ``NS`` and ``Require`` are the core's whatever the default namespace is; no other header is.
* ``Name: `` with nothing after it is read, and never written.
* ``\\ud83d\\ude00`` is one character. A lone surrogate is refused, or in tolerant mode shown as U+FFFD.
* A ``Require`` that names an undeclared prefix is refused, or in tolerant mode names something nobody understands.

Nothing recurses: what a message encloses is octets until somebody asks for it (`layers`).
"""

from bridge.model.cpim.layers import DEPTH, enclose, layers
from bridge.model.cpim.reader import LIMIT, loads
from bridge.model.cpim.values import (
    CORE,
    MEDIA_TYPE,
    Content,
    CpimError,
    CpimMessage,
    Extension,
    HeaderName,
    Mailbox,
    Repair,
    Subject,
)
from bridge.model.cpim.writer import dumps, entity

__all__ = [
    "CORE",
    "DEPTH",
    "LIMIT",
    "MEDIA_TYPE",
    "Content",
    "CpimError",
    "CpimMessage",
    "Extension",
    "HeaderName",
    "Mailbox",
    "Repair",
    "Subject",
    "dumps",
    "enclose",
    "entity",
    "layers",
    "loads",
]
