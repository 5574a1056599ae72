"""What goes out: well-formed whatever it is made of, and heard as it was said."""

from collections.abc import Callable
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.xmpp import capabilities, outbound, sanitise
from bridge.model.message import MessageKind, Text
from bridge.model.result import Reason

ANYTHING = st.text(st.characters(codec=None, exclude_categories=())) | st.text(
    st.sampled_from("\0\1\2\3\x08\t\n\x0b\r\x1f\x7f\x85\u2028\ud800\udfff\ufffe\uffff\U0001fffe<>&'\"]]>/= a")
)
NS = "{jabber:component:accept}"


def parsed(stanza: str) -> Element:
    """As the server reads it, within the stream."""
    data = sanitise.checked(stanza)
    (element,) = fromstring(b'<s xmlns="jabber:component:accept">' + data + b"</s>")
    return element


@pytest.mark.conforms("RFC2779:4.1.6")
@given(ANYTHING)
@example("\r\n\r")
@example("]]>")
def test_a_body_is_heard_as_it_was_said(text: str) -> None:
    element = parsed(outbound.groupchat("a%b@c/r", "room@d", "id", Text(text)))
    assert (element.findtext(f"{NS}body") or "") == sanitise.clean(text)
    assert {child.tag for child in element} == {f"{NS}body", "{urn:xmpp:sid:0}origin-id"}


@pytest.mark.parametrize(
    "build",
    [
        lambda text: outbound.groupchat(text, text, text, Text(text, language=text)),
        lambda text: outbound.subject(text, text, text, text),
        lambda text: outbound.private(text, text, text, text),
        lambda text: outbound.direct(text, text, text, text),
        lambda text: outbound.enter(text, text, text, text, text, None),
        lambda text: outbound.enter(text, text, text, text, None, 1e9),
        lambda text: outbound.change_nick(text, text, text, text),
        lambda text: outbound.leave(text, text, text, text),
        lambda text: outbound.accept_defaults(text, text, text),
        lambda text: outbound.ask_info(text, text, text),
        lambda text: outbound.ping(text, text, text),
        lambda text: outbound.result(Element("iq", {"from": text, "to": text, "id": text})),
        lambda text: outbound.error(Element("iq", {"from": text, "to": text, "id": text}), Reason.GONE, text),
    ],
)
@given(text=ANYTHING)
def test_no_value_leaves_its_place(build: Callable[[str], str], text: str) -> None:
    """Every attribute of the stanza is one of those we write, and holds the cleaned text and nothing else."""
    element = parsed(build(text))
    for name, value in element.attrib.items():
        if name in ("from", "to", "id"):
            assert value in (sanitise.clean(text), f"{sanitise.clean(text)}/{sanitise.clean(text)}")
        else:
            assert name in ("type", "{http://www.w3.org/XML/1998/namespace}lang")
    harmless = parsed(build("x"))
    assert [child.tag for child in harmless.iter()][1:] == [child.tag for child in element.iter()][1:] or not text


@given(ANYTHING)
def test_clean_is_idempotent_and_keeps_length_but_for_line_ends(text: str) -> None:
    once = sanitise.clean(text)
    assert sanitise.clean(once) == once
    assert len(once) == len(text.replace("\r\n", "\n"))


@pytest.mark.parametrize("bad", ["\0", "\x01", "\x02", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_the_last_word_is_the_writers(bad: str) -> None:
    """Even for a stanza that was built without any care."""
    with pytest.raises(sanitise.Unsendable):
        sanitise.checked(f"<message><body>{bad}</body></message>")
    assert sanitise.clean(bad) == "\ufffd"


def test_what_xml_allows_is_kept() -> None:
    text = "\t\n \x7f\x85\u2028\ud7ff\ue000\ufffd\U00010000\U0001f600\U0001fffe\U0010ffff"
    assert sanitise.clean(text) == text
    assert sanitise.checked(text) == text.encode()


def test_size_counts_bytes() -> None:
    sanitise.checked("x" * sanitise.STANZA_BYTES)
    with pytest.raises(sanitise.TooLarge):
        sanitise.checked("é" * (sanitise.STANZA_BYTES // 2 + 1))


def test_the_largest_part_fits_however_it_is_escaped() -> None:
    for worst in "&<>":
        body = Text(capabilities.body(MessageKind.EMOTE, worst * (capabilities.ROOM.part_bytes - 4)))
        stanza = outbound.groupchat("n" * 3071, "r" * 2047, "i" * 140, body)
        assert len(sanitise.checked(stanza)) <= sanitise.STANZA_BYTES


@pytest.mark.parametrize(
    ("language", "told"),
    [("en", "en"), ("de-CH-1996", "de-CH-1996"), ("", None), (None, None), ("x'y", None), ("e n", None)],
)
def test_language(language: str | None, told: str | None) -> None:
    element = parsed(outbound.groupchat("a@b", "c@d", "i", Text("x", language=language)))
    assert element.get("{http://www.w3.org/XML/1998/namespace}lang") == told


def test_times_are_utc() -> None:
    assert outbound.timestamp(0) == "1970-01-01T00:00:00Z"
    assert '<history seconds="61"/>' in outbound.enter("a@b", "c@d", "n", "i", None, 60.5)
