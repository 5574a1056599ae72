"""How a network's settings are looked at, and the network tried, before anything is bridged.

A part of `bridge.contract`, whence it is to be imported.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from bridge.keeper.client import KeeperClient
from bridge.model.room import Member


@dataclass(frozen=True, slots=True)
class Context:
    """What a factory may know of the rest of the configuration.

    `http_url` is where the homeserver can reach this network's routes; `folder` is where relative paths start.
    `keeper` holds connections across a crash of ours, where there is one; names in it begin with the network's.
    """

    network: str
    http_url: str
    folder: Path
    keeper: KeeperClient | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said of a network's settings, though each key by itself is well-formed.

    `key` is its path below the network, ``tls.ca``; `text` says what is wrong and what to do. A `fatal` one is a
    mistake: with it the adapter would not start. The others are warnings.
    """

    key: str
    text: str
    fatal: bool = False


@runtime_checkable
class Examining(Protocol):
    """A factory that looks closer at its settings than their form tells, as at the files that they name."""

    def examine(self, settings: Any, context: Context) -> Iterable[Remark]:
        """What there is to say, for ``rialto check``. May read files, and touches no network. Raises nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``rialto check --online``: what was tried and how it went. `text` says what to do where it failed.

    `held` names what only one can have and another has, which is why it failed: "the nick rialto". Where a Rialto of
    this configuration runs, that is as it should be.
    """

    good: bool
    text: str
    held: str = ""


@runtime_checkable
class Probing(Protocol):
    """A factory that can try a network before anything is bridged."""

    def probe(self, settings: Any, context: Context, members: Sequence[Member]) -> AsyncIterator[Finding]:
        """Try the network step by step, as the adapter would use it, and leave nothing behind.

        Ends after the first finding that makes the others pointless. `members` are the network's configured places.
        Raises nothing: whatever goes wrong is a finding. Each step bounds its own time, some 10 seconds at most.
        """


@runtime_checkable
class Answering(Protocol):
    """A factory whose network calls us over HTTP while it is tried, as a Matrix homeserver does."""

    def answering(self, settings: Any, context: Context) -> Callable[[Any], Awaitable[Any]]:
        """What answers those calls, each an `aiohttp.web.Request`, below the network's own prefix ``/NETWORK/``.

        It proves that we can be reached and takes nothing in: what is pushed has to be refused for the moment.
        """
