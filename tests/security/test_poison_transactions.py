"""Poison: whatever a pushed transaction holds, it is answered, and what stands behind it arrives.

Bytes go in through the real handler; behind it stand the real intake and a core that records. Federation brings events
of any shape: the homeserver checks no more than who signed them.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.matrix.intake import Intake
from adapters.matrix.reading import DEEPEST, read
from adapters.matrix.server import Server
from bridge.model.message import Message
from tests.networks.matrix.support import RecordingCore
from tests.security.fortress import HS_TOKEN, PUSH, Fortress, Matrix, fortress
from tests.unit.matrix.parlour import Parlour, parlour
from tests.unit.matrix.scenes import ANA, KESTREL, LOBBY, OURS, member, pdu

TEXT = {"msgtype": "m.text", "body": "hi", "format": "org.matrix.custom.html", "formatted_body": "<b>hi</b>"}
VALID: list[dict[str, Any]] = [
    pdu("m.room.message", TEXT),
    pdu("m.room.message", {"msgtype": "m.emote", "body": "waves", "m.mentions": {"user_ids": [KESTREL, ANA]}}),
    pdu("m.room.message", {
        "msgtype": "m.text", "body": "* ho", "m.new_content": {"msgtype": "m.text", "body": "ho"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"},
    }),
    pdu("m.room.message", TEXT | {"m.relates_to": {
        "rel_type": "m.thread", "event_id": "$1", "is_falling_back": True, "m.in_reply_to": {"event_id": "$2"},
    }}),
    pdu("m.room.message", {
        "msgtype": "m.image", "body": "cat.jpg", "filename": "cat.jpg", "url": "mxc://example.org/abc",
        "info": {"mimetype": "image/jpeg", "size": 1234, "w": 3, "h": 4},
    }),
    pdu("m.room.message", {"msgtype": "m.location", "body": "here", "geo_uri": "geo:1,2"}),
    pdu("m.room.message", TEXT | {"org.rialto.bridge": {"part": "01HZX-1-0", "hops": 5, "stands_for": "xmpp:a@b"}}),
    pdu("m.sticker", {"body": "cat", "url": "mxc://example.org/abc", "info": {}}),
    pdu("m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$1", "key": "👍"}}),
    pdu("m.room.redaction", {"redacts": "$1", "reason": "spam"}, redacts="$1"),
    pdu("m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "abc"}),
    pdu("m.poll.start", {"m.poll": {"question": {"m.text": [{"body": "?", "mimetype": "text/plain"}]}}}),
    pdu("m.call.invite", {"call_id": "1", "offer": {"sdp": "", "type": "offer"}}),
    pdu("m.room.topic", {"topic": "tea"}, state_key=""),
    pdu("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}, state_key=""),
    pdu("m.room.tombstone", {"body": "gone", "replacement_room": "!x"}, state_key=""),
    pdu("m.room.power_levels", {"users": {ANA: 100}, "users_default": 0}, state_key=""),
    member(ANA, "join", displayname="Ana"),
    member(ANA, "join") | {"content": {"membership": "join", "org.rialto.bridge": {"stands_for": "xmpp:a@b"}}},
    member(ANA, "leave", before="join", reason="bye"),
    member(KESTREL, "ban", ANA, before="join", reason="out"),
    member(KESTREL, "invite", ANA),
    member(OURS.bot_id, "invite", ANA, is_direct=True) | {"room_id": "!other"},
    member(KESTREL, "invite", ANA, is_direct=True) | {"room_id": "!private"},
    pdu("m.room.message", TEXT, KESTREL),
    pdu("m.room.message", TEXT, room_id="!private"),
]  # fmt: skip
EPHEMERAL: list[dict[str, Any]] = [
    {"type": "m.typing", "room_id": "!lobby", "content": {"user_ids": [ANA]}},
    {"type": "m.receipt", "room_id": "!lobby", "content": {"$1": {"m.read": {ANA: {"ts": 1}}}}},
    {"type": "m.presence", "sender": ANA, "content": {
        "presence": "online", "last_active_ago": 5, "status_msg": "x", "currently_active": True,
    }},
]  # fmt: skip
REST: dict[str, Any] = {
    "de.sorunome.msc2409.to_device": [{"type": "m.room_key", "sender": ANA, "content": {}, "to_user_id": KESTREL}],
    "org.matrix.msc3202.device_lists": {"changed": [ANA], "left": []},
    "org.matrix.msc3202.device_one_time_keys_count": {KESTREL: {"D": {"signed_curve25519": 1}}},
}

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1 << 53, 10**400, -(10**400), 1e308, float("nan"), float("inf"), -0.0, "", " "),
    *("\0", "a\0b", "\ud800", "\udfff\ud800", "\u202e", "\r\nQUIT", "x" * 70_000, "@", "@:", "@a:", "!", "$", "#"),
    *([], {}, [[]], [{}], {"": ""}, {"\ud800": "\0"}, [None] * 50, {"m.text": [None, 5, {"body": 7}]}, "2000-01-01"),
]


def nested(depth: int, of: Any) -> Any:
    for _ in range(depth):
        of = [of] if depth % 2 else {"a": of}
    return of


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where anything stands in the value."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [here, *(path for key, inner in items for path in paths(inner, (*here, key)))]


@st.composite
def mutated(draw: st.DrawFn, valid: list[Any]) -> Any:
    """A valid example in which something, at any depth, is odd, gone or doubled."""
    value = deepcopy(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(paths(value)))
        odd = deepcopy(draw(st.sampled_from(ODD) | st.builds(nested, st.sampled_from([2, 60]), st.sampled_from(ODD))))
        if not path:
            value = odd if draw(st.integers(0, 9)) == 0 else value
            continue
        owner = value
        for key in path[:-1]:
            owner = owner[key]
        how = draw(st.integers(0, 3))
        if how == 0:
            del owner[path[-1]]
        elif how == 1 and isinstance(owner, dict):
            owner[draw(st.sampled_from(["", "\0", "type", "content", "m.relates_to", "state_key", "unsigned"]))] = odd
        else:
            owner[path[-1]] = odd
    return value


TRANSACTIONS = st.builds(
    lambda events, ephemeral, rest, keys: {"events": events, keys: ephemeral} | rest,
    st.lists(mutated(VALID), max_size=5),
    st.lists(mutated(EPHEMERAL), max_size=3),
    mutated([REST]).map(lambda rest: rest if isinstance(rest, dict) and "events" not in rest else {}),
    st.sampled_from(["ephemeral", "de.sorunome.msc2409.ephemeral"]),
)


class Behind(Matrix):
    """The routes, with the real intake behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: Parlour = parlour()
        self.parts.rooms.bind(LOBBY, "!lobby")
        self.server = Server(HS_TOKEN, self.parts.intake.transaction, self._user, self._ready, self.tasks)


