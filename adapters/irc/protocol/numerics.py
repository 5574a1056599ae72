"""What the server's numerics mean for us: which refuse for ever, and the reason each gives (RFC 2812 section 5)."""

import re
from typing import Final

from bridge.model.result import Reason

PERMANENT: Final = {
    "432": "the server does not allow this nick; choose another `nick`, not longer than the network's limit",
    "464": "the server asks for a password, or for another one; set `password` (of puppets: `webirc`)",
    "465": "this host or nick is banned from the server; its operators can tell why",
    "466": "the server is about to ban this host",
}
"""Refusals of a registration that trying again does not mend, and what an operator does about them."""

NO_SASL: Final = "no SASL"
_SASL: Final = "check `sasl.user` and `sasl.password`, or set `sasl.use` to preferred to go on without an account"

ADVICE: Final = PERMANENT | {
    "433": "choose another `nick`, or wait until it is free",
    "902": "the network's services hold the account or nick back; its operators can tell why",
    "904": _SASL,
    "905": "the network takes no message of that length; choose a shorter `sasl.password`",
    "906": _SASL,
    "908": "set `sasl.mechanism` to one that it takes",
    "ACCOUNT_REQUIRED": "the network lets in only people with an account; set `sasl: {user, password}`",
    "SASL": _SASL,
    "WEBIRC": "check `webirc.password`, and ask the network's operators whether they allow it from this host",
    NO_SASL: "its services may be away; if the network has none, remove `sasl` or set `sasl.use` to preferred",
}
"""What an operator does about a failed registration, by numeric, or by another short code where there is none."""

NICK_TAKEN: Final = frozenset({"433", "436", "437"})
"""The nick is in use, collided, or is held back for now."""

JOIN_REFUSED: Final = frozenset(
    {"403", "405", "437", "470", "471", "473", "474", "475", "476", "477", "480", "489", "520"}
)
"""We are not let into a channel."""

JOIN_ADVICE: Final = {
    "403": "write the channel's name as the network does, with its # or &",
    "405": "the bot may be in no more channels; ask the network's operators, or configure fewer",
    "437": "the channel is held back for now; the bot tries again",
    "470": "the channel sends people on to another; configure that one",
    "471": "the channel is full; its operators can raise the limit (MODE +l)",
    "473": "the channel is for invited people only; an operator of it has to invite {nick} for good (MODE +I)",
    "474": "the bot is banned there; an operator of the channel has to lift the ban, or except {nick} (MODE +e)",
    "475": 'give the channel\'s key in the configuration: {{id: "{channel}", key: ...}}',
    "476": "the network does not allow this name of a channel; correct it in the configuration",
    "477": "the channel is for registered nicks only; an operator of it has to let {nick} in",
    "489": "the channel is for connections with TLS only; write ircs:// in the network's server",
    "520": "the channel is for the network's operators only; configure another",
}
"""What to do about a refused JOIN, by numeric; to be formatted with our ``nick`` and the ``channel``."""

REASONS: Final = {
    "263": Reason.RESOURCE_CONSTRAINT,
    "400": Reason.INTERNAL_SERVER_ERROR,
    "401": Reason.ITEM_NOT_FOUND,
    "402": Reason.REMOTE_SERVER_NOT_FOUND,
    "403": Reason.ITEM_NOT_FOUND,
    "404": Reason.FORBIDDEN,
    "405": Reason.RESOURCE_CONSTRAINT,
    "406": Reason.RECIPIENT_UNAVAILABLE,
    "407": Reason.RESOURCE_CONSTRAINT,
    "408": Reason.NOT_ACCEPTABLE,
    "411": Reason.BAD_REQUEST,
    "412": Reason.NOT_ACCEPTABLE,
    "413": Reason.BAD_REQUEST,
    "414": Reason.BAD_REQUEST,
    "415": Reason.FORBIDDEN,
    "417": Reason.POLICY_VIOLATION,
    "421": Reason.FEATURE_NOT_IMPLEMENTED,
    "432": Reason.JID_MALFORMED,
    "433": Reason.CONFLICT,
    "436": Reason.CONFLICT,
    "437": Reason.RESOURCE_CONSTRAINT,
    "439": Reason.RESOURCE_CONSTRAINT,
    "442": Reason.NOT_ALLOWED,
    "447": Reason.NOT_ALLOWED,
    "451": Reason.UNEXPECTED_REQUEST,
    "461": Reason.BAD_REQUEST,
    "464": Reason.NOT_AUTHORIZED,
    "465": Reason.FORBIDDEN,
    "470": Reason.REDIRECT,
    "471": Reason.RESOURCE_CONSTRAINT,
    "473": Reason.REGISTRATION_REQUIRED,
    "474": Reason.FORBIDDEN,
    "475": Reason.NOT_AUTHORIZED,
    "476": Reason.JID_MALFORMED,
    "477": Reason.REGISTRATION_REQUIRED,
    "480": Reason.NOT_ALLOWED,
    "482": Reason.FORBIDDEN,
    "484": Reason.NOT_ALLOWED,
    "486": Reason.REGISTRATION_REQUIRED,
    "489": Reason.NOT_ALLOWED,
    "520": Reason.NOT_ALLOWED,
    "531": Reason.FORBIDDEN,
    "902": Reason.NOT_AUTHORIZED,
    "904": Reason.NOT_AUTHORIZED,
    "905": Reason.NOT_AUTHORIZED,
    "908": Reason.NOT_AUTHORIZED,
    "ACCOUNT_REQUIRED": Reason.REGISTRATION_REQUIRED,
    "WEBIRC": Reason.NOT_AUTHORIZED,
    "SASL": Reason.NOT_AUTHORIZED,
    "707": Reason.RESOURCE_CONSTRAINT,
    "716": Reason.FORBIDDEN,
}

PASSING: Final = frozenset({"263", "400", "437", "439", "707"})
"""Refusals after which the same line may succeed."""

BY_COMMAND: Final = frozenset({"421", "461", "263"})
"""Numerics whose first parameter names a command, where others name whom or what it was for."""

UNTARGETED: Final = frozenset({"411", "412", "417", "451"})
"""Numerics that name nothing: they belong to the earliest line that is not confirmed."""


_REFUSALS: Final = (
    (re.compile(r"\bwebirc\b", re.IGNORECASE), "WEBIRC"),
    (re.compile(r"\bpassword\b", re.IGNORECASE), "464"),
    (re.compile(r"\b[KGZD]-?lined?\b|\bbanned\b", re.IGNORECASE), "465"),
)


def refusal(text: str) -> str | None:
    """The numeric that an ERROR line before registration stands for: ngIRCd sends no 464, and no server must send 465
    before it closes (RFC 2812 section 3.7.4 leaves the text to the server)."""
    return next((numeric for pattern, numeric in _REFUSALS if pattern.search(text)), None)


def join_refusal(numeric: str, text: str) -> str:
    """The numeric that a refused JOIN stands for: ngIRCd has 471 (the channel is full) say, in words, that it is for
    registered nicks only, which is 477 everywhere else."""
    return "477" if numeric == "471" and "(+R)" in text else numeric


def reason(numeric: str) -> Reason:
    """Why a line was refused. Unknown errors fall to `Reason.UNDEFINED_CONDITION`."""
    return REASONS.get(numeric, Reason.UNDEFINED_CONDITION)


def is_error(command: str) -> bool:
    """Whether the command is a numeric that refuses something (400 to 599), or one of the few others that do."""
    return command in REASONS or (len(command) == 3 and command.isdigit() and "400" <= command <= "599")
