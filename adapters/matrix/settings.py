"""The keys of a Matrix network in the configuration."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from adapters.matrix.ids import LOCALPART, SERVER_NAME
from bridge.contract import Context

_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
TOKEN = re.compile(r"[\x21-\x7e]+")


def server_url(value: str) -> str:
    """The URL of a server without a slash at its end. Raises `ValueError` saying what to write instead."""
    if not _URL.fullmatch(value):
        raise ValueError(f"{value!r} is not the URL of a server; write http://HOST:PORT or https://HOST")
    return value.rstrip("/")


class MatrixSettings(BaseModel):
    """One homeserver, attached as an application service.

    `homeserver` is the URL of its client-server API as seen from here; `domain` is the server name in its user ids;
    both tokens are secrets shared with it by the registration file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["appservice"] = Field(default="appservice", description="How to attach: as an application service.")
    homeserver: str = Field(description="URL of the homeserver's client-server API, as reached from here.")
    domain: str = Field(description="The server name in the homeserver's user ids, for example example.org.")
    as_token: SecretStr = Field(description="Secret by which the homeserver knows us.")
    hs_token: SecretStr = Field(description="Secret by which we know the homeserver.")
    id: str | None = Field(default=None, description="Id of the registration; rialto-NETWORK if not given.")
    bot: str = Field(default="rialto", description="Localpart of the bot's user id.")
    bot_name: str = Field(default="Rialto", description="The bot's display name.")
    prefix: str = Field(default="_rialto_", description="What the localparts of puppets begin with.")
    url: str | None = Field(default=None, description="Where the homeserver reaches us, if not at http.listen.")
    silence: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="Seconds between two checks that the homeserver answers and reaches us, each of which may take as "
        "long.",
    )
    presence: bool = Field(
        default=True,
        description="Whether puppets show the presence of their owners, and users' presence is told to other networks.",
    )

    @field_validator("homeserver", "url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        return value if value is None else server_url(value)

    @field_validator("domain")
    @classmethod
    def _server_name(cls, value: str) -> str:
        if not SERVER_NAME.fullmatch(value):
            raise ValueError(f"{value!r} is not a server name; write what stands after the colon in its user ids")
        return value

    @field_validator("bot", "prefix")
    @classmethod
    def _local(cls, value: str) -> str:
        if not LOCALPART.fullmatch(value) or len(value) > 64:
            raise ValueError(f"{value!r} cannot be in a user id; use a-z, 0-9 and ._=/+-, at most 64 characters")
        return value

    @field_validator("id")
    @classmethod
    def _id(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9._~-]{1,100}", value):
            raise ValueError(f"{value!r} cannot be a registration's id; use letters, digits and ._~-")
        return value

    @field_validator("as_token", "hs_token")
    @classmethod
    def _token(cls, value: SecretStr) -> SecretStr:
        if not TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("a token is one word of ASCII characters; make one with `openssl rand -hex 32`")
        return value

    @model_validator(mode="after")
    def _apart(self) -> "MatrixSettings":
        if self.as_token.get_secret_value() == self.hs_token.get_secret_value():
            raise ValueError("as_token and hs_token must differ")
        if self.bot.startswith(self.prefix):
            raise ValueError("the bot's localpart must not begin with the puppets' prefix")
        return self

    def registration_id(self, context: Context) -> str:
        """The registration's id."""
        return self.id or f"rialto-{context.network}"

    def reached_at(self, context: Context) -> str:
        """Where the homeserver reaches our routes, without a slash at the end."""
        return (self.url or context.http_url).rstrip("/")