@asynccontextmanager
async def attached() -> AsyncIterator[tuple[Fortress, RecordingCore]]:
    behind = Behind()
    async with fortress(behind) as standing:
        yield standing, behind.parts.core
    await behind.parts.tasks.stop()


def last_words(core: RecordingCore) -> str:
    content = core.events()[-1].content if core.events() else None
    return content.body.text if isinstance(content, Message) else ""


async def push(standing: Fortress, raw: bytes) -> int:
    return await standing.ask("PUT", PUSH, token=HS_TOKEN, body=raw)


def behind(number: int) -> dict[str, Any]:
    """An event in good order, of its own id."""
    return pdu("m.room.message", TEXT | {"body": f"behind {number}"}, event_id=f"$behind{number}", sender=ANA)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=60)
@given(TRANSACTIONS)
def test_any_transaction_is_taken_with_what_is_behind_it(transaction: dict[str, Any]) -> None:
    async def take() -> None:
        async with attached() as (standing, core):
            events = [*transaction["events"], behind(1)]
            raw = json.dumps(transaction | {"events": events}).encode()
            assert await push(standing, raw) == 200
            assert last_words(core) == "behind 1"
            # The next push is taken, too.
            assert await standing.push(behind(2)) == 200
            assert last_words(core) == "behind 2"
        assert "not understood" not in core.labels, "nothing that can be foreseen is left to the last resort"

    asyncio.run(take())


@pytest.mark.parametrize("depth", [900, 1100, 20_000])
@pytest.mark.parametrize("where", ["content", "unsigned", "prev_content"])
async def test_an_event_deeper_than_any_reader_goes_keeps_nothing_away(depth: int, where: str) -> None:
    deep = "[" * depth + "]" * depth
    poison = f'{{"type": "m.room.message", "event_id": "$deep", "room_id": "!lobby", "{where}": {deep}}}'
    async with attached() as (standing, core):
        before, after = json.dumps(behind(1)), json.dumps(behind(2))
        raw = f'{{"events": [{before}, {poison} , {after}], "ephemeral": []}}'.encode()
        assert await push(standing, raw) == 200
        assert [event.origin.native_id for event in core.events()] == ["$behind1", "$behind2"]


