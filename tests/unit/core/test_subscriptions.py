"""The operations of RFC 3859, one after another, and what rules do to subscriptions that run."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bridge.asking import AT_MOST
from bridge.model.address import Address
from bridge.model.presence import Presence
from bridge.model.result import Reason, Status
from bridge.model.rule import Decision, RuleKind
from bridge.model.subscription import Subscribe, SubscriptionEvent, SubscriptionState
from bridge.store import Store, StoreError, subscriptions
from bridge.subscriptions import KEPT_FOR, LONGEST, PENDING_FOR
from bridge.watchers import WatcherInfo
from tests.unit.core.watching import ANA, BO, CLOSED, CY, DAY, GONE, HERE, KESTREL, TEA, UNKNOWN, Watching, watching
from tests.unit.stores import store_url

# To a rule of one's own to confirm, one to block would change nothing.
ASKED = (
    "bo@example.org would like to see when you are there; answer allow bo@example.org or polite-block bo@example.org"
)


def reason(response: object) -> Reason | None:
    failure = getattr(response, "failure", None)
    return failure and failure.reason


async def kept(folder: Path) -> list[tuple[str, str, str]]:
    """What the store holds, after the service has let go of it."""
    store = Store(store_url(folder))
    await store.open()
    found = await store.read(subscriptions.known)
    await store.close()
    return [(each.watcher.native, each.state.value, each.event.value) for each in found]


# RFC 3859


@pytest.mark.conforms(
    "RFC2779:5.3.2",
    "RFC3859:3.1:notify",
    "RFC3859:3.4.1:4:success",
    "RFC3859:3.4.1:4:first",
    "RFC3859:3.4.1:4:changes",
    "RFC3857:4.7.1:active",
)
async def test_a_notify_at_once_and_one_for_each_change(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        watch.service.heard(HERE)
        response = await watch.subscribe(BO, 3600.0)
        assert (response.status, response.duration) == (Status.SUCCESS, 3600.0)
        assert watch.told(BO) == [("active", HERE)]
        for presence in (TEA, TEA, HERE):
            watch.service.heard(presence)
        notified = watch.taken(BO)
        assert [each.presence for each in notified] == [TEA, HERE]
        assert len({each.transaction_id for each in notified}) == 2
        assert {(each.watcher, each.target) for each in notified} == {(BO, KESTREL)}
        assert watch.told(CY) == [], "who did not subscribe hears nothing"


@pytest.mark.conforms("RFC3859:3.1:ids", "RFC3859:3.1:response")
@pytest.mark.parametrize("length", [40, 41, 5000])
async def test_ids_of_any_length_come_back(tmp_path: Path, length: int) -> None:
    async with watching(tmp_path) as watch:
        trans, of = "t" * length, "s" * length
        assert (await watch.subscribe(BO, of=of, trans=trans)).transaction_id == trans
        assert (await watch.subscribe(BO, trans=trans)).transaction_id == trans
        assert (await watch.subscribe(BO, 0.0, of=of)).status is Status.SUCCESS
        assert watch.service.subscription(BO, KESTREL) is None


@pytest.mark.conforms("RFC3859:3.4.1:1")
@pytest.mark.parametrize(
    ("watcher", "target"),
    [
        (BO, Address("libera", "no one")),
        (Address("office", "no one"), KESTREL),
        (BO, Address("nowhere", "kestrel")),
        (Address("nowhere", "bo"), KESTREL),
    ],
)
async def test_one_who_cannot_be_fails_before_anything_else(tmp_path: Path, watcher: Address, target: Address) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("*", Decision.BLOCK)
        for duration in (None, 60.0, 0.0):
            assert reason(await watch.subscribe(watcher, duration, target=target)) is Reason.ITEM_NOT_FOUND
        assert watch.nets["libera"].watched == []
    assert await kept(tmp_path) == []


@pytest.mark.parametrize("duration", [-1.0, float("nan"), float("inf")])
async def test_a_duration_is_no_less_than_nothing(tmp_path: Path, duration: float) -> None:
    async with watching(tmp_path) as watch:
        assert reason(await watch.subscribe(BO, duration)) is Reason.BAD_REQUEST


@pytest.mark.conforms(
    "RFC2779:2.3.1", "RFC2779:2.3.2", "RFC2779:5.1.5", "RFC2779:5.1.13", "RFC3859:3.1:response", "RFC3859:3.4.1:2"
)
async def test_who_is_blocked_is_refused_and_learns_nothing(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("bo@example.org", Decision.BLOCK)
        watch.service.heard(HERE)
        for duration in (None, 60.0, 0.0):
            response = await watch.subscribe(BO, duration)
            assert (response.status, reason(response)) == (Status.FAILURE, Reason.FORBIDDEN)
        watch.service.heard(TEA)
        assert watch.told(BO) == []
        assert (await watch.subscribe(CY)).status is Status.SUCCESS, "the others may"
    assert [who for who, *_ in await kept(tmp_path)] == [CY.native]


@pytest.mark.conforms("RFC3859:3.4.1:3")
async def test_a_second_subscription_between_the_same_two_fails_and_the_first_goes_on(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.subscribe(BO, of="first")
        watch.taken(BO)
        assert reason(await watch.subscribe(BO, 60.0, of="second")) is Reason.CONFLICT
        assert watch.taken(BO) == []
        watch.service.heard(HERE)
        assert watch.told(BO) == [("active", HERE)]
        # A fetch is none.
        assert (await watch.subscribe(BO, 0.0, of="third")).status is Status.SUCCESS
        assert watch.told(BO) == [("terminated", HERE)]


@pytest.mark.conforms("RFC3859:3.4.1:3:refresh")
async def test_the_same_id_refreshes_it(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.subscribe(BO, 60.0, of="one")
        watch.now += 50
        assert (await watch.subscribe(BO, 60.0, of="one")).duration == 60.0
        assert watch.told(BO) == [("active", UNKNOWN)] * 2, "each subscribe has a notify of its own"
        watch.now += 50
        watch.service.expire()
        watch.service.heard(HERE)
        assert watch.told(BO) == [("active", HERE)]
        assert watch.nets["libera"].watched == [(KESTREL, True)]
        watch.now += 11
        watch.service.expire()
        assert watch.service.subscription(BO, KESTREL) is None


@pytest.mark.conforms("RFC3859:3.1:duration")
async def test_what_is_granted_can_be_less_than_what_was_wished(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        assert (await watch.subscribe(BO, 1e9)).duration == LONGEST
        assert (await watch.subscribe(CY)).duration is None


@pytest.mark.conforms("RFC3859:3.4.3:fetch")
async def test_a_fetch_is_one_notify_and_no_subscription_but_is_noted(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        watch.service.heard(HERE)
        assert (await watch.subscribe(BO, 0.0)).duration == 0
        assert watch.told(BO) == [("terminated", HERE)]
        watch.service.heard(TEA)
        assert watch.told(BO) == []
        assert watch.service.subscription(BO, KESTREL) is None
        told = await watch.service.watcher_info(KESTREL, KESTREL)
        assert [(each.who, each.looks) for each in getattr(told, "watchers", ())] == [(BO, 1)]
    assert await kept(tmp_path) == []


@pytest.mark.conforms("RFC2779:5.1.7", "RFC3859:3.4.3:cancel")
async def test_a_cancel_is_exactly_one_notify_more(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.subscribe(BO, of="one")
        watch.service.heard(HERE)
        watch.taken(BO)
        for _ in range(2):
            assert (await watch.subscribe(BO, 0.0, of="one")).status is Status.SUCCESS
        assert watch.told(BO) == [("terminated", HERE)]
        watch.service.heard(TEA)
        watch.service.online("office")
        assert watch.told(BO) == []
        assert watch.nets["libera"].watched == [(KESTREL, True), (KESTREL, False)]
        assert (await watch.subscribe(BO, of="two")).status is Status.SUCCESS
    assert await kept(tmp_path) == [(BO.native, "active", "subscribe")]


@pytest.mark.conforms("RFC2779:5.1.8")
async def test_nobody_cancels_for_somebody_else(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.subscribe(BO, of="one")
        await watch.subscribe(CY, 0.0, of="one")
        watch.taken(BO)
        watch.service.heard(HERE)
        assert watch.told(BO) == [("active", HERE)]


@pytest.mark.conforms("RFC3859:3.4.1:4:end", "RFC3857:4.7.1:terminated")
async def test_when_it_has_expired_nothing_comes_any_more(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.subscribe(BO, 60.0)
        watch.taken(BO)
        watch.now += 60.0
        watch.service.heard(HERE)
        assert watch.told(BO) == [], "not even before it is looked at"
        watch.service.expire()
        watch.service.heard(TEA)
        assert watch.told(BO) == []
        assert watch.nets["libera"].watched == [(KESTREL, True), (KESTREL, False)]
    assert await kept(tmp_path) == [(BO.native, "terminated", "timeout")]
    async with watching(tmp_path, now=1e9 + 60 + KEPT_FOR) as watch:
        watch.service.expire()
    assert await kept(tmp_path) == []


@pytest.mark.conforms("RFC2779:3.2.2", "RFC3859:3.4:subscriptions", "RFC3859:3.4.1:4:first")
async def test_after_a_crash_between_the_answer_and_the_notify_it_is_notified(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        response = await watch.service.subscribe(Subscribe(BO, KESTREL, None, "one", "t"))
        assert response.status is Status.SUCCESS
        assert watch.taken(BO) == [], "the answer comes first"
        crashed = watch.nets["office"].notified
    assert len(crashed) <= 1
    async with watching(tmp_path) as watch:
        assert watch.told(BO) == [("active", UNKNOWN)]
        assert watch.nets["libera"].watched == [(KESTREL, True)]
        watch.service.heard(HERE)
        assert watch.told(BO) == [("active", HERE)]
        running = watch.service.subscription(BO, KESTREL)
        assert running is not None
        assert running.id == "one"


async def test_two_at_once_are_one(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        answers = await asyncio.gather(watch.subscribe(BO, of="one"), watch.subscribe(BO, of="two"))
        assert [reason(each) for each in answers] == [None, Reason.CONFLICT]
        assert watch.told(BO) == [("active", UNKNOWN)]


async def test_where_it_cannot_be_kept_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("not to be kept")

    async with watching(tmp_path) as watch:
        with monkeypatch.context() as patched:
            patched.setattr(subscriptions, "put", broken)
            with pytest.raises(ValueError, match="kept"):
                await watch.subscribe(BO)
        assert watch.service.subscription(BO, KESTREL) is None
        assert watch.taken(BO) == []
        assert watch.nets["libera"].watched == [(KESTREL, True), (KESTREL, False)]
        assert (await watch.subscribe(BO)).status is Status.SUCCESS


@pytest.mark.conforms("RFC2779:2.2.5", "RFC2779:3.2.3", "RFC3859:3.4.2:changes")
async def test_many_watchers_are_one_watch_upstream_and_as_many_notifies(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("blocked*", Decision.BLOCK)
        people = [Address("office", f"p{number}@example.org") for number in range(500)]
        await watch.subscribe(Address("office", "blocked@example.org"))
        await asyncio.gather(*(watch.subscribe(each) for each in people))
        assert watch.nets["libera"].watched == [(KESTREL, True)]
        watch.nets["office"].notified.clear()
        watch.service.heard(HERE)
        assert {each.watcher for each in watch.nets["office"].notified} == set(people)
        assert len(watch.nets["office"].notified) == 500


@pytest.mark.conforms("RFC2779:2.2.4", "RFC2779:2.2.6")
async def test_one_watches_hundreds_in_hundreds_of_domains(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        people = [Address("home", f"@p:domain{number}.example.org") for number in range(300)]
        await asyncio.gather(*(watch.subscribe(who, target=each) for each in people for who in (BO, CY)))
        assert watch.nets["home"].watched == [(each, True) for each in people]
        watch.nets["office"].notified.clear()
        for each in people:
            watch.service.heard(replace(HERE, presentity=each))
        for who in (BO, CY):
            assert watch.told(who) == [("active", replace(HERE, presentity=each)) for each in people]


@pytest.mark.conforms("RFC2779:5.2.2")
async def test_who_was_out_of_reach_is_told_the_newest_of_everybody(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        merlin = Address("libera", "merlin")
        await watch.subscribe(BO)
        await watch.subscribe(BO, target=merlin)
        watch.online.discard("office")
        watch.service.heard(HERE)
        watch.service.heard(TEA)
        watch.taken(BO)
        watch.online.add("office")
        watch.service.online("office")
        assert watch.told(BO) == [("active", TEA), ("active", Presence(merlin))]


# Rules


@pytest.mark.conforms("RFC2779:2.3.3", "RFC2779:5.2.3")
async def test_two_watchers_are_told_two_things_at_the_same_time(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("bo@example.org", Decision.POLITE_BLOCK)
        await watch.subscribe(BO)
        await watch.subscribe(CY)
        watch.service.heard(TEA)
        assert watch.told(BO) == [("active", UNKNOWN), ("active", CLOSED)]
        assert watch.told(CY) == [("active", UNKNOWN), ("active", TEA)]
        # A fetch tells each what a notify does.
        for who, seen in ((BO, CLOSED), (CY, TEA)):
            assert getattr(await watch.service.fetch(who, KESTREL), "presence", None) == seen


async def seen_by_bo(watch: Watching, target: Address, lives: Sequence[Presence]) -> str:
    """Everything that Bo is told in a while of somebody's life, and what he gets when he looks; but for names."""
    subscribe = partial(watch.subscribe, BO, of="one", trans="t", target=target)
    seen: list[object] = [await subscribe()]
    for presence in lives:
        watch.service.heard(replace(presence, presentity=target))
        seen += [watch.told(BO), await watch.service.fetch(BO, target)]
        watch.now += 10
    watch.service.offline("libera")
    seen += [watch.told(BO), await watch.service.fetch(BO, target)]
    info = await watch.service.watcher_info(target, BO)
    assert isinstance(info, WatcherInfo)
    seen.append(replace(info, watchers=tuple(replace(each, id="") for each in info.watchers)))
    seen += [await subscribe(), watch.told(BO), await subscribe(0.0), watch.told(BO)]
    seen += [wanted for address, wanted in watch.nets["libera"].watched if address == target]
    return "\n".join(map(str, seen)).replace(target.native, "somebody")


