"""A value to the octets of a ``message/cpim`` object, of which none is made that `loads` would not take, strictly."""

from collections.abc import Iterable

from bridge.model import rfc3339
from bridge.model.cpim import mime
from bridge.model.cpim.escapes import escape
from bridge.model.cpim.grammar import ABSOLUTE_URI, LANGUAGE, NAME, TOKEN, WORDS
from bridge.model.cpim.values import CORE, CORE_HEADERS, CpimError, CpimMessage, Extension, HeaderName, Mailbox, Subject

OUTER = b"Content-Type: Message/CPIM\r\n\r\n"

# How others abbreviate what they know; a prefix means nothing, but people read it.
_PREFIXES = {"urn:ietf:params:imdn": "imdn", "org.rialto.bridge:cpim": "rialto"}


def dumps(message: CpimMessage) -> bytes:
    """The object, to go where ``Content-Type: message/cpim`` is said already. What was received is given back octet by
    octet. Raises `CpimError` for a value that cannot be written down without a change."""
    return message.octets[message.start :] if message.octets else _written(message)


def entity(message: CpimMessage) -> bytes:
    """The object with the MIME header that names its type before it: what a file holds, and what is signed."""
    return message.octets if message.start else OUTER + dumps(message)


def _written(message: CpimMessage) -> bytes:
    prefixes = _declare(message)
    if not message.to:
        raise CpimError("is missing", "To")
    if message.when is None:
        raise CpimError("is missing", "DateTime")
    try:
        when = rfc3339.write(message.when)
    except ValueError as error:
        raise CpimError(str(error), "DateTime") from error
    lines = [f"From: {_mailbox(message.sender, 'From')}"]
    lines += [f"To: {_mailbox(each, 'To')}" for each in message.to]
    lines += [f"cc: {_mailbox(each, 'cc')}" for each in message.cc]
    lines.append(f"DateTime: {when}")
    lines += _subjects(message.subjects)
    lines += [f"NS: {prefix} <{uri}>" for uri, prefix in prefixes.items()]
    lines += [f"Require: {_name(each, prefixes, 'Require')}" for each in message.required]
    lines += [_extension(each, prefixes) for each in message.extensions]
    try:
        head = "\r\n".join([*lines, "", ""]).encode()
    except UnicodeError as error:
        raise CpimError(f"not Unicode text: {error}") from error
    return head + mime.write(message.content)


def _declare(message: CpimMessage) -> dict[str, str]:
    """Each namespace but the core's, with a prefix."""
    prefixes: dict[str, str] = {}
    for name in (*message.required, *(each.name for each in message.extensions)):
        uri = name.namespace
        if uri != CORE and uri not in prefixes:
            if not ABSOLUTE_URI.fullmatch(uri):
                raise CpimError(f"{uri[:60]!r} is no absolute URI", "NS")
            prefixes[uri] = _PREFIXES.get(uri) or f"ns{len(prefixes) + 1}"
    return prefixes


def _name(name: HeaderName, prefixes: dict[str, str], where: str) -> str:
    if not NAME.fullmatch(name.local):
        raise CpimError(f"{name.local[:60]!r} is no name of a header", where)
    return name.local if name.namespace == CORE else f"{prefixes[name.namespace]}.{name.local}"


def _mailbox(mailbox: Mailbox, where: str) -> str:
    if not ABSOLUTE_URI.fullmatch(mailbox.uri):
        raise CpimError(f"{mailbox.uri[:60]!r} is no absolute URI", where)
    if not mailbox.name:
        return f"<{mailbox.uri}>"
    if WORDS.fullmatch(mailbox.name):
        return f"{mailbox.name} <{mailbox.uri}>"
    return f'"{escape(mailbox.name, where, quoted=True)}"<{mailbox.uri}>'


def _subjects(subjects: Iterable[Subject]) -> list[str]:
    lines = []
    languages = set()
    for each in subjects:
        if each.language and not LANGUAGE.fullmatch(each.language):
            raise CpimError(f"{each.language[:60]!r} is no language tag", "Subject")
        if each.language.lower() in languages:
            raise CpimError(f"there are two in {each.language or 'no language'}", "Subject")
        languages.add(each.language.lower())
        parameter = f";lang={each.language}" if each.language else ""
        lines.append(f"Subject:{parameter} {_value(each.text, 'Subject')}")
    return lines


def _value(text: str, where: str) -> str:
    if not text or text[0] == " " or text[-1] == " ":
        raise CpimError(f"{text[:60]!r} is empty, or begins or ends in a space", where)
    return escape(text, where)


def _extension(extension: Extension, prefixes: dict[str, str]) -> str:
    local = extension.name.local
    if extension.name.namespace == CORE and (local in CORE_HEADERS or local.lower().startswith("content-")):
        raise CpimError("has a place of its own, and is no extension", local)
    parameters = "".join(_parameter(*each, local) for each in extension.parameters)
    return f"{_name(extension.name, prefixes, local)}:{parameters} {_value(extension.value, local)}"


def _parameter(name: str, value: str, where: str) -> str:
    if not NAME.fullmatch(name):
        raise CpimError(f"{name[:60]!r} is no name of a parameter", where)
    return f";{name}={value}" if TOKEN.fullmatch(value) else f';{name}="{escape(value, where, quoted=True)}"'
