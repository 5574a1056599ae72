"""Matrix errors, and what they are in the common model.

Specification v1.19, client-server API "Standard error response" and the errors of its endpoints.
"""

from bridge.contract import SendError
from bridge.model.result import Failure, Reason

_REASONS = {
    "M_FORBIDDEN": Reason.FORBIDDEN,
    "M_UNABLE_TO_AUTHORISE_JOIN": Reason.FORBIDDEN,
    "M_EXCLUSIVE": Reason.NOT_ALLOWED,
    "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM": Reason.NOT_ALLOWED,
    "M_UNKNOWN_TOKEN": Reason.NOT_AUTHORIZED,
    "M_MISSING_TOKEN": Reason.NOT_AUTHORIZED,
    "M_UNAUTHORIZED": Reason.NOT_AUTHORIZED,
    "M_BAD_JSON": Reason.BAD_REQUEST,
    "M_NOT_JSON": Reason.BAD_REQUEST,
    "M_BAD_STATE": Reason.BAD_REQUEST,
    "M_INVALID_PARAM": Reason.BAD_REQUEST,
    "M_MISSING_PARAM": Reason.BAD_REQUEST,
    "M_NOT_FOUND": Reason.ITEM_NOT_FOUND,
    "M_LIMIT_EXCEEDED": Reason.RESOURCE_CONSTRAINT,
    "M_RESOURCE_LIMIT_EXCEEDED": Reason.RESOURCE_CONSTRAINT,
    "M_TOO_LARGE": Reason.NOT_ACCEPTABLE,
    "M_INCOMPATIBLE_ROOM_VERSION": Reason.NOT_ACCEPTABLE,
    "M_UNSUPPORTED_ROOM_VERSION": Reason.NOT_ACCEPTABLE,
    "M_UNRECOGNIZED": Reason.FEATURE_NOT_IMPLEMENTED,
    "M_USER_DEACTIVATED": Reason.GONE,
    "M_USER_LOCKED": Reason.NOT_ALLOWED,
    "M_USER_SUSPENDED": Reason.NOT_ALLOWED,
    "M_USER_IN_USE": Reason.CONFLICT,
    "M_ROOM_IN_USE": Reason.CONFLICT,
    "M_INVALID_USERNAME": Reason.JID_MALFORMED,
    "M_GUEST_ACCESS_FORBIDDEN": Reason.REGISTRATION_REQUIRED,
    "M_CONNECTION_FAILED": Reason.REMOTE_SERVER_NOT_FOUND,
    "M_CONNECTION_TIMEOUT": Reason.REMOTE_SERVER_TIMEOUT,
}

_ERRCODES = {
    Reason.BAD_REQUEST: "M_BAD_JSON",
    Reason.CONFLICT: "M_ROOM_IN_USE",
    Reason.FEATURE_NOT_IMPLEMENTED: "M_UNRECOGNIZED",
    Reason.FORBIDDEN: "M_FORBIDDEN",
    Reason.GONE: "M_USER_DEACTIVATED",
    Reason.ITEM_NOT_FOUND: "M_NOT_FOUND",
    Reason.JID_MALFORMED: "M_INVALID_USERNAME",
    Reason.NOT_ACCEPTABLE: "M_TOO_LARGE",
    Reason.NOT_ALLOWED: "M_FORBIDDEN",
    Reason.NOT_AUTHORIZED: "M_UNAUTHORIZED",
    Reason.POLICY_VIOLATION: "M_FORBIDDEN",
    Reason.REGISTRATION_REQUIRED: "M_GUEST_ACCESS_FORBIDDEN",
    Reason.REMOTE_SERVER_NOT_FOUND: "M_CONNECTION_FAILED",
    Reason.REMOTE_SERVER_TIMEOUT: "M_CONNECTION_TIMEOUT",
    Reason.RESOURCE_CONSTRAINT: "M_LIMIT_EXCEEDED",
}


class MatrixError(Exception):
    """A request to the homeserver failed.

    `status` is the HTTP status, 0 where no answer came; `errcode` the Matrix error code, "" where there was none.
    `ambiguous`: the homeserver may have carried the request out all the same. `retry_after` is in seconds.
    """

    def __init__(
        self,
        status: int,
        errcode: str,
        text: str,
        *,
        retry_after: float | None = None,
        ambiguous: bool = False,
        detail: int | None = None,
    ) -> None:
        super().__init__(f"{errcode or status or 'no answer'}: {text}")
        self.status = status
        self.errcode = errcode
        self.text = text
        self.retry_after = retry_after
        self.ambiguous = ambiguous
        self.detail = detail

    @property
    def limited(self) -> bool:
        """The homeserver is there, and asks us to wait."""
        return self.status == 429

    @property
    def unreachable(self) -> bool:
        """The homeserver gave no answer, or one that says it is not in order."""
        return self.status == 0 or self.status >= 500

    @property
    def unknown_token(self) -> bool:
        """The homeserver does not know our token: nothing at all will work until an operator acts."""
        return self.status == 401

    @property
    def temporary(self) -> bool:
        """The same request may succeed later."""
        return self.unreachable or self.limited or self.unknown_token or self.status == 408


def reason_of(errcode: str, status: int) -> Reason:
    """The model's reason for a Matrix error code, or for the bare HTTP status where the code says nothing."""
    if errcode in _REASONS:
        return _REASONS[errcode]
    if status == 0:
        return Reason.REMOTE_SERVER_TIMEOUT
    if status >= 500:
        return Reason.INTERNAL_SERVER_ERROR
    by_status = {
        400: Reason.BAD_REQUEST,
        401: Reason.NOT_AUTHORIZED,
        403: Reason.FORBIDDEN,
        404: Reason.ITEM_NOT_FOUND,
        408: Reason.REMOTE_SERVER_TIMEOUT,
        413: Reason.NOT_ACCEPTABLE,
        429: Reason.RESOURCE_CONSTRAINT,
    }
    return by_status.get(status, Reason.UNDEFINED_CONDITION)


def errcode_of(reason: Reason) -> str:
    """The Matrix error code that comes nearest to the model's reason."""
    return _ERRCODES.get(reason, "M_UNKNOWN")


def failure_of(error: MatrixError, doing: str) -> Failure:
    """What went wrong, as a value: `doing` is what was tried, as in "setting the topic"."""
    said = error.text or error.errcode or f"HTTP status {error.status}"
    return Failure(reason_of(error.errcode, error.status), f"the homeserver refused {doing}: {said}")


def send_error(error: MatrixError, doing: str) -> SendError:
    """What the core is told when a request failed for good, or for now."""
    if error.unreachable:
        failure = Failure(reason_of(error.errcode, error.status), f"the homeserver does not answer: {error.text}")
    else:
        failure = failure_of(error, doing)
    return SendError(failure, temporary=error.temporary, retry_after=error.retry_after)
