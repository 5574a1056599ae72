"""The answers of /sync, read."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.matrix.account.batch import Batch, Invitation, Timeline, arrival, read
from tests.unit.matrix.scenes import ANA, member, pdu

BOT = "@bot:example.org"
HELLO = pdu("m.room.message", {"msgtype": "m.text", "body": "hello"})

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
# The shape of an answer, with anything at all in the place of each of its parts.
EVENT = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["m.room.member", "m.room.canonical_alias", "m.room.message"]) | JSON,
        "state_key": st.just(BOT) | JSON,
        "sender": st.just(ANA) | JSON,
        "content": st.fixed_dictionaries(
            {}, optional={"membership": st.sampled_from(["invite", "join"]) | JSON, "alias": JSON, "alt_aliases": JSON}
        )
        | JSON,
        "unsigned": st.fixed_dictionaries({}, optional={"prev_content": JSON}) | JSON,
    },
)
EVENTS = st.fixed_dictionaries({}, optional={"events": st.lists(EVENT | JSON, max_size=4) | JSON}) | JSON
ROOM = (
    st.fixed_dictionaries(
        {}, optional={"timeline": EVENTS, "state": EVENTS, "invite_state": EVENTS, "limited": JSON, "prev_batch": JSON}
    )
    | JSON
)
ROOMS = st.dictionaries(st.sampled_from(["!a", "!b:example.org", "", "\0"]), ROOM, max_size=3) | JSON
ANSWER = st.fixed_dictionaries(
    {},
    optional={
        "next_batch": JSON,
        "rooms": st.fixed_dictionaries({}, optional={"join": ROOMS, "leave": ROOMS, "invite": ROOMS}) | JSON,
    },
)


def test_an_answer() -> None:
    invite = [
        {"type": "m.room.canonical_alias", "content": {"alias": "#lobby:example.org", "alt_aliases": ["#hall:x"]}},
        {"type": "m.room.member", "state_key": ANA, "sender": ANA, "content": {"membership": "join"}},
        {"type": "m.room.member", "state_key": BOT, "sender": ANA, "content": {"membership": "invite"}},
    ]
    answer = {
        "next_batch": "s2",
        "rooms": {
            "join": {"!a": {"timeline": {"events": [HELLO], "limited": True, "prev_batch": "t1"}}},
            "leave": {"!b": {"timeline": {"events": [HELLO]}, "state": {"events": [HELLO]}}},
            "invite": {"!c": {"invite_state": {"events": invite}}, "!d": {"invite_state": {"events": invite[:2]}}},
        },
    }
    assert read(answer, BOT) == Batch(
        "s2",
        (Timeline("!a", (HELLO,), (), True, "t1"), Timeline("!b", (HELLO,), (HELLO,))),
        (Invitation("!c", ANA, frozenset({"#lobby:example.org", "#hall:x"})),),
    )


def test_a_token_that_is_none() -> None:
    for token in (None, 3, "", "a\nb", "x" * 10_000):
        assert read({"next_batch": token}, BOT).token == ""


@given(ANSWER | st.dictionaries(st.text(max_size=6), JSON, max_size=3))
def test_nothing_raises(answer: dict[str, Any]) -> None:
    batch = read(answer, BOT)
    for timeline in batch.timelines:
        assert timeline.room_id
        at = arrival(timeline.events, BOT)
        assert at is None or timeline.events[at]["state_key"] == BOT
    assert all(invitation.by for invitation in batch.invitations)


def test_when_the_account_came() -> None:
    came = member(BOT, "join")
    assert arrival([], BOT) is None
    assert arrival([HELLO, member(ANA, "join")], BOT) is None
    assert arrival([HELLO, came, HELLO], BOT) == 1
    assert arrival([came, member(BOT, "leave", ANA), member(BOT, "join", before="invite"), HELLO], BOT) == 2
    # Another name is no arrival.
    assert arrival([HELLO, member(BOT, "join", before="join", displayname="Other")], BOT) is None
