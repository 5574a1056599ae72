"""Tokens for programs: how many, what is kept of them, and that what is taken back is void."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.model.address import Address, Person
from bridge.store import Store, StoreError, tokens
from bridge.tokens import MOST, RANDOMNESS, Tokens
from tests.unit.stores import store_url

ANA = Person(Address("home", "@ana:example.org"), "Ana")
BO = Person(Address("office", "bo@example.org"), "Bo")
KESTREL = Person(Address("libera", "kestrel"), "Kestrel")


class Desk:
    """Tokens over a real store; `troll` may not use the bridge, and libera is IRC."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.tokens = Tokens(store, {}, may_use=self._may_use, in_clear=lambda network: network == "libera")

    @staticmethod
    def _may_use(address: Address) -> bool:
        return address.native != "troll"

    async def kept(self) -> dict[str, Address]:
        return await self.store.read(tokens.known)

    async def restarted(self) -> Tokens:
        return Tokens(self.store, await self.kept(), may_use=self._may_use)


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = Store(store_url(tmp_path))
    await store.open()
    try:
        yield Desk(store)
    finally:
        await store.close()


async def test_a_token_is_its_owners_after_a_restart_too(desk: Desk) -> None:
    anas, bos = await desk.tokens.issue(ANA.address), await desk.tokens.issue(BO.address)
    assert anas != bos
    for each in (desk.tokens, await desk.restarted()):
        assert (each.owner(anas), each.owner(bos)) == (ANA.address, BO.address)
        for wrong in (
            "",
            "rialto_",
            anas[:-1],
            f"{anas}x",
            anas.upper(),
            f" {anas}",
            f"{anas}\n",
            "\udcff",
            "x" * 10**6,
        ):
            assert each.owner(wrong) is None


async def test_of_a_token_nothing_is_kept_but_a_digest(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = await desk.tokens.issue(ANA.address)
    assert RANDOMNESS * 8 >= 128
    assert re.fullmatch(r"rialto_[A-Za-z0-9_-]{32}", token)
    (digest,) = await desk.kept()
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert desk.tokens.owner(digest) is None
    secret = token.removeprefix("rialto_")
    await desk.store.close()
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()
    told = capsys.readouterr()
    assert "a token was issued" in told.out + told.err
    assert secret not in told.out + told.err


async def test_so_many_and_no_more(desk: Desk) -> None:
    issued = await asyncio.gather(*(desk.tokens.issue(ANA.address) for _ in range(MOST)))
    with pytest.raises(ValueError, match="you have 5 tokens, which is the limit"):
        await desk.tokens.issue(ANA.address)
    assert desk.tokens.owner(await desk.tokens.issue(BO.address)) == BO.address, "others have their own"
    assert await desk.tokens.revoke(ANA.address) == MOST
    assert [desk.tokens.owner(token) for token in issued] == [None] * MOST
    assert desk.tokens.owner(await desk.tokens.issue(ANA.address)) == ANA.address


async def test_only_who_may_use_the_bridge_gets_one(desk: Desk) -> None:
    with pytest.raises(ValueError, match="you may not use this bridge"):
        await desk.tokens.issue(Address("home", "troll"))
    assert await desk.kept() == {}


async def test_memory_and_store_agree_whatever_comes_side_by_side(desk: Desk) -> None:
    async def issue() -> str:
        return await desk.tokens.issue(ANA.address)

    async def revoke() -> str:
        return f"{await desk.tokens.revoke(ANA.address)}"

    for turns in ((issue, revoke), (revoke, issue), (issue, revoke, issue), (revoke, issue, revoke)):
        said = await asyncio.gather(*(turn() for turn in turns))
        again = await desk.restarted()
        for token in said:
            assert again.owner(token) == desk.tokens.owner(token)
        await desk.tokens.revoke(ANA.address)


async def test_what_could_not_be_taken_back_is_still_good(desk: Desk) -> None:
    token = await desk.tokens.issue(ANA.address)
    await desk.store.close()
    with pytest.raises(StoreError):
        await desk.tokens.revoke(ANA.address)
    assert desk.tokens.owner(token) == ANA.address


async def test_what_the_bot_says(desk: Desk) -> None:
    answer = await desk.tokens.command(ANA, "")
    assert "in clear" not in answer
    assert "in clear" in await desk.tokens.command(KESTREL, "")
    assert len(answer.encode()) < 400, "one line on IRC"
    assert await desk.tokens.command(ANA, " Revoke ") == "Taken back: 1. No program can act for you any more."
    assert await desk.tokens.command(ANA, "revoke") == "You have none."
    with pytest.raises(ValueError, match='say "token" for a token'):
        await desk.tokens.command(ANA, "ring")
