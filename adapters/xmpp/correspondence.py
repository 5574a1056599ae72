"""What private messages refer to: ids as their senders use them, to ids as we call them. In memory, and bounded."""

from collections.abc import Iterator
from dataclasses import replace

from adapters.xmpp import ids
from adapters.xmpp.known import Recent
from bridge.model.address import Address
from bridge.model.message import Content, Message, Reaction, Retraction

Pair = tuple[Address, Address]
"""Who wrote, and to whom."""


class Correspondence:
    """Over all conversations. An id of one conversation means nothing in another."""

    def __init__(self) -> None:
        self._theirs: Recent[tuple[Pair, str], str] = Recent()
        self._reactions: Recent[tuple[Pair, str], tuple[str, ...]] = Recent()

    def learn(self, pair: Pair, message_id: str, native_id: str) -> None:
        """The message that its sender calls so is called so by us."""
        if message_id:
            self._theirs[pair, message_id] = native_id

    def resolve(self, content: Content, pair: Pair) -> Content | None:
        """The content, with its target called as we call it; None if it would change what is not its sender's."""
        if isinstance(content, Message):
            edited, reply = content.replaces, content.reply_to
            if edited and ids.part_id(edited) is not None:
                return None
            if not edited and not reply:
                return content
            return replace(
                content,
                replaces=edited and (self._theirs.get((pair, edited)) or edited),
                reply_to=reply and self._target(pair, reply),
            )
        if isinstance(content, Retraction):
            if ids.part_id(content.target) is not None:
                return None
            return replace(content, target=self._theirs.get((pair, content.target)) or content.target)
        return content

    def react(self, target: str, keys: tuple[str, ...], pair: Pair) -> Iterator[Reaction]:
        """What changes when all the sender's reactions to the target are these (XEP-0444 section 3.2)."""
        target = self._target(pair, target)
        before = self._reactions.get((pair, target)) or ()
        self._reactions[pair, target] = keys
        for key in before:
            if key not in keys:
                yield Reaction(target, key, withdrawn=True)
        for key in keys:
            if key not in before:
                yield Reaction(target, key)

    def _target(self, pair: Pair, name: str) -> str:
        """Ours are called by the id that we put on the wire, which is how they were confirmed."""
        if ids.part_id(name) is not None:
            return name
        return self._theirs.get((pair, name)) or name
