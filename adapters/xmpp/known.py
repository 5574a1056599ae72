"""What a room was told lately, kept in memory and bounded: whose id means which line, who reacted how."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Generic, TypeVar

from adapters.xmpp.inbound import Line
from bridge.model.address import Address
from bridge.model.message import Content, Message, Reaction, Retraction

REMEMBERED = 5000
"""Lines of one room that edits, reactions and retractions can still be matched to."""

_K = TypeVar("_K")
_V = TypeVar("_V")


class Recent(Generic[_K, _V]):
    """A mapping that forgets what was set longest ago."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._values: OrderedDict[_K, _V] = OrderedDict()

    def __setitem__(self, key: _K, value: _V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def get(self, key: _K) -> _V | None:
        """The value, None if there is none (any more)."""
        return self._values.get(key)

    def forget(self, key: _K) -> None:
        """There shall be none any more."""
        self._values.pop(key, None)


class Known:
    """The ids of a room's lines. What others call a line by, differs from XEP to XEP; we call it by one id.

    An edit names its target by the sender's own message id (XEP-0308), a reaction or retraction by the room's id
    (XEP-0444, XEP-0424), where there is one.
    """

    def __init__(self) -> None:
        self._by_id: Recent[str, str] = Recent()
        self._by_sender: Recent[tuple[Address, str], str] = Recent()
        self._senders: Recent[str, Address] = Recent()
        self._reactions: Recent[tuple[Address, str], tuple[str, ...]] = Recent()

    def learn(self, line: Line, sender: Address | None, native_id: str) -> None:
        """The line is called so from now on; `sender` is None where it was one of ours."""
        if sender is not None and self._senders.get(native_id) is None:
            self._senders[native_id] = sender
        # Who takes the nick of somebody who left, and repeats an id of theirs, may not edit their line.
        same = sender is not None and self._senders.get(native_id) == sender
        for name in (line.stanza_id, line.origin_id, line.message_id):
            if name:
                self._by_id[name] = native_id
                if sender is not None and same:
                    self._by_sender[sender, name] = native_id

    def resolve(self, content: Content, sender: Address) -> Content:
        """The content, with its targets called as we call them. A target that is not known keeps its name."""
        if isinstance(content, Message):
            if content.replaces is None and content.reply_to is None:
                return content
            edited, reply = content.replaces, content.reply_to
            return replace(
                content,
                replaces=edited and (self._by_sender.get((sender, edited)) or edited),
                reply_to=reply and (self._by_id.get(reply) or reply),
            )
        if isinstance(content, Retraction):
            return replace(content, target=self._by_id.get(content.target) or content.target)
        return content

    def react(self, target: str, keys: tuple[str, ...], sender: Address) -> Iterator[Reaction]:
        """What changes when all the sender's reactions to the target are these (XEP-0444 section 3.2)."""
        target = self._by_id.get(target) or target
        before = self._reactions.get((sender, target)) or ()
        self._reactions[sender, target] = keys
        for key in before:
            if key not in keys:
                yield Reaction(target, key, withdrawn=True)
        for key in keys:
            if key not in before:
                yield Reaction(target, key)
