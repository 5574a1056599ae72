"""Who may see whom: whether there is such a person, whether the operator lets somebody ask, what their owner decided.

The order is that of RFC 3859 section 3.4.1, and decides which refusal somebody gets.
"""

from collections.abc import Callable
from typing import Protocol

from bridge.model.address import Address
from bridge.model.result import Failure, Reason
from bridge.model.rule import Decision


class Access(Protocol):
    """What people decided for themselves."""

    def access(self, owner: Address, watcher: Address | None) -> Decision:
        """What `watcher` may see of the owner's presence. None is whoever does not say who they are."""

    def hides(self, watcher: Address, target: Address) -> bool:
        """Whether `target` may not know that `watcher` watches them."""


class Visibility:
    """Decides. It holds nothing: what it is made of does."""

    def __init__(
        self,
        access: Access,
        *,
        exists: Callable[[Address], bool],
        may_watch: Callable[[Address, Address], bool],
        may_still_watch: Callable[[Address, Address], bool],
        denies: Callable[[Address], bool],
    ) -> None:
        """`exists`: can there be such a person? `may_watch`: does the operator let the first ask for the second?
        `may_still_watch`: and one who did once, go on to know?
        `denies`: does the operator let nobody know of that person, nor them of anybody?"""
        self._access = access
        self._exists = exists
        self._may_watch = may_watch
        self._may_still_watch = may_still_watch
        self._denies = denies

    def refusal(self, watcher: Address | None, target: Address) -> Failure | None:
        """Why somebody who asks for the first time, or again, is refused; None if they are not."""
        if not self._exists(target) or (watcher is not None and not self._exists(watcher)):
            return Failure(Reason.ITEM_NOT_FOUND, "there is nobody of that name on another network")
        if watcher == target:
            return None
        if watcher is not None and not self._may_watch(watcher, target):
            return Failure(Reason.FORBIDDEN, "you may not see through this bridge when they are there")
        if self.decision(watcher, target) is Decision.BLOCK:
            return Failure(Reason.FORBIDDEN, "they do not let you see when they are there")
        return None

    def decision(self, watcher: Address | None, target: Address) -> Decision:
        """What the target decided about somebody who was not refused.

        They are not asked about one who hides from them: the question would give that one away.
        """
        if watcher == target:
            return Decision.ALLOW
        if self._denies(target) or (watcher is not None and self._denies(watcher)):
            return Decision.BLOCK
        decided = self._access.access(target, watcher)
        if decided is Decision.CONFIRM and (watcher is None or self._access.hides(watcher, target)):
            return Decision.BLOCK
        return decided

    def kept(self, watcher: Address, target: Address) -> Decision:
        """The same about one whose wish was granted in another run: what the operator wrote may be different now."""
        return self.decision(watcher, target) if self._may_still_watch(watcher, target) else Decision.BLOCK

    def hides(self, watcher: Address, target: Address) -> bool:
        """Whether the target may not know that somebody watches them."""
        return watcher != target and self._access.hides(watcher, target)
