"""Watcher information, ``application/watcherinfo+xml`` (RFC 3858): who watches a presentity, and how that came about.

Pure. A document is either the full list or what has changed since the version before; `merged` follows them.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from bridge.model.elements import Known, Node, XmlError, attribute, escape, is_absolute_uri, is_language, read

MEDIA_TYPE: Final = "application/watcherinfo+xml"
NAMESPACE: Final = "urn:ietf:params:xml:ns:watcherinfo"
PACKAGE: Final = "presence"
"""The event package whose watchers are listed."""

_ROOT: Final = f"{NAMESPACE} watcherinfo"
_LIST: Final = f"{NAMESPACE} watcher-list"
_WATCHER: Final = f"{NAMESPACE} watcher"
_KNOWN: Final[Known] = {_ROOT: {_LIST: {_WATCHER: {}}}}
_NUMBER = re.compile(r"\+?0*([0-9]{1,20})")
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
"""RFC 3261's token, which ids are."""
_LAST_VERSION: Final = 2**32 - 1
_LONGEST: Final = 2**64 - 1
"""Seconds: what the schema's unsignedLong can say."""


class WatcherInfoError(ValueError):
    """What was given is no watcher information, or cannot be written as one; the text says why."""


class Status(StrEnum):
    """The state of a subscription (RFC 3857 section 4.7.1). ``init`` never leaves the service, and is not here."""

    PENDING = "pending"
    ACTIVE = "active"
    WAITING = "waiting"
    TERMINATED = "terminated"


class Event(StrEnum):
    """What brought a subscription into its state (RFC 3857 section 4.7.1)."""

    SUBSCRIBE = "subscribe"
    APPROVED = "approved"
    DEACTIVATED = "deactivated"
    PROBATION = "probation"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    GIVEUP = "giveup"
    NORESOURCE = "noresource"


@dataclass(frozen=True, slots=True)
class Watcher:
    """One subscription. `uri` is the watcher's, `id` the subscription's own.

    `expiration` is how many seconds it will still last, `duration` how many it has lasted (``duration-subscribed``).
    `language` is that of the display name.
    """

    uri: str
    id: str
    status: Status
    event: Event
    display_name: str = ""
    language: str = ""
    expiration: int | None = None
    duration: int | None = None


@dataclass(frozen=True, slots=True)
class WatcherList:
    """The watchers of one resource."""

    resource: str
    watchers: tuple[Watcher, ...] = ()
    package: str = PACKAGE


@dataclass(frozen=True, slots=True)
class WatcherInfo:
    """A document. `full` says whether it is all there is, or only what has changed since `version` - 1."""

    version: int
    full: bool
    lists: tuple[WatcherList, ...] = ()


def loads(data: bytes) -> WatcherInfo:
    """Read watcher information; what is foreign in it is left out. Raises `WatcherInfoError`, and nothing else."""
    try:
        root = read(data, _KNOWN)
    except XmlError as error:
        raise WatcherInfoError(str(error)) from error
    state = _attribute(root, "state")
    if state not in ("full", "partial"):
        raise WatcherInfoError(f"the state is neither full nor partial: {state[:80]!r}")
    version = _number(root, "version", _LAST_VERSION)
    if version is None:
        raise WatcherInfoError("there is no version")
    info = WatcherInfo(version, state == "full", tuple(map(_list, root.children)))
    _check_ids(info)
    return info


def _check_ids(info: WatcherInfo) -> None:
    """Each is a token, and there once: whoever follows the documents tells subscriptions apart by it."""
    taken: set[str] = set()
    for each in info.lists:
        for watcher in each.watchers:
            if not _TOKEN.fullmatch(watcher.id) or watcher.id in taken:
                raise WatcherInfoError(f"the id {watcher.id[:80]!r} is no token, or is there twice")
            taken.add(watcher.id)


def _list(node: Node) -> WatcherList:
    return WatcherList(
        _uri(_attribute(node, "resource").strip()), tuple(map(_watcher, node.children)), _attribute(node, "package")
    )


