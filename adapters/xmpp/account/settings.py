"""The keys of an XMPP network that is attached by an ordinary account."""

import ipaddress
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from adapters.xmpp import ids
from adapters.xmpp.settings import SAY_GAPS_BEYOND, SILENT, bot_nick, host_and_port

DEFAULT_PORT = 5222
"""Where servers listen for clients (RFC 6120 section 14.7)."""
DIRECT_PORT = 5223
"""Where they do so with TLS from the first byte on (XEP-0368 names none; this one is in use)."""

_EXAMPLE = "xmpp.example.org"


class TlsSettings(BaseModel):
    """How the connection is protected. By default it has to be, by a certificate that is valid for the JID's domain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca: Path | None = Field(
        default=None, description="A file with the certificate authority to trust (PEM), instead of the system's."
    )
    verify: bool | None = Field(
        default=None,
        description="Whether the server's certificate has to be valid for the JID's domain. "
        "Default: true, but for a server on this very machine.",
    )
    direct: bool = Field(
        default=False, description="TLS from the first byte on (XEP-0368), instead of STARTTLS. Needs `server`."
    )
    plain: bool = Field(
        default=False, description="Go without TLS, over the network: anybody on the way can read everything."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.plain and (self.ca or self.verify or self.direct):
            raise ValueError("`plain: true` means no TLS: leave out ca, verify and direct, or leave out plain")
        if self.ca is not None and self.verify is False:
            raise ValueError("with `verify: false` nothing is checked against `ca`: leave out one of them")
        return self


class AccountSettings(BaseModel):
    """One XMPP server, attached by an ordinary account: a bot in rooms and in private."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["client"] = Field(description="How to attach: by an ordinary account.")
    jid: str = Field(description="The account: bot@example.org. Nobody else should use it.")
    password: SecretStr = Field(description="The account's password.")
    server: str | None = Field(
        default=None, description="HOST:PORT of the server. Default: what the DNS says of the JID's domain."
    )
    nick: str = Field(default="rialto", description="What the bot is called in rooms.")
    silence: float = Field(default=60.0, ge=1, le=3600, description=SILENT)
    say_gaps_beyond: float = Field(default=10.0, ge=0, le=86_400, description=SAY_GAPS_BEYOND)
    tls: TlsSettings = Field(default=TlsSettings(), description="How the connection is protected.")

    @field_validator("jid")
    @classmethod
    def _an_account(cls, value: str) -> str:
        parsed = ids.jid(value)
        if not parsed.local:
            raise ValueError(f"{value!r} names no account; write for example bot@{parsed.domain or 'example.org'}")
        return str(parsed.full)

    @field_validator("password")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value():
            raise ValueError("the password is empty; write the account's")
        return value

    @field_validator("server")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        if value is not None:
            host_and_port(value, DEFAULT_PORT, _EXAMPLE)
        return value

    @field_validator("nick")
    @classmethod
    def _a_nick(cls, value: str) -> str:
        return bot_nick(value)

    @model_validator(mode="after")
    def _direct_to_a_server(self) -> Self:
        if self.tls.direct and self.server is None:
            raise ValueError("`tls: {direct: true}` needs `server: HOST:PORT`; the DNS tells by itself which is which")
        return self

    @property
    def bare(self) -> str:
        """The account's bare JID."""
        return ids.bare(self.jid)

    @property
    def host(self) -> str:
        """The account's domain, for which the server has to have a certificate (RFC 6120 section 13.7.2)."""
        return ids.domain(self.jid)

    @property
    def resource(self) -> str:
        """Ours among the account's connections; always the same, so that after a restart it is the same occupant."""
        return ids.resource(self.jid) or ids.RESOURCE

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of the server, where they are given."""
        if self.server is None:
            return None
        host, port = host_and_port(self.server, DIRECT_PORT if self.tls.direct else DEFAULT_PORT, _EXAMPLE)
        return host.strip("[]"), port

    @property
    def nearby(self) -> bool:
        """Whether the server is on this very machine, where there is nobody on the way."""
        if self.address is None:
            return False
        host = self.address[0]
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @property
    def protected(self) -> bool:
        """Whether there has to be TLS."""
        return not self.tls.plain and (not self.nearby or self.tls != TlsSettings())

    @property
    def verified(self) -> bool:
        """Whether the certificate has to be valid."""
        if self.tls.verify is not None:
            return self.tls.verify
        return self.tls.ca is not None or not self.nearby
