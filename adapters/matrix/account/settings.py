"""The keys of a Matrix network that is attached through an ordinary account."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from adapters.matrix.ids import user_reference
from adapters.matrix.settings import TOKEN, server_url


class AccountSettings(BaseModel):
    """One account on one homeserver, which no administrator needs to know of.

    Either `access_token` or `password` is given. With a password one session is begun and kept: its token is then a
    secret in Rialto's own store.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["user"] = Field(description="How to attach: through an ordinary account, without an administrator.")
    homeserver: str = Field(description="URL of the homeserver's client-server API, as reached from here.")
    user_id: str = Field(description='The account: "@NAME:DOMAIN". Best one that nobody else uses.')
    access_token: SecretStr | None = Field(
        default=None, description="Access token of a session of the account. Instead of password."
    )
    password: SecretStr | None = Field(
        default=None,
        description="The account's password. Instead of access_token. It is used once: the session it begins is kept, "
        "and the store then holds a secret, the session's token.",
    )
    device_name: str = Field(
        default="Rialto", max_length=100, description="What a session begun by password is called in the account."
    )

    @field_validator("homeserver")
    @classmethod
    def _http(cls, value: str) -> str:
        return server_url(value)

    @field_validator("user_id")
    @classmethod
    def _user(cls, value: str) -> str:
        return user_reference(value)

    @field_validator("access_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("an access token is one word of ASCII characters; a client shows it in its settings")
        return value

    @field_validator("password")
    @classmethod
    def _secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value():
            raise ValueError("is empty; write the account's password, or access_token instead")
        return value

    @model_validator(mode="after")
    def _one_of_two(self) -> "AccountSettings":
        if (self.access_token is None) == (self.password is None):
            raise ValueError("write either access_token or password, and not both")
        return self
