"""Tokens: what lets a program act for a person over HTTP. The bot gives them out, and shows each one once.

Of a token only the SHA-256 digest is kept. That is enough for what has 192 bits of chance in it, and whoever looks a
digest up learns nothing from the time it takes (RFC 6750 section 5.2).
"""

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog

from bridge.model.address import Address, Person
from bridge.model.command import Offer
from bridge.store import Store, tokens

log = structlog.get_logger(__name__)

RANDOMNESS: Final = 24
"""Octets of chance in a token."""

MOST: Final = 5
"""Tokens one person may have at once."""

PREFIX: Final = "rialto_"
"""What a token begins with, so that whoever finds one in a file knows what it opens, and a search finds it."""

_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{32}}")

OFFER: Final = Offer("token", "[revoke]", "let a program see and write for you over HTTP, or take that back")


class Tokens:
    """Owns all tokens. Called on the event loop; answers from memory."""

    def __init__(
        self,
        store: Store,
        known: Mapping[str, Address],
        *,
        may_use: Callable[[Address], bool],
        in_clear: Callable[[str], bool] = lambda network: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`known`: what the store kept. `may_use`: may the person use the bridge? `in_clear`: might what the bot says
        on that network pass unencrypted? `clock`: seconds since the epoch."""
        self._store = store
        self._owners = dict(known)
        self._may_use = may_use
        self._in_clear = in_clear
        self._clock = clock

    def owner(self, token: str) -> Address | None:
        """Whose token it is; None if it is nobody's."""
        return self._owners.get(_digest(token)) if _TOKEN.fullmatch(token) else None

    async def issue(self, owner: Address) -> str:
        """A new token. It is durable when this returns, and nobody can be told it again.

        Raises `ValueError` saying why there is none; `sqlalchemy.exc.SQLAlchemyError` or `bridge.store.StoreError`
        where it could not be kept.
        """
        if not self._may_use(owner):
            raise ValueError("you may not use this bridge, and so no program may for you")
        token = PREFIX + secrets.token_urlsafe(RANDOMNESS)
        digest = _digest(token)
        put = partial(tokens.put, digest=digest, owner=owner, now=self._clock(), most=MOST)
        if not await self._store.write(put):
            raise ValueError(f'you have {MOST} tokens, which is the limit; "token revoke" takes all of them back')
        self._owners[digest] = owner
        log.info("a token was issued", owner=str(owner))
        return token

    async def revoke(self, owner: Address) -> int:
        """Take back all of that person's. Returns how many there were; they are void when this returns.

        Raises `sqlalchemy.exc.SQLAlchemyError` or `bridge.store.StoreError` where that could not be kept.
        """
        revoked = await self._store.write(partial(tokens.revoke, owner=owner))
        for digest in revoked:
            self._owners.pop(digest, None)
        log.info("tokens were revoked", owner=str(owner), tokens=len(revoked))
        return len(revoked)

    async def command(self, person: Person, arguments: str) -> str:
        """The bot's command: a token for the person, or all of theirs taken back. Raises `ValueError`."""
        word = arguments.strip().lower()
        if word == "revoke":
            revoked = await self.revoke(person.address)
            return f"Taken back: {revoked}. No program can act for you any more." if revoked else "You have none."
        if word:
            raise ValueError('say "token" for a token, or "token revoke" to take back all of yours')
        answer = (
            f"Yours, shown this once: {await self.issue(person.address)} - whoever has it sees what you may see, and "
            'writes as you. "token revoke" takes back all of yours.'
        )
        if self._in_clear(person.address.network):
            answer += (
                " It came over this network in clear, unless everybody on the way uses TLS: if you are not sure, take"
                " it back."
            )
        return answer


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
