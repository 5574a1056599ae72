"""Poison: whatever stands in an answer to /sync, the account reads on, and what stands behind it arrives.

The real reader, translation and correspondence, over a session that answers as told.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.matrix.account.calls import Calls
from adapters.matrix.account.direct import Correspondence
from adapters.matrix.account.ids import Own
from adapters.matrix.account.invitations import Invitations
from adapters.matrix.account.reading import Reading
from adapters.matrix.account.session import Session
from adapters.matrix.entering import Entering
from adapters.matrix.puppets import Puppets
from adapters.matrix.rooms import Rooms
from adapters.matrix.sending import Sender
from adapters.matrix.tasks import Tasks
from bridge.contract import Core
from tests.networks.matrix.support import RecordingCore
from tests.security.test_poison_transactions import ODD, VALID, behind, last_words, mutated
from tests.unit.matrix.scenes import ANA, LOBBY, member


class Told:
    """A session whose homeserver has these answers to /sync, and knows nothing of anything else."""

    privileged = False

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    async def request(self, method: str, *path: str, **_: Any) -> Mapping[str, Any]:
        return self.answers.pop(0) if path[0].endswith("/sync") else {}


def reader(*answers: Any) -> tuple[Reading, RecordingCore, Tasks]:
    """A reader that has begun, in the lobby."""
    core, tasks = RecordingCore(LOBBY.native), Tasks()
    core.memory["since"] = "s0"
    session, ours, rooms = cast(Session, Told(*answers)), Own.of("@bot:example.org"), Rooms([LOBBY])
    rooms.bind(LOBBY, "!lobby")
    given = cast(Core, core)
    entering = Entering(given, session, ours, rooms)
    sender = Sender(session, ours, Puppets(given, session, ours, rooms), tasks, core.identity)
    calls = Calls(session, ours)
    correspondence = Correspondence(given, calls, ours, rooms, sender, tasks)
    invitations = Invitations(calls, ours, rooms, entering, correspondence)
    return Reading(given, session, ours, rooms, entering, sender, correspondence, invitations), core, tasks


def answer(token: str, *events: Any, **more: Any) -> dict[str, Any]:
    return {"next_batch": token, "rooms": {"join": {"!lobby": {"timeline": {"events": list(events)} | more}}}}


ROOMS = st.dictionaries(
    st.sampled_from(["!private", "!other", "", "x", "\0", "!lobby2"]),
    mutated([{
        "timeline": {"events": VALID[:3], "limited": False, "prev_batch": "t1"},
        "state": {"events": VALID[-4:]},
        "invite_state": {"events": [
            member("@bot:example.org", "invite", ANA),
            {"type": "m.room.canonical_alias", "content": {"alias": "#x:y", "alt_aliases": ["#z:y"]}},
        ]},
    }]),
    max_size=2,
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(mutated(VALID), max_size=6), ROOMS, ROOMS, ROOMS, st.sampled_from(ODD))
def test_any_answer_is_read_and_what_is_behind_it_arrives(
    events: list[Any], joined: dict[str, Any], left: dict[str, Any], invited: dict[str, Any], odd: Any
) -> None:
    async def take() -> None:
        first = answer("s1", *events, behind(1), prev_batch=odd)
        first["rooms"]["join"] |= joined
        first["rooms"] |= {"leave": left, "invite": invited, "knock": odd}
        first |= {"presence": odd, "to_device": odd, "account_data": odd}
        reading, core, tasks = reader(first, answer("s2", behind(2)))
        await reading.step()
        assert last_words(core) == "behind 1"
        assert core.memory["since"] == "s1"
        await reading.step()
        assert last_words(core) == "behind 2"
        assert core.memory["since"] == "s2"
        assert "not understood" not in core.labels, "nothing that can be foreseen is left to the last resort"
        await tasks.stop()

    asyncio.run(take())


async def test_a_fault_of_ours_with_one_event_is_that_events(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Reading._said

    def stumbling(self: Reading, pdu: Any, room: Any) -> Any:
        if pdu.get("event_id") == "$poison":
            raise RuntimeError("nobody foresaw this")
        return real(self, pdu, room)

    monkeypatch.setattr(Reading, "_said", stumbling)
    reading, core, tasks = reader(answer("s1", behind(1), VALID[0] | {"event_id": "$poison"}, behind(2)))
    await reading.step()
    assert [event.origin.native_id for event in core.events()] == ["$behind1", "$behind2"]
    assert core.labels == ["not understood"]
    assert core.memory["since"] == "s1"
    await tasks.stop()
