"""The keys by which an IRC network lets us in: ``tls``, ``sasl``, ``nickserv`` and ``webirc``."""

import ipaddress
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator, model_validator

from adapters.irc.link.tls import Pin
from adapters.irc.protocol import webirc
from adapters.irc.protocol.nickserv import NickServLogin
from adapters.irc.protocol.sasl import Credentials, Mechanism
from adapters.irc.protocol.scram import saslprep

# What is sent on entry must fit into lines of 512 bytes; an account and a password together into a SASL message, for
# which servers have room of some hundred bytes only.
_WORD_BYTES: Final = 64
_SECRET_BYTES: Final = 200


class Tls(BaseModel):
    """How the server's certificate is checked, and which one of ours it is shown. For ``ircs://``, and for servers that
    send us from ``irc://`` to TLS."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca: Path | None = None
    """A PEM file of the authorities to trust instead of the system's."""
    verify: bool = True
    """False accepts any certificate: anyone on the way can then read and write everything."""
    pin: str | tuple[str, ...] = ()
    """Fingerprints of the server's certificate, ``sha-256:HEX`` or ``sha-512:HEX``, one or a list: it must show one of
    these. Authority and name are not asked then, unless ``ca`` is set as well."""
    cert: Path | None = None
    """A PEM file of our own certificate, for ``sasl: {mechanism: EXTERNAL}`` or CertFP. The bot alone shows it."""
    key: Path | None = None
    """A PEM file of its private key, not encrypted, if that is not in the same file."""

    @field_validator("pin")
    @classmethod
    def _pin(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(Pin.parse(text)) for text in ([value] if isinstance(value, str) else value))

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.key is not None and self.cert is None:
            raise ValueError("there is a `key` without a `cert`; name the certificate's file, too")
        if self.pin and not self.verify:
            raise ValueError("`verify: false` accepts any certificate; remove it, or `pin`")
        return self

    @property
    def pins(self) -> tuple[Pin, ...]:
        """The fingerprints to check, if any."""
        return tuple(map(Pin.parse, self.pin))

    @property
    def by_authority(self) -> bool:
        """Whether an authority has to vouch for the certificate, and its name be right."""
        return self.verify and (not self.pin or self.ca is not None)


class Use(StrEnum):
    """Whether we log in."""

    REQUIRED = "required"
    PREFERRED = "preferred"
    OFF = "off"


