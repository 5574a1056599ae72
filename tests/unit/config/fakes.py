"""Small factories that keep what `bridge.contract.Factory` promises, so that these tests need no adapter."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, SecretStr

from bridge.contract import Adapter, Context, Factory


class XmppSettings(BaseModel):
    server: str = Field(default="127.0.0.1:5347", description="The component port.")
    domain: str = Field(description="The component's domain.")
    secret: SecretStr = Field(description="What the server and the component share.")


class MatrixSettings(BaseModel):
    homeserver: str = Field(description="Where the homeserver answers.")
    domain: str = Field(description="The homeserver's name.")
    as_token: SecretStr = Field(description="What Rialto shows the homeserver.")
    hs_token: SecretStr = Field(description="What the homeserver shows Rialto.")
    prefix: str = Field(default="_rialto_", description="How puppets' localparts begin.")


class Tls(BaseModel):
    ca: str | None = Field(default=None, description="The authority to trust.")
    verify: bool = Field(default=True, description="Whether to check the certificate.")


class IrcSettings(BaseModel):
    server: str = Field(description="The server's URL.")
    nick: str = Field(default="rialto", max_length=30, description="The bot's nick.")
    puppets: int = Field(default=0, ge=0, le=1000, description="Connections for foreign users.")
    encodings: list[str] = Field(default=["utf-8"], description="Encodings to try.")
    flood: Literal["strict", "none"] = Field(default="strict", description="How fast to write.")
    password: SecretStr | None = Field(default=None, description="The server's password.")
    tls: Tls = Field(default=Tls(), description="Transport security.")


@dataclass(frozen=True)
class Fake:
    """A factory that canonicalises by folding case and adapts nothing."""

    kind: str
    settings: type[BaseModel]
    sign: str

    def create(self, settings: Any, context: Context) -> Adapter:
        raise AssertionError("the configuration builds no adapters")

    def place(self, native: str, settings: Any) -> str:
        if self.sign not in native:
            raise ValueError(f"write a room with {self.sign!r} in it")
        return native.lower()

    def person(self, native: str, settings: Any) -> str:
        return native

    def registration(self, settings: Any, context: Context) -> str:
        return f"# {context.network} at {context.http_url} in {context.folder.name}\n"


class _Kinds:
    xmpp: ClassVar[Any] = Fake("xmpp", XmppSettings, "@")
    matrix: ClassVar[Any] = Fake("matrix", MatrixSettings, ":")
    irc: ClassVar[Any] = Fake("irc", IrcSettings, "#")


FACTORIES: dict[str, Factory] = {"irc": _Kinds.irc, "matrix": _Kinds.matrix, "xmpp": _Kinds.xmpp}

GOOD = """\
http:
  admin_token: admin-token
networks:
  office:
    kind: xmpp
    domain: bridge.example.org
    secret: office-secret
  home:
    kind: matrix
    homeserver: http://127.0.0.1:8008
    domain: example.org
    as_token: as-token
    hs_token: hs-token
  libera:
    kind: irc
    server: ircs://irc.libera.chat:6697
    puppets: 50
rooms:
  lobby:
    office: lobby@conference.example.org
    home: "#lobby:example.org"
    libera: "#Lobby"
"""


def write(folder: Path, text: str) -> Path:
    """A configuration file that only its owner reads."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path
