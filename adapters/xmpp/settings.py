"""The keys of an XMPP network in the configuration."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from adapters.xmpp import ids, nicks

DEFAULT_PORT = 5347
"""Where servers listen for components (Prosody's default; XEP-0114 names none)."""

SAY_GAPS_BEYOND = (
    "Seconds. What was said in a room while we were not in it is read from its archive, else from its history; where"
    " that does not reach back so far, and longer than this is missing, the other places are told for how long nothing"
    " was heard."
)

SILENT = (
    "Seconds. A connection on which nothing was answered for so long is asked for an answer, and given up when none has"
    " come after as many more: it may be open, and carry nothing."
)

_SERVER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@]+)(?::(?P<port>[0-9]{1,5}))?")


def host_and_port(value: str, port: int, example: str) -> tuple[str, int]:
    """Host, as it is written, and port of a server. Raises `ValueError` saying what to write instead."""
    found = _SERVER.fullmatch(value)
    number = int(found["port"] or port) if found is not None else 0
    if found is None or not 0 < number < 65536:
        raise ValueError(f"{value!r} is not HOST:PORT; write for example {example}:{port}")
    return found["host"], number


def bot_nick(value: str) -> str:
    """What the bot is called in rooms, as servers write it. Raises `ValueError` saying what to write instead."""
    found = nicks.nick(value)
    if found is None:
        raise ValueError(f"{value!r} cannot be a nick in a room; write a word, for example rialto")
    return found


def _domain(value: str, before: str = "") -> str:
    parsed = ids.jid(value)
    if parsed.local or parsed.resource or not parsed.domain:
        raise ValueError(f"{value!r} is not a domain; write for example {before}{parsed.domain or 'example.org'}")
    return str(parsed.domain)


class XmppSettings(BaseModel):
    """One XMPP server, attached as an external component (XEP-0114)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["component"] = Field(default="component", description="How to attach: as an external component.")
    server: str = Field(
        default=f"127.0.0.1:{DEFAULT_PORT}", description="HOST:PORT where the server listens for components."
    )
    domain: str = Field(description="The component's own domain, in which puppets live: bridge.example.org.")
    secret: SecretStr = Field(description="The component's secret, as it stands in the server's configuration.")
    nick: str = Field(default="rialto", description="What the bot is called in rooms.")
    people: list[str] = Field(
        default_factory=list,
        description="Other domains whose people belong to this server, besides the one that the component is part of.",
    )
    silence: float = Field(default=60.0, ge=1, le=3600, description=SILENT)
    say_gaps_beyond: float = Field(default=10.0, ge=0, le=86_400, description=SAY_GAPS_BEYOND)

    @field_validator("server")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, port = host_and_port(value, DEFAULT_PORT, "127.0.0.1")
        return f"{host}:{port}"

    @field_validator("domain")
    @classmethod
    def _own_domain(cls, value: str) -> str:
        return _domain(value, "bridge.")

    @field_validator("people")
    @classmethod
    def _domains(cls, value: list[str]) -> list[str]:
        return [_domain(domain) for domain in value]

    @field_validator("secret")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value():
            raise ValueError("the secret is empty; make one with `openssl rand -hex 32`")
        return value

    @field_validator("nick")
    @classmethod
    def _a_nick(cls, value: str) -> str:
        return bot_nick(value)

    @property
    def home(self) -> frozenset[str]:
        """The domains whose people belong to this server: the component's parent domain, and those of `people`."""
        parent = self.domain.partition(".")[2]
        return frozenset({*self.people, *filter(None, (parent,))})

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the server."""
        host, _, port = self.server.rpartition(":")
        return host.strip("[]"), int(port)
