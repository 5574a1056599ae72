"""Whether a server's clock and ours agree. Messages carry both, and are ordered, expired and fetched again by them."""

from bridge.contract import Finding

OFF = 5.0
"""Seconds by which two clocks may differ: more than a slow network and a coarse stamp explain, less than harms."""


def compared(whose: str, theirs: float, sent: float, received: float, *, resolution: float = 0.0) -> Finding:
    """What there is to say of a clock that showed `theirs` some time between our asking and our getting the answer.

    All are seconds since the epoch, `sent` and `received` by our own clock. `resolution` is the step in seconds to
    which the answer was rounded down. `whose` completes "the clock of ...".
    """
    # Whatever lies between the two ends of the wait is no difference.
    ahead = max(sent - theirs - resolution, 0.0) - max(theirs - received, 0.0)
    if abs(ahead) <= OFF:
        return Finding(True, f"the clock of {whose} agrees with ours")
    way = "ahead of" if ahead > 0 else "behind"
    return Finding(
        False,
        f"our clock is {_span(abs(ahead))} {way} that of {whose}: one of them is wrong; let both be set from the "
        "network (`timedatectl set-ntp true`)",
    )


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 1.95 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
