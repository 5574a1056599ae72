"""The operations of the presence service (RFC 3859 section 3.4), and the subscriptions that they make."""

from dataclasses import dataclass
from enum import StrEnum

from bridge.model.address import Address
from bridge.model.presence import Presence
from bridge.model.result import Failure, Status


class SubscriptionState(StrEnum):
    """RFC 3857 section 4.7.1's states, in its own spelling, but for ``init``, which nobody ever sees."""

    PENDING = "pending"
    ACTIVE = "active"
    WAITING = "waiting"
    TERMINATED = "terminated"


class SubscriptionEvent(StrEnum):
    """What brought a subscription to its state (RFC 3857 section 4.7.1)."""

    SUBSCRIBE = "subscribe"
    APPROVED = "approved"
    DEACTIVATED = "deactivated"
    PROBATION = "probation"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    GIVEUP = "giveup"
    NORESOURCE = "noresource"


@dataclass(frozen=True, slots=True)
class Subscribe:
    """RFC 3859 sections 3.4.1 and 3.4.3. `duration` is in seconds; None asks for a subscription without end, which the
    networks know and RFC 3859 does not. 0 with a new `subscription_id` fetches once, with a known one cancels."""

    watcher: Address
    target: Address
    duration: float | None
    subscription_id: str
    transaction_id: str


@dataclass(frozen=True, slots=True)
class Response:
    """RFC 3859 section 3.1: success or failure, never indeterminant. `duration` as granted.

    `failure` says why, which the RFC has no field for, and each network a word.
    """

    transaction_id: str
    status: Status
    duration: float | None = 0.0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Notify:
    """RFC 3859 section 3.4.2: what this watcher may know now. There is no response to it.

    `state` and `event` are how the subscription stands, for which the RFC has no field, and each network a word.
    """

    watcher: Address
    target: Address
    transaction_id: str
    presence: Presence
    state: SubscriptionState = SubscriptionState.ACTIVE
    event: SubscriptionEvent = SubscriptionEvent.SUBSCRIBE


@dataclass(frozen=True, slots=True)
class Subscription:
    """A watcher's wish to know of a target.

    Times are seconds since the epoch: `created`, of the first subscribe; `changed`, since when it is in this state;
    `expires`, None for one without end.
    """

    id: str
    watcher: Address
    target: Address
    state: SubscriptionState
    event: SubscriptionEvent
    created: float
    changed: float
    expires: float | None = None

    @property
    def running(self) -> bool:
        """Whether the watcher is told, now or as soon as the target allows it."""
        return self.state in (SubscriptionState.PENDING, SubscriptionState.ACTIVE)
