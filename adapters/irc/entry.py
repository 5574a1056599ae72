"""How the bot comes in: the way to the server, what it introduces itself with, and which secrets that shows.

Shared by the adapter and by the check of a network before anything is bridged, which is to try the very same.
"""

import hashlib
import ipaddress
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from adapters.irc.access import Use
from adapters.irc.link.route import Policy, Remember, Route
from adapters.irc.link.tls import CertificateError, tls_context
from adapters.irc.nicks import bot_nicks
from adapters.irc.protocol.sasl import Mechanism
from adapters.irc.protocol.sender import Profile
from adapters.irc.protocol.sts import StsBook
from adapters.irc.settings import IrcSettings
from adapters.irc.standing import bot_name
from bridge.contract import Context, Remark, StartError


def bot_profile(settings: IrcSettings) -> Profile:
    """What the bot introduces itself with."""
    return Profile(
        nicks=bot_nicks(settings.nick),
        username=settings.username,
        realname=bot_name(settings.realname),
        password=settings.password.get_secret_value() if settings.password else None,
        sasl=settings.sasl.credentials() if settings.sasl else None,
        nickserv=settings.nickserv.login() if settings.nickserv else None,
        strict=True,
        encoding=settings.encoding,
        burst=settings.flood.burst,
        per_second=settings.flood.per_second,
        silence=settings.silence,
    )


def sts_policy(settings: IrcSettings, remembered: Mapping[str, str], remember: Remember) -> Policy:
    """Whether the server is spoken to by TLS: as configured, or as it demanded (STS)."""
    book = StsBook(settings.host, remembered, time.time)
    return Policy(book, settings.port, remember, secure=settings.secure)


def fingerprint(settings: IrcSettings) -> str:
    """The same as long as the configuration of the network is; secrets do not count."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()


def make_route(settings: IrcSettings, context: Context, policy: Policy, *, shown: bool) -> Route:
    """The way to the server. `shown`: with our certificate, which is the bot's and no puppet's.

    Raises `StartError` where a certificate of the configuration cannot be read.
    """
    tls, folder = settings.tls, context.folder
    ca = folder / tls.ca if tls.ca else None
    cert, key = ((folder / path if path and shown else None) for path in (tls.cert, tls.key))
    try:
        certificates = tls_context(ca, verify=tls.by_authority, cert=cert, key=key)
    except CertificateError as error:
        raise StartError(f"networks.{context.network}.tls.{error.key}: {error}") from error
    files = {name: str(path) for name, path in (("ca", ca), ("cert", cert), ("key", key)) if path is not None}
    made_of = {**files, "verify": tls.by_authority, "alpn": ["irc"]}
    return Route(settings.host, policy, certificates, tls.pins, f"networks.{context.network}.server", made_of)


def examine(settings: IrcSettings, context: Context) -> Iterator[Remark]:
    """What there is to say of the settings before the server is asked: see `bridge.contract.Examining`."""
    yield from _files(settings, context)
    if not settings.tls.verify and not is_loopback(settings.host):
        mend = "name its authority in `ca`, or its fingerprint in `pin`"
        yield Remark("tls.verify", f"{ANY_CERTIFICATE}: {mend}")
    if readable := readable_secrets(settings, secure=settings.secure):
        yield Remark("server", f"{exposed(readable)}: write ircs://")


ANY_CERTIFICATE = "any certificate is accepted, so that anybody on the way can read and change everything"


def exposed(keys: Iterable[str]) -> str:
    """What there is to say of secrets that can be read on the way, by their keys."""
    return f"without TLS anybody on the way can read the passwords of {' and '.join(f'`{key}`' for key in keys)}"


def _files(settings: IrcSettings, context: Context) -> Iterator[Remark]:
    tls, folder = settings.tls, context.folder
    unread = False
    for key in ("ca", "cert", "key"):
        file: Path | None = getattr(tls, key)
        if file is None:
            continue
        try:
            (folder / file).open("rb").close()
        except OSError as error:
            unread = True
            text = f"{folder / file} cannot be read ({error.strerror or error}); write the path of a PEM file"
            yield Remark(f"tls.{key}", text, fatal=True)
    if unread:
        return
    try:
        tls_context(tls.ca and folder / tls.ca, cert=tls.cert and folder / tls.cert, key=tls.key and folder / tls.key)
    except CertificateError as error:
        yield Remark(f"tls.{error.key}", str(error), fatal=True)


def readable_secrets(settings: IrcSettings, *, secure: bool) -> tuple[str, ...]:
    """The keys of the secrets that anybody on the way to the server can read; none by TLS, or where there is no way.

    SCRAM and EXTERNAL show no secret to a listener.
    """
    if secure or is_loopback(settings.host):
        return ()
    sasl = settings.sasl
    sent = {
        "password": settings.password is not None,
        "sasl": sasl is not None and sasl.use is not Use.OFF and sasl.mechanism is Mechanism.PLAIN,
        "nickserv": settings.nickserv is not None,
        "webirc": settings.webirc is not None and settings.puppets > 0,
    }
    return tuple(key for key, is_sent in sent.items() if is_sent)


def is_loopback(host: str) -> bool:
    """Whether what goes to this host never leaves the machine (RFC 1122 section 3.2.1.3, RFC 4291, RFC 6761)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
