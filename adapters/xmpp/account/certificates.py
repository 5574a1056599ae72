"""Whose certificates are trusted, and what is said of a file that names nobody."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from adapters.xmpp.account.settings import AccountSettings
from bridge.contract import Remark


def trusted(settings: AccountSettings, folder: Path) -> ssl.SSLContext:
    """How certificates are checked. Reads files, for some 100 ms. Raises `OSError` if the file of ``tls.ca`` cannot be
    read as certificates."""
    if not settings.verified:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return ssl.create_default_context(cafile=folder / settings.tls.ca if settings.tls.ca else None)


def unreadable(settings: AccountSettings, error: OSError) -> str:
    """What is wrong with ``tls.ca``, and what to write instead."""
    return f"{settings.tls.ca} cannot be read as certificates ({error.strerror or error}); write the path of a PEM file"


def examine(settings: AccountSettings, folder: Path) -> Iterator[Remark]:
    """What there is to say of the settings before the server is asked: see `bridge.contract.Examining`."""
    try:
        trusted(settings, folder)
    except OSError as error:
        yield Remark("tls.ca", unreadable(settings, error), fatal=True)
    if settings.nearby:
        return  # there is nobody on the way
    if settings.tls.verify is False:
        text = "any certificate is accepted, so that anybody on the way can read and change everything"
        yield Remark("tls.verify", f"{text}: name its authority in `ca`")
    if settings.tls.plain:
        yield Remark("tls.plain", "anybody on the way can read the password, and all that is said: leave it out")
