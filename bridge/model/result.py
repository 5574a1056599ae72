"""How an operation ended: CPIM's three results (RFC 3860 section 3.4) and why one failed."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """RFC 3860 section 3.4, in its own spelling."""

    SUCCESS = "success"
    FAILURE = "failure"
    INDETERMINANT = "indeterminant"


class Reason(StrEnum):
    """Why something failed: the 22 stanza error conditions of RFC 6120 section 8.3.3.

    Every network's adapter has a table from its own errors to these, and one back.
    """

    BAD_REQUEST = "bad-request"
    CONFLICT = "conflict"
    FEATURE_NOT_IMPLEMENTED = "feature-not-implemented"
    FORBIDDEN = "forbidden"
    GONE = "gone"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    ITEM_NOT_FOUND = "item-not-found"
    JID_MALFORMED = "jid-malformed"
    NOT_ACCEPTABLE = "not-acceptable"
    NOT_ALLOWED = "not-allowed"
    NOT_AUTHORIZED = "not-authorized"
    POLICY_VIOLATION = "policy-violation"
    RECIPIENT_UNAVAILABLE = "recipient-unavailable"
    REDIRECT = "redirect"
    REGISTRATION_REQUIRED = "registration-required"
    REMOTE_SERVER_NOT_FOUND = "remote-server-not-found"
    REMOTE_SERVER_TIMEOUT = "remote-server-timeout"
    RESOURCE_CONSTRAINT = "resource-constraint"
    SERVICE_UNAVAILABLE = "service-unavailable"
    SUBSCRIPTION_REQUIRED = "subscription-required"
    UNDEFINED_CONDITION = "undefined-condition"
    UNEXPECTED_REQUEST = "unexpected-request"


@dataclass(frozen=True, slots=True)
class Failure:
    """A reason, and the words for a person: what went wrong and, where it helps, what to do."""

    reason: Reason
    text: str

    def __str__(self) -> str:
        return f"{self.text} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Confirmation of one part. `native_id` is what the network calls it, None where it gives no id. `once`: however
    often it was tried, it was sent once."""

    native_id: str | None = None
    status: Status = Status.SUCCESS
    once: bool = False
