"""Who looks once, what they are told, and what is told of those who watch."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from bridge.looks import KEPT_FOR, MOST, Fetched
from bridge.model.address import Address
from bridge.model.result import Failure, Reason
from bridge.model.rule import Decision, RuleKind
from bridge.store import Store, subscriptions
from bridge.upstream import GLANCE, GLANCES
from bridge.watchers import WatcherInfo
from tests.unit.core.watching import ANA, BO, CLOSED, CY, GONE, HERE, KESTREL, TEA, UNKNOWN, Watching, watching
from tests.unit.stores import store_url


async def looked(watch: Watching, watcher: Address | None = BO) -> Fetched:
    found = await watch.service.fetch(watcher, KESTREL)
    assert isinstance(found, Fetched)
    return found


async def info(watch: Watching, asker: Address = KESTREL) -> WatcherInfo:
    found = await watch.service.watcher_info(KESTREL, asker)
    assert isinstance(found, WatcherInfo)
    return found


@pytest.mark.conforms("RFC2779:3.2.1")
async def test_out_of_reach_the_last_that_was_known_is_told_with_its_time(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        assert await looked(watch) == Fetched(UNKNOWN), "never known is not stale"
        watch.now = 2e9
        watch.service.heard(HERE)
        watch.now = 2e9 + 10
        watch.service.heard(TEA)
        assert await looked(watch) == Fetched(TEA, 2e9 + 10)
        watch.now = 2e9 + 20
        watch.service.offline("libera")
        watch.online.discard("libera")
        watch.now = 2e9 + 30
        assert await looked(watch) == Fetched(UNKNOWN, 2e9 + 20, stale=True)


@pytest.mark.conforms("RFC2779:5.1.15")
async def test_since_when_somebody_is_offline_nobody_is_told(tmp_path: Path) -> None:
    """For whoever finds somebody offline whom nobody has followed yet, that would be now; and for one who is politely
    blocked, when the other came."""
    async with watching(tmp_path) as watch:
        await watch.rule("bo@example.org", Decision.POLITE_BLOCK)
        for number, presence in enumerate([HERE, TEA]):
            watch.now = 2e9 + number
            watch.service.heard(presence)
        assert await looked(watch, CY) == Fetched(TEA, 2e9 + 1)
        blocked = await looked(watch, BO)
        watch.service.heard(GONE)
        assert await looked(watch, CY) == await looked(watch, BO) == blocked == Fetched(CLOSED)


@pytest.mark.conforms("RFC2779:5.1.3", "RFC2779:5.1.14")
async def test_nobody_anonymous_may_look_unless_the_owner_lets_them(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        watch.service.heard(HERE)
        refused = await watch.service.fetch(None, KESTREL)
        assert isinstance(refused, Failure)
        assert refused.reason is Reason.FORBIDDEN
        await watch.rule("anonymous", Decision.ALLOW)
        assert (await looked(watch, None)).presence == HERE
        (only,) = (await info(watch)).watchers
        assert (only.who, only.looks) == (None, 1)
        await watch.rule("anonymous", Decision.BLOCK)
        assert isinstance(await watch.service.fetch(None, KESTREL), Failure)


async def test_everybody_may_look_at_themself_and_nobody_has_to_know(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        watch.service.heard(TEA)
        await watch.rule("*", Decision.BLOCK)
        assert (await looked(watch, KESTREL)).presence == TEA
        assert (await info(watch)).watchers == ()
        for stranger in (BO, Address("libera", "merlin")):
            refused = await watch.service.fetch(stranger, KESTREL)
            assert isinstance(refused, Failure)
            assert refused.reason is Reason.FORBIDDEN
        nobody = await watch.service.fetch(BO, Address("nowhere", "x"))
        assert isinstance(nobody, Failure)
        assert nobody.reason is Reason.ITEM_NOT_FOUND


@pytest.mark.conforms("RFC2779:5.1.15")
@pytest.mark.parametrize("decision", [Decision.ALLOW, Decision.POLITE_BLOCK])
async def test_who_looks_at_one_nobody_follows_waits_for_the_network_to_tell(
    tmp_path: Path, decision: Decision
) -> None:
    async with watching(tmp_path, answer_within=60.0) as watch:
        await watch.rule("bo@example.org", decision)
        looking = asyncio.create_task(watch.service.fetch(BO, KESTREL))
        await watch.nets["libera"].until(lambda: watch.nets["libera"].watched == [(KESTREL, True)])
        watch.service.heard(HERE)
        assert await looking == (Fetched(HERE, watch.now) if decision is Decision.ALLOW else Fetched(CLOSED))
        # Followed for a while, so that the next who looks need not wait.
        watch.now += GLANCE - 1
        watch.service.expire()
        await looked(watch)
        watch.now += GLANCE - 1
        watch.service.expire()
        assert watch.nets["libera"].watched == [(KESTREL, True)]
        await watch.subscribe(CY, of="one")
        watch.now += 1
        watch.service.expire()
        assert watch.nets["libera"].watched == [(KESTREL, True)]
        await watch.subscribe(CY, 0.0, of="one")
        assert watch.nets["libera"].watched == [(KESTREL, True), (KESTREL, False)]


async def test_so_many_are_followed_for_a_look_at_most(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        watch.online.discard("libera")
        for number in range(GLANCES + 5):
            await watch.service.fetch(BO, Address("libera", f"n{number}"))
        watched = watch.nets["libera"].watched
        assert sum(wanted for _, wanted in watched) - sum(not wanted for _, wanted in watched) == GLANCES
        watched.clear()
        watch.service.online("libera")
        assert len(watched) == GLANCES


# Watcher information


@pytest.mark.conforms("RFC2779:5.1.2", "RFC2779:5.1.10", "RFC2779:5.1.11", "RFC3857:4.6")
async def test_the_owner_sees_all_and_others_themselves(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("cy@example.org", Decision.POLITE_BLOCK)
        await watch.subscribe(BO)
        await watch.subscribe(CY)
        await looked(watch, ANA)
        await looked(watch, ANA)
        told = await info(watch)
        assert {(each.who, each.state.value, each.looks) for each in told.watchers} == {
            (BO, "active", 0),
            (CY, "active", 0),
            (ANA, "terminated", 2),
        }
        assert len({each.id for each in told.watchers}) == 3
        assert await info(watch) == told, "the same as long as nothing changes"
        assert [(each.who, each.state.value) for each in (await info(watch, CY)).watchers] == [(CY, "active")]
        refused = await watch.service.watcher_info(KESTREL, Address("home", "@dee:example.org"))
        assert isinstance(refused, Failure)
        assert refused.reason is Reason.FORBIDDEN
        await watch.rule("bo@example.org", Decision.BLOCK)
        after = await info(watch)
        assert after.version > told.version
        ended = {each.who: (each.state.value, each.event.value) for each in after.watchers}
        assert ended[BO] == ("terminated", "rejected")
    async with watching(tmp_path, now=1e9 + 60) as watch:
        again = await info(watch)
        assert again.version > after.version
        assert {(each.id, each.who, each.state) for each in again.watchers} == {
            (each.id, each.who, each.state) for each in after.watchers
        }


async def test_who_hides_is_left_out_but_sees_themself(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.subscribe(BO)
        await looked(watch, ANA)
        before = await info(watch)
        for hiding in (BO, ANA):
            await watch.rule("kestrel", Decision.BLOCK, hiding, RuleKind.VISIBILITY)
        told = await info(watch)
        assert told.watchers == ()
        assert told.version > before.version
        assert [each.who for each in (await info(watch, BO)).watchers] == [BO]
        assert [each.who for each in (await info(watch, ANA)).watchers] == [ANA]


async def test_looks_are_forgotten(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await looked(watch)
        watch.now += KEPT_FOR + 1
        assert (await info(watch)).watchers == ()
        await looked(watch, CY)
        await watch.service.forget()
        assert [each.who for each in (await info(watch)).watchers] == [CY]
    store = Store(store_url(tmp_path))
    await store.open()
    people = [Address("office", f"p{number}@example.org") for number in range(MOST + 3)]
    for number, who in enumerate(people):
        store.write(partial(subscriptions.looked, watcher=who, target=ANA, now=3e9 + number))
    assert await store.write(partial(subscriptions.forget_looks, before=2e9, most=MOST)) == 4
    left = await store.read(partial(subscriptions.looks, target=ANA))
    assert [each.watcher for each in left] == people[:2:-1]
    await store.close()


async def test_in_words(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        watchers = watch.service.watchers
        assert await watchers.listed(KESTREL) == "Nobody watches you, and nobody has looked at you in the last 30 days."
        assert await watchers.pending(KESTREL) == "Nobody waits for your permission."
        await watch.rule("bo@example.org", Decision.POLITE_BLOCK)
        await watch.rule("@*", Decision.CONFIRM)
        await watch.subscribe(BO)
        await watch.subscribe(CY)
        await watch.subscribe(ANA)
        await looked(watch, CY)
        await looked(watch, CY)
        waits = (
            "- @ana:example.org, since 2001-09-09, would like to see when you are there; answer allow @ana:example.org "
            "or polite-block @ana:example.org"
        )
        assert await watchers.pending(KESTREL) == waits
        assert sorted((await watchers.listed(KESTREL)).splitlines()) == [
            waits,
            "- bo@example.org watches you since 2001-09-09, and sees you offline",
            "- cy@example.org looked at you, last on 2001-09-09 (2 times)",
            "- cy@example.org watches you since 2001-09-09",
        ]


async def test_one_person_looks_at_so_many_within_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may be asked after, whether or not they are there, and all of it is noted."""
    monkeypatch.setattr("bridge.looks.PEOPLE", 3)
    people = [Address("libera", f"nick{number}") for number in range(4)]
    async with watching(tmp_path) as watch:
        for each in (*people[:3], people[0], people[2]):
            assert isinstance(await watch.service.fetch(BO, each), Fetched)
        refused = await watch.service.fetch(BO, people[3])
        assert isinstance(refused, Failure)
        assert refused.reason is Reason.POLICY_VIOLATION
        assert isinstance(await watch.service.fetch(BO, people[1]), Fetched), "those looked at already may be"
        assert isinstance(await watch.service.fetch(CY, people[3]), Fetched)
        watch.now += 3600
        assert isinstance(await watch.service.fetch(BO, people[3]), Fetched)
