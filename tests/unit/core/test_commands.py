"""What people tell the bot to do: who may, what is understood, what is answered, and that it holds."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from bridge import words
from bridge.addressed import addressed, command_name
from bridge.commands import AN_HOUR, LONGEST, MOST, Commands
from bridge.directory import Directory, Entry
from bridge.model.address import Address, Person
from bridge.model.command import Offer
from bridge.model.result import Failure, Reason
from bridge.model.rule import ANONYMOUS, Decision, Rule, RuleKind
from bridge.names import Kind
from bridge.permissions import NOT_WANTED, Permissions
from bridge.rules import Pattern, Policy, Rules
from bridge.store import Store, conversations, rules
from tests.unit.core.bench import running
from tests.unit.core.test_conversations import ANA, KESTREL, private, refusal, with_ana_at_home
from tests.unit.core.test_spine import networks
from tests.unit.stores import store_url

BO = Address("office", "bo@example.org")
LIBERA = Person(Address("libera", "kestrel"), "Kestrel")
NETWORKS = ("office", "home", "libera")


def plain(text: str) -> str:
    return text


DIRECTORY = Directory(
    [
        Entry("office", Kind.XMPP, plain, default=True),
        Entry("home", Kind.MATRIX, plain, default=True),
        Entry("libera", Kind.IRC, str.lower, default=False),
    ]
)

Say = Callable[[str], asyncio.Future[str | None]]


class Desk:
    """Commands of one person, over a real store."""

    def __init__(self, store: Store, policies: tuple[Policy, ...] = ()) -> None:
        self.now = 0.0
        self.allowed = True
        self.store = store
        self.permissions = Permissions(store, policies=policies)
        self.commands = Commands(
            self.permissions, DIRECTORY, may=lambda _: self.allowed, networks=NETWORKS, clock=lambda: self.now
        )

    async def say(self, text: str, by: Person = LIBERA) -> str | None:
        answer = await self.commands.run(by, text)
        if answer is not None:
            # Another of our bots, to which it were said, would take it for no command, and for nobody's address.
            for line in answer.splitlines():
                assert command_name(line) not in self.commands.offers
            assert not addressed(answer)[0].count("@")
        return answer

    def decided(self) -> set[tuple[RuleKind, str, Decision]]:
        return {(rule.kind, rule.who, rule.decision) for rule in self.permissions.rules_of(LIBERA.address)}


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = Store(store_url(tmp_path))
    await store.open()
    yield Desk(store)
    await store.close()


ACCESS, DELIVERY, VISIBILITY = RuleKind.ACCESS, RuleKind.DELIVERY, RuleKind.VISIBILITY


@pytest.mark.parametrize(
    ("text", "rule", "answer"),
    [
        ("allow bo@example.org", (ACCESS, str(BO), Decision.ALLOW), "Noted: bo@example.org may see your presence."),
        (
            "BLOCK *@Example.org ",
            (ACCESS, "*@example.org", Decision.BLOCK),
            "Noted: *@example.org may not see your presence:",
        ),
        (
            "polite-block bo@example.org",
            (ACCESS, str(BO), Decision.POLITE_BLOCK),
            "Noted: bo@example.org will find you offline, whether you are or not.",
        ),
        ("confirm *", (ACCESS, "*", Decision.CONFIRM), "Noted: everybody will see your presence once you have agreed."),
        (
            "allow Anonymous",
            (ACCESS, ANONYMOUS, Decision.ALLOW),
            "Noted: whoever does not say who they are may see your",
        ),
        (
            "confirm anonymous",
            (ACCESS, ANONYMOUS, Decision.CONFIRM),
            "Noted: whoever does not say who they are may not see your presence: you cannot be asked about them.",
        ),
        (
            "reject home:@eve:evil.example",
            (DELIVERY, "home:@eve:evil.example", Decision.BLOCK),
            "Noted: @eve:evil.example may not write to you in private: they will be told so.",
        ),
        ("accept *", (DELIVERY, "*", Decision.ALLOW), "Noted: everybody may write to you in private."),
        ("hide from *", (VISIBILITY, "*", Decision.BLOCK), "Noted: nobody may know that you watch them."),
        (
            "Hide FROM  bo@example.org",
            (VISIBILITY, str(BO), Decision.BLOCK),
            "Noted: bo@example.org may not know that you watch",
        ),
        (
            "show to bo@example.org",
            (VISIBILITY, str(BO), Decision.ALLOW),
            "Noted: bo@example.org may know that you watch",
        ),
        (
            "block libera:Merlin",
            (ACCESS, "libera:merlin", Decision.BLOCK),
            "Noted: libera:merlin may not see your presence: they will be told so. Within your own",
        ),
    ],
)
async def test_a_word_sets_a_rule_and_says_what_it_means(
    desk: Desk, text: str, rule: tuple[RuleKind, str, Decision], answer: str
) -> None:
    said = await desk.say(text)
    assert said is not None
    assert said.startswith(answer)
    assert desk.decided() == {rule}
    assert await desk.store.read(rules.known) == [Rule(LIBERA.address, *rule)]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("block", 'Say whom you mean: "block WHO". WHO is a person'),
        ("hide from", 'Say whom you mean: "hide from WHO".'),
        ("forget", 'Say whom you mean: "forget WHO".'),
        ("block bo", "'bo' does not say on which network; write for example bo@example.org, @ana:example.org or"),
        ("block librea:*", "No network is called 'librea'; networks are: office, home, libera."),
        ("block a* b", "Write a pattern without spaces and control characters, for example *@example.org."),
        ("block libera:kestrel", "That is yourself."),
        ("reject anonymous", "Only who may see you can be decided about anonymous: nobody writes anonymously."),
        ("hide from anonymous", "Only who may see you can be decided about anonymous: nobody writes anonymously."),
        ("rules *", "Say of which person you want to know what holds: rules bo@example.org."),
    ],
)
async def test_what_is_not_understood_is_answered_with_what_to_write(desk: Desk, text: str, answer: str) -> None:
    said = await desk.say(text)
    assert said is not None
    assert said.startswith(answer)
    assert desk.decided() == set()


async def test_what_is_no_command_is_left_to_others(desk: Desk) -> None:
    for text in ("", "  ", "hello", "bo@example.org hello", "block: bo@example.org", "rules, please", "libera:x help"):
        assert await desk.say(text) is None
    assert await desk.say("block " + "x" * LONGEST) is None
    assert await desk.say(" Rules ") is not None


async def test_a_broader_and_more_generous_rule_is_pointed_out(desk: Desk) -> None:
    assert await desk.say("allow *@example.org")
    assert await desk.say("block bo@example.org") == (
        'Noted, but it changes nothing: "allow *@example.org" is more generous, and holds for them, too. '
        'To undo that, say "forget *@example.org".'
    )
    assert desk.permissions.access(LIBERA.address, BO) is Decision.ALLOW
    await desk.say("forget *@example.org")
    assert desk.permissions.access(LIBERA.address, BO) is Decision.BLOCK


async def test_forgetting_says_what_holds_then(desk: Desk) -> None:
    await desk.say("block *")
    await desk.say("polite-block bo@example.org")
    await desk.say("reject bo@example.org")
    assert await desk.say("forget bo@example.org") == (
        'Forgotten: "polite-block bo@example.org", "reject bo@example.org". '
        'bo@example.org may not see your presence: they will be told so ("block *"). '
        "bo@example.org may write to you in private."
    )
    assert await desk.say("forget bo@example.org") == (
        'You have no rule about bo@example.org by that name. But about them, too, is "block *".'
    )
    assert await desk.say("forget *") == 'Forgotten: "block *".'
    assert desk.decided() == set()
    assert await desk.store.read(rules.known) == []


async def test_the_rules_are_listed_and_what_holds_for_one_person(tmp_path: Path) -> None:
    store = Store(store_url(tmp_path))
    await store.open()
    desk = Desk(store, (Policy(Pattern("libera:*"), DELIVERY, "*", Decision.BLOCK),))
    nothing = 'You have decided nothing.\nThe operator decided:\n- reject *\nSay "help" for what you can decide.'
    assert await desk.say("rules") == nothing
    operator = "\nWhere none of that matches, the operator decided:\n- reject *"
    for number in range(25):
        await desk.say(f"block {number}@example.org")
    await desk.say("hide from bo@example.org")
    said = await desk.say("rules")
    assert said is not None
    first, second, third, *rest = said.splitlines()
    assert first == "You decided:"
    assert second.startswith("- block 0@example.org, 1@example.org, ")
    assert second.endswith(", 19@example.org and 5 more")
    assert third == "- hide from bo@example.org"
    assert "\n".join(["", *rest]) == operator
    assert await desk.say("rules bo@example.org") == (
        "- bo@example.org may see your presence.\n"
        '- bo@example.org may not write to you in private: they will be told so ("reject *" by the operator).\n'
        '- bo@example.org may not know that you watch them ("hide from bo@example.org").'
    )
    await store.close()


async def test_the_help_names_every_command(desk: Desk) -> None:
    async def token(who: Person, arguments: str) -> str:
        return f"Yours, {who.name}: {arguments or 'secret'}."

    desk.commands.add(Offer("token", "[new]", "what lets a program speak for you"), token)
    said = await desk.say("help")
    assert said is not None
    for offer in desk.commands.offers.values():
        assert offer.usage in said
    assert "- allow WHO, confirm WHO, polite-block WHO, block WHO: whether they see your presence\n" in said
    assert "- token [new]: what lets a program speak for you\n" in said
    assert await desk.say("Token NEW one") == "Yours, Kestrel: NEW one."
    assert await desk.say("token") == "Yours, Kestrel: secret."
    assert await desk.say("help polite-block") == (
        '"polite-block WHO": whether they see your presence. They will find you offline, whether you are or not.'
    )
    assert await desk.say("help token") == '"token [new]": what lets a program speak for you.'


async def test_who_may_not_use_the_bridge_decides_nothing(desk: Desk) -> None:
    desk.allowed = False
    assert await desk.say("block *") == "You may not use this bridge, and so there is nothing that I could do for you."
    assert desk.decided() == set()
    assert await desk.say("hello") is None


async def test_of_commands_there_are_so_many_an_hour(desk: Desk) -> None:
    for _ in range(MOST):
        assert await desk.say("rules") is not None
    assert await desk.say("block *") is None
    assert desk.decided() == set()
    assert await desk.say("rules", ANA) is not None
    desk.now += AN_HOUR
    assert await desk.say("rules") is not None


async def test_a_command_that_fails_is_answered(desk: Desk) -> None:
    await desk.store.close()
    assert await desk.say("block *") == "That did not work, and nothing was changed; the operator can see why."
    assert desk.decided() == set()
    assert desk.permissions.access(LIBERA.address, BO) is Decision.ALLOW


async def test_commands_of_one_person_take_effect_in_their_order(desk: Desk) -> None:
    texts = ["block *", "allow *", "forget *", "confirm *", "polite-block *"]
    answers = await asyncio.gather(*(asyncio.create_task(desk.say(text)) for text in texts))
    assert all(answers)
    assert desk.decided() == {(ACCESS, "*", Decision.POLITE_BLOCK)}


@given(st.text(max_size=60), st.sampled_from([*words.VERBS, "forget", "rules", "help"]))
def test_whatever_stands_behind_a_command_has_an_answer(text: str, name: str) -> None:
    async def say() -> str | None:
        desk = Desk(Store("sqlite:///never-opened"))
        return await desk.commands.run(LIBERA, f"{name} {text}")

    assert asyncio.run(say())


@given(st.text(max_size=60))
def test_whom_a_rule_is_about_can_be_written_again(text: str) -> None:
    try:
        who = words.who(text, DIRECTORY.find, NETWORKS)
    except ValueError:
        return
    assert words.who(words.named(who, DIRECTORY.written), DIRECTORY.find, NETWORKS) == who


# Over a whole core


@pytest.mark.conforms("RFC2779:2.3.5", "RFC2779:2.3.7", "RFC2779:5.4.1", "RFC2779:5.4.10")
async def test_who_was_written_to_may_stop_it_and_that_holds_after_a_restart(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        libera, home = nets["libera"], nets["home"]
        assert await libera.core.command(KESTREL, "reject *") == (
            "You may not use this bridge, and so there is nothing that I could do for you."
        )
        await home.core.accept(private("psst", ANA, KESTREL.address))
        await libera.until(lambda: len(libera.sent) == 1)
        answer = await libera.core.command(KESTREL, f"reject {ANA.address}")
        assert answer == "Noted: home:ana may not write to you in private: they will be told so."
        failure = await refusal(nets, private("more", ANA, KESTREL.address))
        assert (failure.reason, failure.text) == (Reason.FORBIDDEN, "they do not take messages from you")
    again = with_ana_at_home()
    async with running(tmp_path, again):
        assert (await refusal(again, private("still", ANA, KESTREL.address))).reason is Reason.FORBIDDEN
    store = Store(store_url(tmp_path))
    await store.open()
    assert await store.write(partial(conversations.forget, before=math.inf)) == 1
    await store.close()
    again = with_ana_at_home()
    async with running(tmp_path, again):
        # That they once were written to is forgotten; their rule is not, and it is still theirs to change.
        assert (await refusal(again, private("still", ANA, KESTREL.address))).reason is Reason.FORBIDDEN
        await again["libera"].core.command(KESTREL, f"forget {ANA.address}")
        await again["home"].core.accept(private("friends?", ANA, KESTREL.address))
        await again["libera"].until(lambda: [part.text.text for part in again["libera"].sent] == ["friends?"])


@pytest.mark.conforms("RFC2779:5.4.10")
async def test_what_waits_is_not_brought_to_who_has_rejected_it_meanwhile(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        home, libera = nets["home"], nets["libera"]
        await home.core.accept(private("psst", ANA, KESTREL.address))
        await libera.until(lambda: len(libera.sent) == 1)
        libera.core.offline(Failure(Reason.REMOTE_SERVER_TIMEOUT, "away"))
        await home.core.accept(private("waiting", ANA, KESTREL.address, "waits"))
        await libera.core.command(KESTREL, f"reject {ANA.address}")
        libera.core.online()
        await home.until(lambda: [notice.about for notice in home.notices] == ["waits"])
        assert home.notices[0].failure == NOT_WANTED
        assert [part.text.text for part in libera.sent] == ["psst"]


async def test_who_is_denied_or_a_bot_decides_nothing(tmp_path: Path) -> None:
    nets = networks()
    for each in nets.values():
        each.at_home_here |= {"kestrel", "robot"}
    denying = Rules(deny=(Pattern("libera:kestrel"),), bots=(Pattern("*robot"),))
    async with running(tmp_path, nets, denying):
        for who in (KESTREL, replace(KESTREL, address=Address("libera", "robot"))):
            answer = await nets["libera"].core.command(who, "block *")
            assert answer == "You may not use this bridge, and so there is nothing that I could do for you."
        assert set(nets["libera"].core.commands) >= {"help", "rules", "allow", "forget"}


async def test_the_gateway_tells_who_watches_and_who_waits(tmp_path: Path) -> None:
    nets = with_ana_at_home()
    async with running(tmp_path, nets):
        ask = nets["home"].core.command
        assert set(nets["home"].core.commands) >= {"watchers", "pending", "rules"}
        assert await ask(ANA, "watchers") == "Nobody watches you, and nobody has looked at you in the last 30 days."
        assert await ask(ANA, "pending") == "Nobody waits for your permission."
