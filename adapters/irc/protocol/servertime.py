"""Times as IRCv3 server-time writes them: ISO 8601, in UTC, to the millisecond."""

from datetime import UTC, datetime


def timestamp(tag: str, otherwise: float) -> float:
    """A ``time`` tag in seconds since the epoch; `otherwise` for none that can be read."""
    if not tag:
        return otherwise
    try:
        parsed = datetime.fromisoformat(tag)
        return parsed.timestamp() if parsed.tzinfo is not None else otherwise
    except (ValueError, OverflowError, OSError):
        return otherwise


def written(seconds: float) -> str:
    """Seconds since the epoch as such a time, cut to the millisecond; before the epoch, the epoch."""
    milliseconds = max(0, round(seconds * 1_000_000) // 1000)
    at = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
    return f"{at.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
