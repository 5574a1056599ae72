"""Queries of the tokens by which programs speak for people. The store knows digests only."""

import structlog
from sqlalchemy import Connection, delete, func, insert, select

from bridge.model.address import Address, AddressError
from bridge.store.tables import token

log = structlog.get_logger(__name__)


def known(connection: Connection) -> dict[str, Address]:
    """Whose each digest is. What cannot be read back is left out, and logged."""
    found = {}
    for row in connection.execute(select(token)):
        try:
            found[row.digest] = Address.parse(row.owner)
        except AddressError:
            log.error("a token cannot be read back from the store", owner=row.owner)
    return found


def put(connection: Connection, digest: str, owner: Address, now: float, most: int) -> bool:
    """Keep a digest. False, and nothing kept, if its owner would then have more than `most`."""
    count = select(func.count()).select_from(token).where(token.c.owner == str(owner))
    if connection.execute(count).scalar_one() >= most:
        return False
    connection.execute(insert(token).values(digest=digest, owner=str(owner), created=now))
    return True


def revoke(connection: Connection, owner: Address) -> frozenset[str]:
    """Forget all of that person's. Returns the digests."""
    gone = delete(token).where(token.c.owner == str(owner)).returning(token.c.digest)
    return frozenset(connection.execute(gone).scalars())
