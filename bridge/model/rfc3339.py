"""Times as RFC 3339 writes them, to and from seconds since the epoch (UTC)."""

import re
from datetime import UTC, datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()
_END = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH).total_seconds() + 86400

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)


def read(text: str) -> float:
    """The moment. Digits beyond microseconds are cut off; raises `ValueError` for what RFC 3339 does not allow.

    Lower-case ``t`` and ``z`` are allowed by section 5.6, ``-00:00`` by 4.3. A leap second is the one that follows.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a time as in 2024-05-06T07:08:09Z")
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    zone: timezone = UTC
    if sign is not None:
        if hours > "23" or minutes > "59":
            raise ValueError(f"{text[:40]!r} is of no zone")
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        zone = timezone(-offset if sign == "-" else offset)
    leap = second == "60"
    micro = int(fraction[:6].ljust(6, "0")) if fraction else 0
    whole = datetime(int(year), int(month), int(day), int(hour), int(minute), 59 if leap else int(second), tzinfo=zone)
    since = whole - _EPOCH
    if leap and since.seconds != 86399:
        raise ValueError(f"{text[:40]!r} is no leap second")
    when = (since + timedelta(seconds=leap, microseconds=micro)).total_seconds()
    if not _FIRST <= when < _END:
        raise ValueError(f"{text[:40]!r} is outside of the years 1 to 9999")
    return when


def read_or_none(text: str | None) -> float | None:
    """The moment, or None for what is none; spaces around it, as XML leaves them, do not matter."""
    try:
        return read((text or "").strip())
    except ValueError:
        return None


def write(when: float) -> str:
    """In UTC, to the microsecond, with as many digits of it as are needed. Raises `ValueError` out of its range."""
    try:
        moment = _EPOCH + timedelta(seconds=when)
    except OverflowError as error:
        raise ValueError(f"{when!r} is outside of the years 1 to 9999") from error
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds" if moment.microsecond else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"