class Sasl(BaseModel):
    """The bot's account with the network, logged in to before it comes in. Puppets never use it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mechanism: Mechanism = Mechanism.PLAIN
    """``PLAIN`` (only with TLS is the password safe), ``SCRAM-SHA-256``, or ``EXTERNAL``: by ``tls: {cert}``."""
    user: str = ""
    """The account. May be left out with EXTERNAL, where the certificate tells it."""
    password: SecretStr = SecretStr("")
    """The account's password. Not used with EXTERNAL."""
    use: Use = Use.REQUIRED
    """``required``: rather stay away than come without the account. ``preferred``: come all the same. ``off``."""

    @field_validator("mechanism", mode="before")
    @classmethod
    def _mechanism(cls, value: Any) -> Any:
        known = {mechanism.value for mechanism in Mechanism}
        text = str(value).upper()
        if text not in known:
            raise ValueError(f"{value!r} is no SASL mechanism known here; write {', '.join(sorted(known))}")
        return text

    @field_validator("use", mode="before")
    @classmethod
    def _use(cls, value: Any) -> Any:
        # YAML reads a bare `off` as false.
        return Use.OFF if value is False else value

    @field_validator("user")
    @classmethod
    def _user(cls, value: str) -> str:
        return legal_account(value)

    @field_validator("password")
    @classmethod
    def _password(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        if secret and (not secret.isprintable() or len(secret.encode()) > _SECRET_BYTES):
            raise ValueError(f"the password is longer than {_SECRET_BYTES} bytes, or holds a control character")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.use is Use.OFF or self.mechanism is Mechanism.EXTERNAL:
            return self
        if not self.user or not self.password.get_secret_value():
            raise ValueError(f"{self.mechanism} needs a `user` and a `password`")
        if self.mechanism is Mechanism.SCRAM_SHA_256:
            for value in (self.user, self.password.get_secret_value()):
                saslprep(value)
        return self

    def credentials(self) -> Credentials | None:
        """What to log in with; None with ``use: off``."""
        if self.use is Use.OFF:
            return None
        return Credentials(self.mechanism, self.user, self.password.get_secret_value(), self.use is Use.REQUIRED)


class NickServ(BaseModel):
    """The bot's account with the network's nickname services, where these know no SASL."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    password: SecretStr
    """The password of the account, sent by IDENTIFY."""
    user: str = ""
    """The account, where it is not that of the bot's nick."""
    service: str = "NickServ"
    """Whom to write to. Better ``NickServ@SERVICES.HOST``, where the network has it: nobody else can take that name."""

    @field_validator("password")
    @classmethod
    def _password(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        if not secret or not secret.isprintable() or " " in secret or len(secret.encode()) > _SECRET_BYTES:
            raise ValueError("the password is empty, too long, or holds a space or a control character")
        return value

    @field_validator("user")
    @classmethod
    def _user(cls, value: str) -> str:
        return legal_account(value)

    @field_validator("service")
    @classmethod
    def _service(cls, value: str) -> str:
        if not value.isprintable() or not value or any(c in " ,:!#&" for c in value) or len(value) > _WORD_BYTES:
            raise ValueError(f"{value!r} cannot be a service; write NickServ, or NickServ@services.example.org")
        return value

    def login(self) -> NickServLogin:
        """What to log in with."""
        return NickServLogin(self.password.get_secret_value(), self.user, self.service)


class Webirc(BaseModel):
    """Lets the server see each puppet come from a host and an address of its own; its operators must have allowed it
    (ngIRCd: ``WebircPassword``; InspIRCd: module ``cgiirc``; UnrealIRCd: ``webirc``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    password: SecretStr
    """The password that the operators set for us."""
    name: str = "rialto"
    """Our name as a gateway, if they set one."""
    domain: str = webirc.DOMAIN
    """What the puppets' hosts end in, after a word that stands for the person."""
    addresses: ipaddress.IPv4Network | ipaddress.IPv6Network = webirc.ADDRESSES
    """The range of the puppets' addresses. Each person has one of it, always the same; a small range is shared."""

    @field_validator("password")
    @classmethod
    def _password(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        bad = not secret or not secret.isprintable() or " " in secret or secret.startswith(":")
        if bad or len(secret.encode()) > _SECRET_BYTES:
            raise ValueError("the password is empty, too long, begins with a colon, or holds a space")
        return value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not value.isprintable() or not value or any(c in " :@!" for c in value) or len(value) > _WORD_BYTES:
            raise ValueError(f"{value!r} cannot be a gateway's name; write a few letters, e.g. rialto")
        return value

    @field_validator("domain")
    @classmethod
    def _domain(cls, value: str) -> str:
        if not webirc.legal_domain(value):
            raise ValueError(f"{value!r} cannot end a host name; write letters, digits, dots and -, e.g. rialto")
        return value

    @field_validator("addresses", mode="before")
    @classmethod
    def _addresses(cls, value: Any) -> Any:
        try:
            return ipaddress.ip_network(value)
        except ValueError as error:
            raise ValueError(f"{error}; write a range such as 10.20.0.0/16 or fd00:1234::/64") from None

    def gateway(self) -> webirc.Gateway:
        """What gives each person an identity."""
        return webirc.Gateway(self.password.get_secret_value(), self.name, self.domain, self.addresses)


def legal_account(value: str) -> str:
    """The name of an account. Raises `ValueError` for what cannot be one."""
    if value and (not value.isprintable() or " " in value or value[0] == ":" or len(value.encode()) > _WORD_BYTES):
        raise ValueError(f"{value!r} cannot be an account; write its name, without spaces")
    return value
