"""Conversations as kept in mind and taken up again."""

from collections.abc import Mapping

import pytest

from adapters.matrix.conversations import REFUSALS, REFUSED_FOR, Conversations, Stage
from bridge.model.address import Address
from tests.unit.matrix.scenes import ANA, KESTREL, NOW, OURS

WHO = Address("libera", "kestrel")


def kept(*notes: Mapping[str, str | None]) -> dict[str, str]:
    """What a memory holds after these notes."""
    memory: dict[str, str] = {}
    for each in notes:
        for key, value in each.items():
            if value is None:
                memory.pop(key, None)
            else:
                memory[key] = value
    return memory


def recalled(memory: Mapping[str, str], now: float = NOW) -> Conversations:
    conversations = Conversations("home")
    conversations.recall(memory, now)
    return conversations


def test_a_memory_is_taken_up() -> None:
    before = Conversations("home")
    older = before.begin("!older", ANA, KESTREL, WHO, Stage.OPEN, NOW - 5, "Ana")
    newer = before.begin("!newer", ANA, KESTREL, WHO, Stage.OFFERED, NOW)
    bot = before.begin("!bot", ANA, OURS.bot_id, None, Stage.ASKED, NOW)
    memory = kept(before.note(newer), before.note(older), before.note(bot), before.begin_making(ANA, WHO))
    after = recalled(memory)
    assert len(list(after)) == after.rooms_of(ANA) == 3
    current = after.of(ANA, WHO)
    assert current is not None
    assert (current.room.room_id, current.stage, current.ours, current.checked) == (
        "!newer", Stage.OFFERED, KESTREL, False
    )  # fmt: skip
    first = after.by_id("!older")
    assert first is not None
    assert (first.name, first.since, first.place.native) == ("Ana", NOW - 5, ANA)
    after.use(first)
    assert after.of(ANA, WHO) is first
    waiting = after.of(ANA, None)
    assert waiting is not None
    assert not waiting.ready
    assert after.partner(ANA) == KESTREL
    assert after.partner("@nobody:example.org") is None
    assert after.making(ANA, WHO)
    assert not recalled(kept(memory, after.end_making(ANA, WHO))).making(ANA, WHO)
    assert after.has(KESTREL)
    assert kept(memory, after.end(first), after.end(current), after.end(waiting)).keys() == {
        key for key in memory if key.startswith("making/")
    }
    assert not after.has(KESTREL)
    assert after.rooms_of(ANA) == 0
    assert after.end(first) == after.note(first) == {}, "what has ended is not ended, and not kept, a second time"


def test_an_encrypted_room_is_never_where_the_two_speak() -> None:
    before = Conversations("home")
    plain = before.begin("!plain", ANA, KESTREL, WHO, Stage.OPEN, NOW - 5, "Ana")
    secret = before.begin("!secret", ANA, KESTREL, WHO, Stage.OPEN, NOW, "Ana")
    assert before.of(ANA, WHO) is secret
    secret.room.encrypted = True
    assert before.of(ANA, WHO) is plain
    before.use(secret)
    assert before.of(ANA, WHO) is plain
    after = recalled(kept(before.note(plain), before.note(secret)))
    current = after.of(ANA, WHO)
    assert current is not None
    assert current.room.room_id == "!plain"
    assert after.rooms_of(ANA) == 2, "it is still ours to answer in and to leave"
    after.end(current)
    assert after.of(ANA, WHO) is None


@pytest.mark.parametrize(
    "value",
    ["", "5", "[]", "{}", '["a","b","c","open",1,""]', '["a","b","","closed",1,""]', '["a","b","","open","x",""]'],
)
def test_a_broken_memory(value: str) -> None:
    memory = {"dm/!x": value, "refused/abc": value, "puppet:@x:y": value}
    conversations = Conversations("home")
    assert conversations.recall(memory, NOW) == {"refused/abc": None}
    assert not list(conversations)


def test_refusals_end() -> None:
    conversations = Conversations("home")
    memory = kept(conversations.refuse(ANA, WHO, NOW))
    assert conversations.refused(ANA, WHO, NOW + REFUSED_FOR - 1)
    assert not conversations.refused(ANA, WHO, NOW + REFUSED_FOR)
    assert not conversations.refused(ANA, Address("libera", "owl"), NOW)
    assert recalled(memory).refused(ANA, WHO, NOW)
    assert Conversations("home").recall(memory, NOW + REFUSED_FOR) == dict.fromkeys(memory)
    assert kept(memory, conversations.relent(ANA, WHO)) == {}
    assert not conversations.refused(ANA, WHO, NOW)
    assert conversations.relent(ANA, WHO) == conversations.relent(ANA, None) == {}


def test_refusals_are_bounded() -> None:
    conversations = Conversations("home")
    people = [Address("libera", f"n{number}") for number in range(REFUSALS + 10)]
    memory = kept(*(conversations.refuse(ANA, person, NOW) for person in people))
    assert len(memory) == REFUSALS
    assert [conversations.refused(ANA, person, NOW) for person in (people[9], people[10])] == [False, True]
