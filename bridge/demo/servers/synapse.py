"""Synapse: a Matrix homeserver, here without federation and with its rate limits lifted."""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bridge.demo.servers.process import LOOPBACK, Server, ServerError, conversation, free_ports

PYTHON_VARIABLE = "RIALTO_SYNAPSE_PYTHON"
"""The environment variable that names an interpreter with Synapse, where it is not the one `scripts/setup` made."""

_INSTALL = "run scripts/demo or scripts/setup, which install Synapse in an environment of its own"


def synapse_python() -> Path:
    """The interpreter that has Synapse: what `PYTHON_VARIABLE` names, else the one in the checkout's ``.cache``.

    It need not exist; `Synapse.start` says so.
    """
    named = os.environ.get(PYTHON_VARIABLE)
    return Path(named) if named else Path(__file__).parents[3] / ".cache" / "synapse" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class AppService:
    """An application service's registration, as far as trying things out needs it.

    It listens on `port` of loopback, and owns users and aliases that begin with `prefix`.
    """

    port: int
    as_token: str
    hs_token: str
    id: str = "rialto"
    sender_localpart: str = "rialto"
    prefix: str = "_rialto_"
    path: str = ""
    """What the service's routes lie below, for example ``/home``."""

    @property
    def url(self) -> str:
        """Where Synapse pushes to."""
        return f"http://{LOOPBACK}:{self.port}{self.path}"

    def registration(self, server_name: str) -> str:
        """The text of the registration file (JSON, which is YAML)."""
        names = re.escape(self.prefix) + ".*:" + re.escape(server_name)
        return json.dumps(
            {
                "id": self.id,
                "url": self.url,
                "as_token": self.as_token,
                "hs_token": self.hs_token,
                "sender_localpart": self.sender_localpart,
                "rate_limited": False,
                "receive_ephemeral": True,
                "de.sorunome.msc2409.push_ephemeral": True,
                "namespaces": {
                    "users": [{"exclusive": True, "regex": f"@{names}"}],
                    "aliases": [{"exclusive": True, "regex": f"#{names}"}],
                    "rooms": [],
                },
            },
            indent=2,
        )


class Synapse(Server):
    """`python` is an interpreter that has Synapse; `registrations` are the application services' files.

    `appservice` is registered besides, where one is given. `presence` holds its settings of that name.
    Rooms get Synapse's own default version. `url`, accounts, rooms and tokens stay when it restarts.
    """

    name = "synapse"
    server_name = "localhost"
    start_within = 60.0

    def __init__(
        self,
        folder: Path,
        *,
        python: Path | None = None,
        registrations: Sequence[Path] = (),
        appservice: AppService | None = None,
        presence: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(folder)
        self._presence = {"enabled": True} if presence is None else dict(presence)
        self._appservice = appservice
        self.python = python if python is not None else synapse_python()
        self.registrations = tuple(path.absolute() for path in registrations)
        (self.port,) = free_ports(1)
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._secret = secrets.token_urlsafe(16)

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "homeserver.yaml"

    @property
    def appservice(self) -> AppService:
        """The application service that it was made with. Raises `ServerError` if there is none."""
        if self._appservice is None:
            raise ServerError("this synapse was made without an application service of its own")
        return self._appservice

    async def register(self, user: str, password: str) -> str:
        """Make an account; gives an access token of it. Raises `ServerError`.

        By the shared secret, as Synapse's admin API "Register a user" describes.
        """
        url = f"{self.url}/_synapse/admin/v1/register"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            async with session.get(url) as response:
                nonce = (await response.json())["nonce"]
            signed = "\0".join((nonce, user, password, "notadmin")).encode()
            mac = hmac.new(self._secret.encode(), signed, hashlib.sha1).hexdigest()
            body = {"nonce": nonce, "username": user, "password": password, "admin": False, "mac": mac}
            async with session.post(url, json=body) as response:
                answer = await response.json()
        token = answer.get("access_token")
        if not isinstance(token, str):
            raise ServerError(f"synapse refused to register {user}: {answer}")
        return token

    def _command(self) -> Sequence[str]:
        if not self.python.exists():
            raise ServerError(f"synapse is not installed, {self.python} does not exist: {_INSTALL}")
        return [str(self.python), "-m", "synapse.app.homeserver", "-c", str(self.config)]

    def _prepare(self) -> None:
        for registration in self.registrations:
            if not registration.exists():
                raise ServerError(f"the registration {registration} does not exist: write it before starting synapse")
        files = [str(path) for path in self.registrations]
        if self._appservice is not None:
            own = self.folder / "appservice.yaml"
            own.write_text(self._appservice.registration(self.server_name))
            own.chmod(0o600)
            files.append(str(own))
        key = self.folder / "signing.key"
        if not key.exists():
            # What `generate_signing_key` writes: algorithm, version, seed.
            seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
            key.write_text(f"ed25519 a_rialto {seed}\n")
            key.chmod(0o600)
        # JSON is YAML.
        self.config.write_text(json.dumps(self._settings(key, files), indent=2))
        self.config.chmod(0o600)
        (self.folder / "log.yaml").write_text(json.dumps(_LOGGING, indent=2))

    def _settings(self, key: Path, registrations: list[str]) -> dict[str, object]:
        unlimited = {"per_second": 100000, "burst_count": 100000}
        return {
            "server_name": self.server_name,
            "public_baseurl": f"{self.url}/",
            "pid_file": str(self.folder / "homeserver.pid"),
            "listeners": [
                {
                    "port": self.port,
                    "type": "http",
                    "tls": False,
                    "bind_addresses": [LOOPBACK],
                    "resources": [{"names": ["client"], "compress": False}],
                }
            ],
            "database": {"name": "sqlite3", "args": {"database": str(self.folder / "homeserver.db")}},
            "log_config": str(self.folder / "log.yaml"),
            "media_store_path": str(self.folder / "media"),
            "signing_key_path": str(key),
            "registration_shared_secret": self._secret,
            "macaroon_secret_key": hashlib.sha256(key.read_bytes()).hexdigest(),
            "form_secret": hashlib.sha256(b"form" + key.read_bytes()).hexdigest(),
            "report_stats": False,
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "federation_domain_whitelist": [],
            "send_federation": False,
            "url_preview_enabled": False,
            "enable_registration": False,
            "presence": self._presence,
            "app_service_config_files": registrations,
            "bcrypt_rounds": 4,
            "rc_message": unlimited,
            "rc_registration": unlimited,
            "rc_login": {"address": unlimited, "account": unlimited, "failed_attempts": unlimited},
            "rc_joins": {"local": unlimited, "remote": unlimited},
            "rc_joins_per_room": unlimited,
            "rc_invites": {"per_room": unlimited, "per_user": unlimited, "per_issuer": unlimited},
            "rc_room_creation": unlimited,
            "rc_presence": {"per_user": unlimited},
            "rc_media_create": unlimited,
            "rc_admin_redaction": unlimited,
        }

    def _ports(self) -> Sequence[int]:
        return [self.port]

    async def _answers(self) -> None:
        request = f"GET /_matrix/client/versions HTTP/1.0\r\nHost: {LOOPBACK}\r\n\r\n".encode()
        heard = await conversation(self.port, request, b"\r\n")
        if b" 200 " not in heard.partition(b"\r\n")[0]:
            raise EOFError(f"synapse said {heard[:80]!r}")


_LOGGING: dict[str, object] = {
    "version": 1,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s - %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"level": "WARNING", "handlers": ["console"]},
    "disable_existing_loggers": False,
}