async def test_numbers_beyond_all_measure() -> None:
    huge = "9" * 5000
    poison = f'{{"type": "m.room.message", "event_id": "$huge", "origin_server_ts": {huge}, "room_id": "!lobby"}}'
    async with attached() as (standing, core):
        raw = f'{{"txn": "a,b]}}\\"", "events":[{poison},{json.dumps(behind(1))}]}}'.encode()
        assert await push(standing, raw) == 200
        assert last_words(core) == "behind 1"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400])
async def test_numbers_that_are_none(number: str) -> None:
    async with attached() as (standing, core):
        event = json.dumps(behind(1)).replace("1700000000123", number)
        assert await push(standing, f'{{"events": [{event}]}}'.encode()) == 200
        assert last_words(core) == "behind 1"


async def test_of_keys_that_are_there_twice_the_last_one_counts() -> None:
    async with attached() as (standing, core):
        event = json.dumps(behind(1)).replace('"type":', '"sender": "@x:y", "type": "m.odd", "type":', 1)
        assert await push(standing, f'{{"events": 5, "events": [{event}]}}'.encode()) == 200
        assert last_words(core) == "behind 1"
        assert core.events()[-1].sender.address.native == ANA


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"5", b'{"events": [}', b'{"events": [1,]}', b'{"events": [{]}}', b"\xff", b'{"events":[[[[}',
     b'{"events": [' + b"[" * 5000 + b"]}", b"[" * 100_000],
)  # fmt: skip
async def test_what_is_no_json_is_refused_and_nothing_of_it_taken(raw: bytes) -> None:
    async with attached() as (standing, core):
        assert await push(standing, raw) == 400
        assert not core.items
        assert await standing.push(behind(1)) == 200
        assert last_words(core) == "behind 1"


async def test_a_fault_of_ours_with_one_event_is_that_events(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = Intake._translate

    def stumbling(self: Intake, event: Any, room: Any) -> Any:
        if event.get("event_id") == "$poison":
            raise RuntimeError("nobody foresaw this")
        return real(self, event, room)

    monkeypatch.setattr(Intake, "_translate", stumbling)
    async with attached() as (standing, core):
        poison = pdu("m.room.message", TEXT, event_id="$poison")
        assert await standing.push(behind(1), poison, behind(2)) == 200
        assert [event.origin.native_id for event in core.events()] == ["$behind1", "$behind2"]
        assert core.labels == ["not understood"]


async def test_the_answer_comes_after_the_core_has_taken_it() -> None:
    async with attached() as (standing, core):
        core.held = asyncio.Event()
        pushing = asyncio.create_task(standing.push(behind(1)))
        await core.until(lambda: core.held is not None, "held")
        done, _ = await asyncio.wait([pushing], timeout=0.2)
        assert not done, "nothing is answered before"
        core.held.set()
        assert await pushing == 200
        core.held = None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from(['a"b', "\\", "[,{", "]}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["events", "a", '"', "}"]), inner),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=4), st.integers(0, 4), st.sampled_from("[{"))
def test_only_what_is_beyond_all_measure_is_left_out(values: list[Any], at: int, bracket: str) -> None:
    """Everything else is read as it stands, wherever the poison is."""
    poison = "[" * 5000 + '"]"' + "]" * 5000 if bracket == "[" else '{"}":' * 5000 + "1" + "}" * 5000
    pieces = [json.dumps(value) for value in values]
    pieces.insert(min(at, len(pieces)), poison)
    pieces.append("-" + "7" * 5000)
    found = read(f"[{' , '.join(pieces)}]".encode())
    assert found.pop() == 0
    cut = found.pop(min(at, len(values)))
    assert found == values
    depth = 0
    while cut:
        (cut,) = cut if isinstance(cut, list) else cut.values()
        depth += 1
    assert depth == DEEPEST - 1


@pytest.mark.parametrize(
    "raw", ["[" * 500, "[" * 5000 + "]" * 4999, "{" + "[" * 5000 + "]" * 5000 + "}", "9" * 5000 + "x"]
)
def test_what_is_no_json_beneath_it_all_is_none(raw: str) -> None:
    with pytest.raises(ValueError):
        read(raw.encode())
