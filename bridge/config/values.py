"""Values that the configuration writes in a form of its own: durations, where to listen, where the store is.

Each reader raises `ValueError` with words that say what to write instead.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator

_DURATION = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION_HELP = "write a whole number and its unit (s, m, h, d), for example 30s, 15m, 1h or 90d"
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*", re.ASCII)
_LISTEN_HELP = "write HOST:PORT, for example 127.0.0.1:29330 or [::1]:29330"
_STORE_HELP = (
    "write sqlite:/// and the path of a file, for example sqlite:///rialto.db or sqlite:////var/lib/rialto.db, "
    "or postgresql:// and where the database is, for example postgresql://user@host/rialto"
)


def parse_duration(value: Any) -> int:
    """Read a duration as the configuration writes it; seconds. Raises `ValueError`."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_DURATION_HELP)
    return int(match[1]) * _SECONDS[match[2]]


def format_duration(seconds: int) -> str:
    """The shortest way to write a duration that `parse_duration` reads back."""
    unit = next(unit for unit, size in _SECONDS.items() if seconds % size == 0 and (seconds or unit == "s"))
    return f"{seconds // _SECONDS[unit]}{unit}"


@dataclass(frozen=True, slots=True)
class Listen:
    """A TCP address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def reachable(self) -> "Listen":
        """Where a program on the same machine reaches it: loopback, where it listens on every address."""
        anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared with, not listened on
        return Listen(anywhere.get(self.host, self.host), self.port)


def parse_listen(value: Any) -> Any:
    """Read ``HOST:PORT`` to a `Listen`. Raises `ValueError`."""
    if isinstance(value, Listen):
        return value
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 0 < int(port) < 65_536:
        raise ValueError(_LISTEN_HELP)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            if ip_address(host).version != 6:
                raise ValueError(_LISTEN_HELP)
        except ValueError:
            raise ValueError(_LISTEN_HELP) from None
    elif not _HOST.fullmatch(host):
        raise ValueError(_LISTEN_HELP)
    return Listen(host, int(port))


def parse_store(value: Any) -> str:
    """Check the store's URL. Raises `ValueError`."""
    if not isinstance(value, str):
        raise ValueError(_STORE_HELP)
    if value.startswith("postgresql://"):
        return _postgresql(value)
    path = value.removeprefix("sqlite:///")
    if path == value or not path or any(mark in path for mark in "?#\0\r\n"):
        raise ValueError(_STORE_HELP)
    if path == ":memory:":
        raise ValueError("a store in memory would lose what it promised to deliver; " + _STORE_HELP)
    return value


def _postgresql(value: str) -> str:
    try:
        parts = urlsplit(value)
        sound = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(_STORE_HELP) from None
    if not sound or not value.isprintable() or " " in value or "#" in value or not parts.path.strip("/"):
        raise ValueError(_STORE_HELP)
    return value


def parse_public_url(value: Any) -> str:
    """Check an ``http`` or ``https`` URL without query, without a slash at its end. Raises `ValueError`."""
    text = value if isinstance(value, str) else ""
    words = "write a URL without query or slash at the end, for example https://bridge.example.org"
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ValueError(words) from None
    if not sound or not text.isprintable() or " " in text or any(mark in text for mark in "?#@") or text[-1] == "/":
        raise ValueError(words)
    return text


@dataclass(frozen=True, slots=True)
class Written:
    """How the reference page words a type and writes a default of it."""

    words: str
    default: Any = str


Duration = Annotated[
    int, BeforeValidator(parse_duration), Written("duration: `30s`, `15m`, `1h`, `90d`", format_duration)
]
ListenOn = Annotated[Listen, BeforeValidator(parse_listen), Written("HOST:PORT")]
StoreUrl = Annotated[str, BeforeValidator(parse_store), Written("URL")]
PublicUrl = Annotated[str, BeforeValidator(parse_public_url), Written("URL")]
