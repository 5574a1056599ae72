"""The keys of an XMPP network in the configuration."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from adapters.xmpp import ids, nicks

DEFAULT_PORT = 5347
"""Where servers listen for components (Prosody's default; XEP-0114 names none)."""

_SERVER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@]+)(?::(?P<port>[0-9]{1,5}))?")


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

    @field_validator("mode", mode="before")
    @classmethod
    def _component_only(cls, value: object) -> object:
        if value == "client":
            raise ValueError(
                "mode: client (an ordinary account, without the server's administrator) comes later; "
                "write mode: component, or leave it out"
            )
        return value

    @field_validator("server")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        found = _SERVER.fullmatch(value)
        port = int(found["port"] or DEFAULT_PORT) if found is not None else 0
        if found is None or not 0 < port < 65536:
            raise ValueError(f"{value!r} is not HOST:PORT; write for example 127.0.0.1:{DEFAULT_PORT}")
        return f"{found['host']}:{port}"

    @field_validator("domain")
    @classmethod
    def _own_domain(cls, value: str) -> str:
        parsed = ids.jid(value)
        if parsed.local or parsed.resource:
            raise ValueError(f"{value!r} is not a domain; write for example bridge.{parsed.domain}")
        return str(parsed.domain)

    @field_validator("secret")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value():
            raise ValueError("the secret is empty; make one with `openssl rand -hex 32`")
        return value

    @field_validator("nick")
    @classmethod
    def _a_nick(cls, value: str) -> str:
        found = nicks.nick(value)
        if found is None:
            raise ValueError(f"{value!r} cannot be a nick in a room; write a word, for example rialto")
        return found

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the server."""
        host, _, port = self.server.rpartition(":")
        return host.strip("[]"), int(port)
