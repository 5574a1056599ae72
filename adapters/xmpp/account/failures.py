"""Why an account's stream ended or could not be had, in words that say what to set."""

from adapters.xmpp.account.settings import AccountSettings
from bridge.model.result import Failure, Reason

_WORDS: dict[str, tuple[Reason, str]] = {
    "": (Reason.REMOTE_SERVER_TIMEOUT, "the XMPP server {server} closed the connection"),
    "silent": (Reason.REMOTE_SERVER_TIMEOUT, "the XMPP server {server} does not answer"),
    "unreachable": (
        Reason.REMOTE_SERVER_NOT_FOUND,
        "the XMPP server {server} cannot be reached: {reach}",
    ),
    "certificate": (
        Reason.NOT_ACCEPTABLE,
        "the certificate of {server} is not valid for {domain}: check {key}.jid and {key}.server; for a certificate "
        "authority of your own set {key}.tls.ca to its file",
    ),
    "tls": (
        Reason.NOT_ACCEPTABLE,
        "{server} and we could not agree on TLS: check that {key}.server is the port for clients, and set "
        "{key}.tls.direct to {not_direct} if it is {other_port}",
    ),
    "no-tls": (
        Reason.NOT_ACCEPTABLE,
        "{server} offers no TLS, so the password is not sent: have its operator enable it, or set {key}.tls to "
        "{{plain: true}} to go without",
    ),
    "no-login": (
        Reason.FEATURE_NOT_IMPLEMENTED,
        "{server} offers no way to log in with a password that is safe on this connection: "
        "if it wants TLS, leave {key}.tls.plain out",
    ),
    "not-authorized": (
        Reason.NOT_AUTHORIZED,
        "{server} refused the login: set {key}.jid and {key}.password to an account that exists there",
    ),
    "not-bound": (Reason.NOT_ALLOWED, "{server} gives {jid} no session"),
    "conflict": (
        Reason.CONFLICT,
        "somebody else has logged in as {jid}: is a second gateway running? Trying again",
    ),
    "host-unknown": (
        Reason.ITEM_NOT_FOUND,
        "{server} does not serve {domain}: check {key}.jid and {key}.server",
    ),
    "policy-violation": (Reason.POLICY_VIOLATION, "{server} found something we sent against its policy"),
    "not-well-formed": (
        Reason.BAD_REQUEST,
        "what {server} sends is no XMPP: check that {key}.server is its port for clients",
    ),
    "system-shutdown": (Reason.SERVICE_UNAVAILABLE, "the XMPP server {server} is shutting down"),
    "resource-constraint": (Reason.RESOURCE_CONSTRAINT, "the XMPP server {server} lacks resources"),
}


def failure(condition: str, text: str, network: str, settings: AccountSettings) -> Failure:
    """The failure for a condition of `connection.Connection` (or of a stream error) and its text."""
    key = f"networks.{network}"
    if settings.server is None:
        reach = (
            f"is the domain in {key}.jid right? If the DNS does not lead to its server, set {key}.server to HOST:PORT"
        )
    else:
        reach = f"is it running, and does it listen for clients there ({key}.server)?"
    reason, words = _WORDS.get(condition, (Reason.UNDEFINED_CONDITION, "{server} ended the stream (" + condition + ")"))
    said = words.format(
        server=settings.server or settings.host,
        domain=settings.host,
        jid=settings.bare,
        key=key,
        reach=reach,
        not_direct="false" if settings.tls.direct else "true",
        other_port="the port for STARTTLS" if settings.tls.direct else "the one for direct TLS",
    )
    return Failure(reason, f"{said} (it says: {text[:200]})" if text else said)