@pytest.mark.conforms("RFC2779:5.1.15")
async def test_a_politely_blocked_watcher_sees_what_one_of_somebody_offline_does(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("bo@example.org", Decision.POLITE_BLOCK)
        began = watch.now
        blocked = await seen_by_bo(watch, KESTREL, [HERE, TEA, GONE, HERE])
        watch.now = began
        control = await seen_by_bo(watch, Address("libera", "falcon"), [GONE] * 4)
    assert blocked == control
    assert "Basic.CLOSED" in blocked
    assert "Basic.OPEN" not in blocked


@pytest.mark.conforms("RFC2779:5.1.11", "RFC2779:5.1.16", "RFC3857:4.7.1:pending")
async def test_who_has_to_be_confirmed_waits_for_the_owner(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("*", Decision.CONFIRM)
        watch.service.heard(HERE)
        assert (await watch.subscribe(BO, of="one")).status is Status.SUCCESS
        assert watch.told(BO) == [("pending", CLOSED)]
        assert watch.said == [(KESTREL, ASKED)]
        watch.service.heard(TEA)
        watch.service.offline("libera")
        watch.service.heard(HERE)
        assert watch.told(BO) == [], "whatever happens meanwhile"
        await watch.subscribe(BO, of="one")
        assert watch.told(BO) == [("pending", CLOSED)]
        assert len(watch.said) == 1, "asked once"

        await watch.rule("bo@example.org", Decision.ALLOW)
        assert watch.told(BO) == [("active", HERE)]
        running = watch.service.subscription(BO, KESTREL)
        assert running is not None
        assert running.event is SubscriptionEvent.APPROVED


async def test_nobody_is_asked_too_often(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("*", Decision.CONFIRM)
        for number in range(AT_MOST + 5):
            await watch.subscribe(Address("office", f"p{number}@example.org"))
        assert len(watch.said) == AT_MOST + 1
        assert 'say "pending"' in watch.said[-1][1]
        watch.now += 3600.0
        await watch.subscribe(BO)
        assert watch.said[-1] == (KESTREL, ASKED)
    async with watching(tmp_path) as watch:
        assert len(watch.said) == AT_MOST + 1


async def test_who_answers_as_the_bot_says_is_heard(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("*", Decision.CONFIRM)
        for who, word in ((BO, Decision.POLITE_BLOCK), (CY, Decision.ALLOW)):
            await watch.subscribe(who)
            assert watch.told(who) == [("pending", CLOSED)]
            assert f"{word.word} {who.native}" in watch.said[-1][1]
            await watch.rule(who.native, word)
            assert watch.told(who) == [("active", UNKNOWN)]


@pytest.mark.conforms("RFC2779:5.1.5", "RFC2779:5.1.9", "RFC2779:5.1.16", "RFC3857:4.7.1:terminated")
@pytest.mark.parametrize("first", [Decision.CONFIRM, Decision.ALLOW, Decision.POLITE_BLOCK])
async def test_who_is_blocked_afterwards_is_told_that_it_is_over(tmp_path: Path, first: Decision) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("bo@example.org", first)
        watch.service.heard(HERE)
        await watch.subscribe(BO)
        watch.taken(BO)
        await watch.rule("bo@example.org", Decision.BLOCK)
        (last,) = watch.taken(BO)
        assert (last.state, last.event) == (SubscriptionState.TERMINATED, SubscriptionEvent.REJECTED)
        assert last.presence == CLOSED
        watch.service.heard(TEA)
        watch.service.online("office")
        assert watch.taken(BO) == []
        assert watch.nets["libera"].watched == [(KESTREL, True), (KESTREL, False)]
    assert await kept(tmp_path) == [(BO.native, "terminated", "rejected")]


@pytest.mark.conforms("RFC2779:2.3.7", "RFC3859:3.4.1:4:access")
async def test_rules_hold_while_the_owner_is_nowhere_and_take_effect_on_who_watches(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        watch.service.heard(HERE)
        await watch.subscribe(BO)
        await watch.subscribe(CY)
        watch.online.discard("libera")
        watch.service.offline("libera")
        assert watch.told(BO)[-1] == ("active", UNKNOWN)
        await watch.rule("bo@example.org", Decision.POLITE_BLOCK)
        watch.service.heard(HERE)
        assert watch.told(BO) == [("active", CLOSED)]
        await watch.rule("bo@example.org", Decision.ALLOW)
        assert watch.told(BO) == [("active", HERE)]
        await watch.rule("*", Decision.CONFIRM)
        assert watch.told(BO) == [], "the more generous rule holds for him"
        assert watch.told(CY)[-1] == ("pending", CLOSED)
        assert [each for each, _ in watch.said] == [KESTREL]
        await watch.permissions.remove(KESTREL, "*")
        assert watch.told(CY) == [("active", HERE)]


@pytest.mark.conforms("RFC2779:3.2.2", "RFC3859:3.4:subscriptions")
async def test_a_pending_one_outlives_a_restart_and_what_was_decided_meanwhile_counts(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("*", Decision.CONFIRM)
        await watch.subscribe(BO)
        await watch.subscribe(CY)
    async with watching(tmp_path, now=1e9 + DAY) as watch:
        assert watch.told(BO) == [("pending", CLOSED)]
        assert len(watch.said) == 2, "what the bot says is not kept, so it is said again"
        await watch.rule("bo@example.org", Decision.ALLOW)
        assert watch.told(BO) == [("active", UNKNOWN)]
        await watch.permissions.remove(KESTREL, "*")
    async with watching(tmp_path, now=1e9 + DAY) as watch:
        assert watch.told(BO) == watch.told(CY) == [("active", UNKNOWN)]
        assert watch.said == []


async def test_whoever_could_not_be_told_of_a_refusal_is_told_when_they_can(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("*", Decision.CONFIRM)
        await watch.subscribe(BO)
        watch.online.discard("office")
        await watch.rule("*", Decision.BLOCK)
        watch.taken(BO)
        watch.online.add("office")
        for expected in ([("terminated", CLOSED)], []):
            watch.service.online("office")
            assert watch.told(BO) == expected
    async with watching(tmp_path) as watch:
        assert watch.told(BO) == [("terminated", CLOSED)], "we may have died before"


@pytest.mark.conforms("RFC2779:5.1.10", "RFC3857:4.7.1:waiting")
async def test_who_is_never_answered_waits_and_is_given_up_at_last(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("*", Decision.CONFIRM)
        await watch.subscribe(BO, of="one")
        watch.taken(BO)
        watch.now += PENDING_FOR
        watch.service.expire()
        waiting = watch.service.subscription(BO, KESTREL)
        assert waiting is not None
        assert waiting.state is SubscriptionState.WAITING
        assert watch.nets["libera"].watched[-1] == (KESTREL, False)
        assert watch.told(BO) == []
        told = await watch.service.watcher_info(KESTREL, BO)
        assert [each.state.value for each in getattr(told, "watchers", ())] == ["waiting"]

        # Asking again asks the owner again.
        await watch.subscribe(BO, of="one")
        assert watch.told(BO) == [("pending", CLOSED)]
        assert len(watch.said) == 2
        watch.now += PENDING_FOR
        watch.service.expire()
        watch.now += KEPT_FOR
        watch.service.expire()
        (last,) = watch.taken(BO)
        assert (last.state, last.event) == (SubscriptionState.TERMINATED, SubscriptionEvent.GIVEUP)


async def test_who_waited_for_too_long_is_let_in_if_they_still_ask(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("*", Decision.CONFIRM)
        await watch.subscribe(BO)
        await watch.subscribe(CY, 3600.0)
        watch.now += PENDING_FOR
        watch.service.expire()
        await watch.rule("*", Decision.ALLOW)
        assert watch.told(BO)[-1] == ("active", UNKNOWN)
        assert watch.told(CY) == [("pending", CLOSED)], "whose wish had an end, which is past"


async def test_the_owner_is_not_asked_about_one_who_hides(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("anonymous", Decision.CONFIRM)
        await watch.rule("*", Decision.BLOCK, BO, RuleKind.VISIBILITY)
        assert reason(await watch.subscribe(BO)) is Reason.FORBIDDEN
        assert watch.said == []


async def test_one_who_begins_to_hide_is_from_then_on_anonymous(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.rule("anonymous", Decision.BLOCK)
        await watch.subscribe(BO)
        watch.taken(BO)
        await watch.rule("*", Decision.BLOCK, BO, RuleKind.VISIBILITY)
        assert watch.told(BO) == [("terminated", CLOSED)]


async def test_who_may_not_use_the_bridge_any_more_loses_what_they_ask_for_again(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.subscribe(BO, of="one")
        watch.admits.strangers.add(BO)
        assert reason(await watch.subscribe(BO, of="one")) is Reason.FORBIDDEN
        assert watch.service.subscription(BO, KESTREL) is None
        assert reason(await watch.subscribe(ANA, target=Address("libera", "denied"))) is Reason.FORBIDDEN


async def test_whom_the_operator_lets_in_no_more_is_not_told_after_a_restart(tmp_path: Path) -> None:
    """Their wish was kept, and the configuration may be another one since."""
    async with watching(tmp_path) as watch:
        for each in (BO, CY):
            await watch.subscribe(each)
    async with watching(tmp_path, strangers=(BO,)) as watch:
        watch.service.heard(HERE)
        assert [(each.state, each.event) for each in watch.taken(BO)] == [
            (SubscriptionState.TERMINATED, SubscriptionEvent.REJECTED)
        ]
        assert watch.told(CY) == [("active", UNKNOWN), ("active", HERE)]
        assert watch.service.subscription(BO, KESTREL) is None


@pytest.mark.parametrize("before", [False, True])
async def test_who_is_blocked_while_they_cannot_be_kept_leaves_nobody_followed_or_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    async with watching(tmp_path) as watch:
        if before:
            await watch.subscribe(BO, of="one")
        subscriptions_of = watch.service._subscriptions
        held, written = asyncio.Event(), subscriptions_of._store.write

        async def failing() -> None:
            await held.wait()
            raise StoreError("it is being closed")

        with monkeypatch.context() as patch:
            patch.setattr(subscriptions_of._store, "write", lambda operation: asyncio.ensure_future(failing()))
            wanted = Subscribe(BO, KESTREL, None, "one", "trans")
            asking = asyncio.create_task(watch.service.subscribe(wanted))
            await asyncio.sleep(0)
            patch.setattr(subscriptions_of._store, "write", written)
            await watch.rule("*", Decision.BLOCK)
            held.set()
            with pytest.raises(StoreError):
                await asking
        assert watch.service.subscription(BO, KESTREL) is None
        await watch.rule("*", Decision.ALLOW)
        await watch.subscribe(CY)
        followed = [wanted for target, wanted in watch.nets["libera"].watched if target == KESTREL]
        assert followed == [True, False, True]


async def test_a_fault_while_something_expires_does_not_end_the_expiring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.presence_service.LOOK_EVERY", 0.0)
    async with watching(tmp_path) as watch:
        await watch.subscribe(BO, 60.0)
        asked, expire, ended = 0, watch.service.expire, asyncio.Event()

        def faulty() -> None:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise RuntimeError("a fault of ours")
            expire()
            ended.set()

        monkeypatch.setattr(watch.service, "expire", faulty)
        watch.now += 60.0
        running = asyncio.create_task(watch.service.run())
        await asyncio.wait_for(ended.wait(), 10.0)
        running.cancel()
        assert watch.service.subscription(BO, KESTREL) is None
