"""Presence in Matrix's words and in the model's: by tables, by properties, with hostile content."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.matrix.hearing import Heard
from adapters.matrix.presence import NOTE_LENGTH, OFFLINE, Status, presence_of, status_of
from bridge.model.address import Address
from bridge.model.presence import Activity, Basic, Presence, Show, Tuple
from tests.networks.matrix.support import RecordingCore
from tests.unit.matrix.scenes import ANA, KESTREL, NOW, OURS
from tests.unit.matrix.test_matrix_inbound import JSON

WHO = Address("home", ANA)
AWAY, BUSY, LONG = (frozenset({activity}) for activity in (Activity.AWAY, Activity.BUSY, Activity.VACATION))
NONE = frozenset[Activity]()
MINUTE = NOW // 60 * 60


@pytest.mark.parametrize(
    ("content", "basic", "activities", "note", "idle"),
    [
        ({"presence": "online", "currently_active": True, "last_active_ago": 5000}, Basic.OPEN, NONE, "", None),
        ({"presence": "online", "last_active_ago": 600_000}, Basic.OPEN, NONE, "", MINUTE - 600),
        ({"presence": "online", "last_active_ago": 100_000, "currently_active": False}, Basic.OPEN, NONE, "", None),
        ({"presence": "unavailable", "status_msg": "tea"}, Basic.OPEN, AWAY, "tea", None),
        ({"presence": "unavailable", "last_active_ago": 0}, Basic.OPEN, AWAY, "", MINUTE),
        ({"presence": "offline", "status_msg": " bye\r\n"}, Basic.CLOSED, NONE, "bye", None),
        ({"presence": "org.matrix.msc3026.busy"}, Basic.OPEN, BUSY, "", None),
        ({"presence": "online", "status_msg": "a\x00\ud800b"}, Basic.OPEN, NONE, "a\ufffdb", None),
        ({"presence": "online", "status_msg": "x" * 9999}, Basic.OPEN, NONE, "x" * NOTE_LENGTH, None),
        ({"presence": "online", "status_msg": 5, "last_active_ago": "1"}, Basic.OPEN, NONE, "", None),
        ({"presence": "online", "last_active_ago": -1}, Basic.OPEN, NONE, "", None),
        ({"presence": "online", "last_active_ago": True}, Basic.OPEN, NONE, "", None),
        ({"presence": "online", "last_active_ago": float("nan")}, Basic.OPEN, NONE, "", None),
        ({"presence": "online", "last_active_ago": float("inf")}, Basic.OPEN, NONE, "", None),
        ({"presence": "online", "last_active_ago": 10**400}, Basic.OPEN, NONE, "", None),
    ],
)
def test_what_is_told(
    content: dict[str, Any], basic: Basic, activities: frozenset[Activity], note: str, idle: float | None
) -> None:
    presence = presence_of(WHO, content, NOW)
    assert presence is not None
    (device,) = presence.tuples
    assert (device.basic, device.activities, device.idle_since) == (basic, activities, idle)
    assert device.notes == ((("", note),) if note else ())


@pytest.mark.parametrize("content", [{}, {"presence": "asleep"}, {"presence": ["online"]}, {"presence": None}])
def test_what_is_no_presence(content: dict[str, Any]) -> None:
    assert presence_of(WHO, content, NOW) is None


@pytest.mark.parametrize(
    ("tuples", "status"),
    [
        ([], OFFLINE),
        ([Tuple("a", Basic.OPEN)], Status("online")),
        ([Tuple("a", Basic.OPEN, AWAY, (("", "tea"),))], Status("unavailable", "tea")),
        ([Tuple("a", Basic.OPEN, idle_since=NOW)], Status("unavailable")),
        ([Tuple("a", Basic.OPEN, BUSY)], Status("unavailable", "busy")),
        ([Tuple("a", Basic.OPEN, LONG)], Status("unavailable", "away for long")),
        ([Tuple("a", Basic.OPEN, AWAY, show=Show.XA)], Status("unavailable", "away for long")),
        ([Tuple("a", Basic.OPEN, show=Show.CHAT)], Status("online")),
        ([Tuple("a", Basic.OPEN, frozenset({Activity.PERMANENT_ABSENCE}))], Status("offline")),
        ([Tuple("a", Basic.OPEN, frozenset({Activity.MEETING, Activity.TRAVEL}))], Status("unavailable", "busy")),
        ([Tuple("a", Basic.OPEN, BUSY, (("de", "Sitzung"), ("", "meeting")))], Status("unavailable", "meeting")),
        ([Tuple("a", Basic.OPEN, notes=(("de", "Tee"), ("en", "tea")))], Status("online", "Tee")),
        ([Tuple("a", Basic.CLOSED, AWAY, (("", "gone"),))], Status("offline", "gone")),
        ([Tuple("a", Basic.CLOSED), Tuple("b", Basic.OPEN, AWAY)], Status("unavailable")),
        ([Tuple("a", Basic.OPEN, AWAY), Tuple("b", Basic.OPEN)], Status("online")),
        ([Tuple("a", Basic.OPEN, AWAY, priority=0.9), Tuple("b", Basic.OPEN, priority=0.1)], Status("unavailable")),
        ([Tuple("a", Basic.OPEN, AWAY, since=2.0), Tuple("b", Basic.OPEN, since=1.0)], Status("unavailable")),
        ([Tuple("a", Basic.OPEN, notes=(("", "x\r\ny\x00" + "z" * 999),))], Status("online", "x\ny\ufffd" + "z" * 496)),
    ],
)
def test_what_a_puppet_shows(tuples: list[Tuple], status: Status) -> None:
    assert status_of(Presence(WHO, tuple(tuples))) == status


@given(
    st.dictionaries(
        st.sampled_from(["presence", "status_msg", "last_active_ago", "currently_active"]),
        JSON | st.sampled_from(["online", "unavailable", "offline", "busy"]),
    )
)
def test_no_content_raises(content: dict[str, Any]) -> None:
    presence = presence_of(WHO, content, NOW)
    if presence is not None:
        (device,) = presence.tuples
        assert all(0 < len(text) <= NOTE_LENGTH and "\x00" not in text for _, text in device.notes)
        assert device.idle_since is None or device.idle_since <= NOW
        status = status_of(presence)
        # What a user shows comes back as it was, were a puppet to show it: no loop changes it any further.
        again = presence_of(WHO, {"presence": status.state, "status_msg": status.message}, NOW)
        assert again is not None
        assert status_of(again) == status


@given(st.lists(JSON | st.fixed_dictionaries({"type": st.just("m.presence"), "sender": JSON, "content": JSON})))
def test_no_edu_raises(edus: list[Any]) -> None:
    heard = Heard(RecordingCore(), OURS, lambda: NOW)
    for edu in edus:
        heard.take(edu if isinstance(edu, dict) else {})


def test_each_change_is_told_once() -> None:
    core = RecordingCore()
    heard = Heard(core, OURS, lambda: NOW)

    def tell(sender: str = ANA, **content: Any) -> None:
        heard.take({"type": "m.presence", "sender": sender, "content": content})

    tell(presence="online", currently_active=True)
    tell(presence="online", currently_active=True, last_active_ago=1000)
    tell(presence="unavailable", last_active_ago=300_000)
    tell(presence="unavailable", last_active_ago=360_000)
    tell(presence="unavailable", last_active_ago=600_000)
    tell(KESTREL, presence="online")
    tell("nobody", presence="online")
    tell(presence="?")
    assert [shown.tuples[0].activities for shown in core.shown] == [NONE, AWAY, AWAY]
    assert core.labels == [
        "presence as before", "presence as before", "own presence", "malformed presence", "malformed presence"
    ]  # fmt: skip
    heard.lose(ANA)
    heard.lose(ANA)
    assert core.shown[3:] == [Presence(WHO)]
    tell(presence="online")
    heard.forget()
    tell(presence="online")
    assert len(core.shown) == 6
