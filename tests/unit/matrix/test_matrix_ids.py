"""Identifiers: what may be configured, what is ours, what a part's transaction is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.matrix.ids import is_user_id, localpart, room_reference, segment, transaction_id
from bridge.model.address import Address
from tests.unit.matrix.scenes import KESTREL, NAMES, OURS, part


@pytest.mark.parametrize(
    "text",
    [
        "#lobby:example.org",
        "#Tee-Stübchen:example.org:8448",
        "#a:[::1]:8448",
        "!AbCd:example.org",
        "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM",  # room version 12: no server name
    ],
)
def test_rooms_that_may_be_configured(text: str) -> None:
    assert room_reference(f" {text} ") == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lobby", "#NAME:DOMAIN"),
        ("#lobby", "#NAME:DOMAIN"),
        ("#:example.org", "#NAME:DOMAIN"),
        ("#a b:example.org", "#NAME:DOMAIN"),
        ("#lobby:exa mple", "#NAME:DOMAIN"),
        ("@ana:example.org", "is a user"),
        ("!", "room id"),
        ("!a/b", "room id"),
        ("!a\r\nb", "room id"),
        ("#" + "x" * 300 + ":example.org", "255"),
        ("", "beginning with !"),
    ],
)
def test_rooms_that_may_not(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        room_reference(text)


@pytest.mark.parametrize("text", ["@ana:matrix.org", "@Ana Upper:matrix.org", "@a:b:8448", KESTREL])
def test_user_ids(text: str) -> None:
    assert is_user_id(text)


@pytest.mark.parametrize("text", [None, 5, "", "@", "ana:b", "@:b", "@ana", "@a\n:b", "@" + "a" * 255 + ":b"])
def test_what_is_no_user_id(text: object) -> None:
    assert not is_user_id(text)


def test_what_is_ours() -> None:
    assert OURS.bot_id == "@rialto:example.org"
    assert OURS.owns(OURS.bot_id)
    assert OURS.owns(KESTREL)
    assert not OURS.is_puppet(OURS.bot_id)
    for other in ("@_rialto_libera_kestrel:elsewhere.org", "@rialto:elsewhere.org", "@rialto2:example.org"):
        assert not OURS.owns(other)


def test_a_puppet_is_read_back() -> None:
    address = Address("office", "bo@example.org")
    user_id = OURS.puppet_id(address, NAMES)
    assert user_id == "@_rialto_office_bo=40example.org:example.org"
    assert OURS.read(user_id, NAMES) == address


@pytest.mark.parametrize(
    "user_id",
    [
        "@rialto:example.org",
        "@_rialto_libera_kestrel:matrix.org",
        "@_rialto_nowhere_x:example.org",
        "@_rialto_libera_=23tea:example.org",  # a room's alias
        "@_rialto_:example.org",
    ],
)
def test_what_is_nobodys_puppet(user_id: str) -> None:
    assert OURS.read(user_id, NAMES) is None


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=400))
def test_every_puppet_id_fits(native: str) -> None:
    user_id = OURS.puppet_id(Address("office", native), NAMES)
    assert len(user_id.encode()) <= 255
    assert is_user_id(user_id)
    assert OURS.read(user_id, NAMES) == Address("office", native)


@given(st.text())
def test_a_segment_is_one_segment(text: str) -> None:
    try:
        quoted = segment(text)
    except UnicodeEncodeError:
        return  # lone surrogates never get as far as a path
    assert not set(quoted) & set("/?#: \r\n")


def test_transaction_ids() -> None:
    one = transaction_id(part(), KESTREL, "!lobby")
    assert one == transaction_id(part("changed text"), KESTREL, "!lobby")
    others = {
        transaction_id(part(id="01HZX-1-1"), KESTREL, "!lobby"),
        transaction_id(part(source="def"), KESTREL, "!lobby"),
        transaction_id(part(), OURS.bot_id, "!lobby"),
        transaction_id(part(), KESTREL, "!tea"),
    }
    assert len(others | {one}) == 5
    assert one.isascii()
    assert segment(one) == one


def test_localpart() -> None:
    assert localpart("@ana:matrix.org:8448") == "ana"
