"""What a homeserver did not push, though it should have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.matrix import missed
from adapters.matrix.errors import MatrixError
from bridge.model.message import Message
from tests.unit.matrix.homeserver import Homeserver, homeserver
from tests.unit.matrix.parlour import Parlour, parlour
from tests.unit.matrix.scenes import ANA, KESTREL, LOBBY, NOW, member, pdu


def said(number: int, sender: str = ANA) -> dict[str, Any]:
    """The message of that number, said so many seconds after the last known one."""
    return pdu(
        "m.room.message", {"msgtype": "m.text", "body": f"line {number}"}, sender,
        event_id=f"${number}", origin_server_ts=int((NOW - 100 + number) * 1000),
    )  # fmt: skip


@asynccontextmanager
async def lobby(
    monkeypatch: pytest.MonkeyPatch, known: float | None = NOW - 100
) -> AsyncIterator[tuple[Homeserver, Parlour]]:
    """A room whose last known message was said then."""
    async with homeserver() as (server, client):
        parts = parlour(client=client)
        room = parts.rooms.bind(LOBBY, "!lobby")
        room.entered = room.loaded = True
        room.people[ANA] = "Ana"
        room.puppets[KESTREL] = "kestrel"
        monkeypatch.setattr(parts.core, "last_seen", lambda place: known)
        yield server, parts


def texts(parts: Parlour) -> list[str]:
    return [str(event.content.body) for event in parts.core.events() if isinstance(event.content, Message)]


async def test_in_doubt_a_message_that_was_left_out_is_taken_in_before_those_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with lobby(monkeypatch) as (server, parts):
        server.timeline = [said(-1), said(0), said(1), said(2, KESTREL), said(3), said(4), said(5)]
        parts.missed.begin()
        await parts.intake.transaction({"events": [said(3), said(4)]})
        # What comes behind is still to be pushed; what a puppet said is ours.
        assert texts(parts) == ["line 1", "line 3", "line 4"]
        await parts.intake.transaction({"events": [said(5)]})
        assert texts(parts)[-1] == "line 5"
        assert texts(parts).count("line 1") == 1


async def test_without_doubt_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with lobby(monkeypatch) as (server, parts):
        server.timeline = [said(1), said(2)]
        await parts.intake.transaction({"events": [said(2)]})
        assert texts(parts) == ["line 2"]
        parts.missed.begin()
        await parts.intake.transaction({"events": [said(3, KESTREL), member(ANA, "join")]})
        assert server.asked == [], "nobody said anything"


async def test_when_the_link_comes_up_the_rooms_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed, "PAGE", 2)
    async with lobby(monkeypatch) as (server, parts):
        server.timeline = [said(-1), said(0), *(said(number) for number in range(1, 8)), member(ANA, "join")]
        await parts.intake.catch_up()
        assert texts(parts) == [f"line {number}" for number in range(1, 8)]
        assert server.count("/messages") == 5
        await parts.intake.transaction({"events": [said(7), said(8)]})
        assert texts(parts) == [f"line {number}" for number in range(1, 9)]


@pytest.mark.parametrize(("known", "lines"), [(None, 0), (NOW - 100_000, 3)])
async def test_what_was_never_bridged_or_long_ago_is_not_brought(
    monkeypatch: pytest.MonkeyPatch, known: float | None, lines: int
) -> None:
    async with lobby(monkeypatch, known) as (server, parts):
        old = said(0) | {"event_id": "$old", "origin_server_ts": int((NOW - missed.REACH - 1) * 1000)}
        server.timeline = [old, said(1), said(2), said(3)]
        await parts.intake.catch_up()
        assert len(texts(parts)) == lines


async def test_a_room_that_cannot_be_read_keeps_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with lobby(monkeypatch) as (server, parts):
        server.refuse["/messages"] = (403, {"errcode": "M_FORBIDDEN", "error": "no"})
        parts.missed.begin()
        await parts.intake.transaction({"events": [said(1)]})
        assert texts(parts) == ["line 1"]


async def test_what_a_puppet_said_late_and_is_older_by_its_time_does_not_end_the_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Messages that waited bear the time at which they were said, in another room, before what is known here."""
    monkeypatch.setattr(missed, "PAGE", 2)
    async with lobby(monkeypatch) as (server, parts):
        late = said(-50, KESTREL)
        server.timeline = [
            said(0),
            said(1),
            said(2),
            *(late | {"event_id": f"$late{each}"} for each in range(3)),
            said(3),
        ]
        await parts.intake.catch_up()
        assert texts(parts)[-3:] == ["line 1", "line 2", "line 3"]


async def test_where_a_page_does_not_come_nothing_overtakes_what_is_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed, "PAGE", 2)
    async with lobby(monkeypatch) as (server, parts):
        server.timeline = [said(0), *(said(number) for number in range(1, 6))]
        right, fails = parts.missed._client.request, iter([False, True, False, True])

        async def sometimes(*path: Any, **more: Any) -> Any:
            if next(fails, False):
                raise MatrixError(500, "M_UNKNOWN", "busy")
            return await right(*path, **more)

        monkeypatch.setattr(parts.missed._client, "request", sometimes)
        parts.missed.begin()
        with pytest.raises(MatrixError):
            await parts.intake.catch_up()
        with pytest.raises(MatrixError):
            await parts.intake.transaction({"events": [said(5)]})
        assert texts(parts) == []
        await parts.intake.transaction({"events": [said(5)]})
        assert texts(parts)[-5:] == [f"line {number}" for number in range(1, 6)]
