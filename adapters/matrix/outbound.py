"""Parts as Matrix events. Pure.

Client-server API, specification v1.19, "m.room.message msgtypes".
"""

import json
from collections.abc import Mapping
from typing import Any

from adapters.matrix.markup import REPLACEMENT, clean
from adapters.matrix.standing import STAMP, stand_in
from bridge.contract import Part, SendError
from bridge.model.event import HOPS
from bridge.model.message import MessageKind
from bridge.model.result import Reason

CONTENT_BYTES = 62_000
"""Bytes of a content as JSON. The whole event may have 65,536; the rest is the homeserver's."""

TOPIC_CHARACTERS = 8_000
"""A topic beyond this is cut: the specification sets no limit of its own, the size of the event does."""

OLD = 5.0
"""Seconds after which an event is sent with the time it was said at (``ts``) rather than the time it is sent at."""

_MSGTYPES = {MessageKind.TEXT: "m.text", MessageKind.EMOTE: "m.emote", MessageKind.NOTICE: "m.notice"}


def content_of(part: Part, identity: str = "") -> dict[str, Any]:
    """The content of the ``m.room.message`` that says this part, with the identity of whoever speaks.

    It mentions nobody, so that nobody is called by a word that happens to be their name. Raises `SendError`
    (permanent) if it is larger than an event may be.
    """
    body = clean(part.text.text)
    content = {
        "msgtype": _MSGTYPES[part.kind],
        "body": body if body.strip() else REPLACEMENT,
        "m.mentions": {},
        STAMP: {"part": part.id, "hops": part.hops} | stand_in(identity),
    }
    if len(json.dumps(content, ensure_ascii=False).encode()) > CONTENT_BYTES:
        raise SendError.permanent(Reason.NOT_ACCEPTABLE, "the message is longer than a Matrix event may be")
    return content


def part_id_of(content: Mapping[str, Any]) -> str:
    """The part that an event of ours carries; "" where it carries none. Of others' events this means nothing."""
    stamp = content.get(STAMP)
    part_id = stamp.get("part") if isinstance(stamp, dict) else None
    return part_id if isinstance(part_id, str) else ""


def hops_of(content: Mapping[str, Any]) -> int:
    """How many gateways what another gateway like us brought may still pass; `HOPS` where nobody says. Never more."""
    stamp = content.get(STAMP)
    told = stamp.get("hops") if isinstance(stamp, dict) else None
    return min(HOPS, max(0, told)) if isinstance(told, int) and not isinstance(told, bool) else HOPS


def time_stamp(part: Part, now: float) -> int | None:
    """The time of an older message in milliseconds, for ``?ts=`` (timestamp massaging, v1.3); None for a fresh one."""
    return int(part.when * 1000) if 0 < part.when < now - OLD else None


def notice_for(user_id: str, name: str, text: str, about: str | None) -> dict[str, Any]:
    """The content of what the bot tells one person: a notice that mentions them, in reply to what they said."""
    body = clean(text).replace("\n", " ")
    content: dict[str, Any] = {
        "msgtype": "m.notice",
        "body": f"{name}: {body}",
        "m.mentions": {"user_ids": [user_id]},
        STAMP: {},
    }
    if about:
        content["m.relates_to"] = {"m.in_reply_to": {"event_id": about}}
    return content


def private_notice(text: str, about: str | None) -> dict[str, Any]:
    """The content of what we tell a user in a room of two, in reply to what they said."""
    content: dict[str, Any] = {"msgtype": "m.notice", "body": clean(text), "m.mentions": {}, STAMP: {}}
    if about:
        content["m.relates_to"] = {"m.in_reply_to": {"event_id": about}}
    return content


def topic_of(text: str) -> dict[str, Any]:
    """The content of ``m.room.topic``."""
    return {"topic": clean(text)[:TOPIC_CHARACTERS]}
