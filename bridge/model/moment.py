"""Times as the presence formats write them: RFC 3339, with capital T and Z (RFC 3863 section 4.1.7). Pure."""

import re
from datetime import UTC, datetime, timedelta

_WRITTEN = re.compile(
    r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:)(\d{2})(?:\.(\d{1,6})\d*)?(Z|[+-]\d{2}:\d{2})", re.IGNORECASE | re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_moment(text: str | None) -> float | None:
    """Seconds since the epoch, to the microsecond; None for what is no RFC 3339 time. Small letters are read too."""
    found = _WRITTEN.fullmatch((text or "").strip())
    if found is None:
        return None
    minute, second, fraction, zone = found.groups()
    leap = second == "60"
    try:
        when = datetime.fromisoformat(f"{minute}{'59' if leap else second}.{(fraction or '0'):0<6}{zone}".upper())
        return (when.astimezone(UTC) + timedelta(seconds=leap) - _EPOCH).total_seconds()
    except (ValueError, OverflowError):
        return None


def write_moment(seconds: float) -> str:
    """An RFC 3339 time in UTC, to the microsecond where it is no whole second.

    Raises `ValueError` for what is no time of the years 1 to 9999.
    """
    try:
        when = _EPOCH + timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError(f"{seconds} seconds since the epoch is no time of years 1 to 9999") from error
    return when.isoformat(timespec="microseconds" if when.microsecond else "seconds").replace("+00:00", "Z")
