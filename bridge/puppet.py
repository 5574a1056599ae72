"""What is known of one puppet in one place. State of the reconciler, which alone decides what follows from it."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf


class Actual(StrEnum):
    """What a puppet in a place is, as far as we know."""

    ABSENT = "absent"
    PRESENT = "present"
    LEAVING = "leaving"  # on its way out: it cannot speak, and is to be joined anew


@dataclass(slots=True)
class Puppet:
    """A puppet in one place, as the event loop that owns it sees it."""

    actual: Actual = Actual.ABSENT
    name: str = ""
    since: float = -inf  # when it came, by the event loop's clock; for ever ago, where others told us that it is there
    late: bool = False  # no lane waits for it, until it has come or has been renamed
    failures: int = 0
    retry: asyncio.TimerHandle | None = None
    tried: str | None = None  # the name of the last attempt, None if that was to leave
    speaks_as: str | None = None  # the name under which a lane wants it to speak, until its deliveries ended
    waiters: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def there(self) -> str | None:
        """The name under which it is present, None if it is not."""
        return self.name if self.actual is Actual.PRESENT else None

    def came(self, name: str, since: float = -inf) -> None:
        """It is there under this name, since that time of the event loop's clock."""
        self.actual, self.name, self.since, self.late = Actual.PRESENT, name, since, False

    def release(self) -> None:
        """Let those who wait for it go on."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()

    def do_not_retry(self) -> None:
        """Give up the attempt that was to be made later."""
        if self.retry is not None:
            self.retry.cancel()
            self.retry = None
