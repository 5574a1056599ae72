"""Strict transport security (IRCv3 sts): a server that was reached by TLS once is not spoken to in clear again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "sts/"
"""What the keys of remembered policies begin with."""

LONGEST: Final = 10 * 365 * 86400
"""Seconds that a policy is believed for at most; what asks for more means for ever."""


@dataclass(frozen=True, slots=True)
class Told:
    """The value of the capability, as far as it could be read."""

    port: int | None = None
    duration: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Speak TLS on `port` until `until` (seconds since the epoch); `duration` counts again from each disconnect."""

    port: int
    duration: int
    until: float


def parse(value: str) -> Told:
    """Read ``port=6697,duration=2592000``. Unknown keys, and values that are no numbers in range, are passed over."""
    found: dict[str, int] = {}
    for item in value.split(","):
        key, _, number = item.partition("=")
        if number.isascii() and number.isdigit() and len(number) <= 20:
            found.setdefault(key, int(number))
    port, duration = found.get("port"), found.get("duration")
    return Told(
        port if port is not None and 0 < port < 65536 else None,
        None if duration is None else min(duration, LONGEST),
    )


class StsBook:
    """The policy of one host, as remembered. `now` gives seconds since the epoch.

    What is to be kept durably is handed out by `heard` and `parted`, to be remembered by whoever can.
    """

    def __init__(self, host: str, remembered: Mapping[str, str], now: Callable[[], float]) -> None:
        self._key = PREFIX + host.lower()
        self._now = now
        self._upgrade: int | None = None
        self._policy = _read(remembered.get(self._key, ""))

    @property
    def port(self) -> int | None:
        """The port to speak TLS on, while plain connections are forbidden."""
        if self._policy is not None and self._now() < self._policy.until:
            return self._policy.port
        return self._upgrade

    def heard(self, told: Told, port: int, *, secure: bool) -> Mapping[str, str | None]:
        """A server told its policy on a connection to `port`. What to remember; None forgets."""
        if not secure:
            # The duration means nothing here, and nothing is kept: anybody on the way may have written it.
            self._upgrade = told.port
            return {}
        if told.duration is None:
            return {}
        if told.duration == 0:
            self._policy = self._upgrade = None
            return {self._key: None}
        self._policy = Policy(port, told.duration, self._now() + told.duration)
        return self._kept()

    def parted(self) -> Mapping[str, str | None]:
        """A connection by TLS ended: the policy's time begins anew."""
        if self._policy is None or self._now() >= self._policy.until:
            return {}
        self._policy = Policy(self._policy.port, self._policy.duration, self._now() + self._policy.duration)
        return self._kept()

    def _kept(self) -> Mapping[str, str | None]:
        policy = self._policy
        return {} if policy is None else {self._key: f"{policy.port} {policy.duration} {policy.until:.0f}"}


def _read(text: str) -> Policy | None:
    try:
        port, duration, until = (int(word) for word in text.split())
    except ValueError:
        return None
    return Policy(port, duration, until) if 0 < port < 65536 and 0 < duration <= LONGEST else None