def _watcher(node: Node) -> Watcher:
    try:
        status, event = Status(_attribute(node, "status")), Event(_attribute(node, "event"))
    except ValueError as error:
        raise WatcherInfoError(f"not known: {error}") from error
    return Watcher(
        _uri(node.text.strip()),
        _attribute(node, "id"),
        status,
        event,
        node.attributes.get("display-name", ""),
        node.language,
        _number(node, "expiration", _LONGEST),
        _number(node, "duration-subscribed", _LONGEST),
    )


def _attribute(node: Node, name: str) -> str:
    value = node.attributes.get(name)
    if value is None:
        raise WatcherInfoError(f"{node.name.rpartition(' ')[2]} has no {name}")
    return value


def _number(node: Node, name: str, most: int) -> int | None:
    text = node.attributes.get(name)
    if text is None:
        return None
    found = _NUMBER.fullmatch(text.strip())
    if found is None or int(found[1]) > most:
        raise WatcherInfoError(f"{name} is no number up to {most}: {text[:80]!r}")
    return int(found[1])


def _uri(text: str) -> str:
    if not is_absolute_uri(text):
        raise WatcherInfoError(f"no absolute URI: {text[:80]!r}")
    return text


def dumps(info: WatcherInfo) -> bytes:
    """Write watcher information in UTF-8. Characters that XML cannot hold are left out.

    Raises `WatcherInfoError` for what is no URI, for ids that are no token or there twice, and for numbers out of
    range.
    """
    _check_ids(info)
    state = "full" if info.full else "partial"
    head = f'<watcherinfo xmlns="{NAMESPACE}" version="{_written(info.version, _LAST_VERSION)}" state="{state}">'
    return "".join(
        ['<?xml version="1.0" encoding="UTF-8"?>\n', head, *map(_write_list, info.lists), "</watcherinfo>\n"]
    ).encode()


def _write_list(it: WatcherList) -> str:
    head = f'<watcher-list resource="{attribute(_uri(it.resource))}" package="{attribute(it.package)}">'
    return f"{head}{''.join(map(_write_watcher, it.watchers))}</watcher-list>"


def _write_watcher(it: Watcher) -> str:
    words = [f'<watcher id="{attribute(it.id)}" status="{it.status}" event="{it.event}"']
    if it.display_name:
        words.append(f' display-name="{attribute(it.display_name)}"')
    if is_language(it.language):
        words.append(f' xml:lang="{it.language}"')
    if it.expiration is not None:
        words.append(f' expiration="{_written(it.expiration, _LONGEST)}"')
    if it.duration is not None:
        words.append(f' duration-subscribed="{_written(it.duration, _LONGEST)}"')
    return f"{''.join(words)}>{escape(_uri(it.uri))}</watcher>"


def _written(number: int, most: int) -> int:
    if not 0 <= number <= most:
        raise WatcherInfoError(f"{number} is not between 0 and {most}")
    return number


def merged(known: WatcherInfo | None, told: WatcherInfo) -> tuple[WatcherInfo, bool]:
    """What is known after a document (RFC 3858 section 4), as a full one without subscriptions that have ended.

    The second value says whether a document was missed, so that the full list should be asked for. A document that is
    no newer than what is known changes nothing.
    """
    if known is not None and told.version <= known.version:
        return known, False
    missed = not told.full and (known is None or told.version != known.version + 1)
    lists = {} if told.full or known is None else {each.resource: each for each in known.lists}
    for each in told.lists:
        before = lists[each.resource].watchers if each.resource in lists else ()
        rows = {watcher.id: watcher for watcher in (*before, *each.watchers)}
        living = tuple(watcher for watcher in rows.values() if watcher.status is not Status.TERMINATED)
        lists[each.resource] = replace(each, watchers=living)
    return WatcherInfo(told.version, True, tuple(lists.values())), missed
