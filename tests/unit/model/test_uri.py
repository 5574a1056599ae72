"""``im:`` and ``pres:`` URIs at real domains, and JIDs as such: RFC 3860 and 3859 appendix A, RFC 3922 section 3."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.uri import Scheme, Uri, UriError, escape, unescape

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n"), min_size=1)
WORDS = st.text(st.characters(exclude_categories=["Cs"]))
DOMAINS = st.lists(
    st.text(st.sampled_from("abcxyz019-ü中"), min_size=1, max_size=20), min_size=1, max_size=4
).map(".".join)  # fmt: skip
SCHEMES: st.SearchStrategy[Scheme] = st.sampled_from(["im", "pres"])
URIS = st.builds(Uri, SCHEMES, TEXT, DOMAINS, st.lists(st.tuples(WORDS.filter(bool), WORDS), max_size=3).map(tuple))

# Localpart of a JID, what it stands for, and how it is written in a URI.
LOCAL_PARTS = [
    ("juliet", "juliet", "juliet"),
    ("first.last", "first.last", "first.last"),
    ("mary-jane", "mary-jane", "mary-jane"),
    (r"o\27malley", "o'malley", "o%27malley"),
    (r"m\26m", "m&m", "m%26m"),
    ("tschüss", "tschüss", "tsch%C3%BCss"),
    ("what?", "what?", "what%3F"),
    ("a%b", "a%b", "a%25b"),
    ("f(x)", "f(x)", "f%28x%29"),
    (r"x\5c27y", r"x\27y", "x%5C27y"),
    ("`away|x", "`away|x", "%60away%7Cx"),
    (r"alice\3amatrix.org", "alice:matrix.org", "alice%3Amatrix.org"),
    (r"a\20b\22c\2fd\3ce\3ef\40g", 'a b"c/d<e>f@g', "a%20b%22c%2Fd%3Ce%3Ef%40g"),
    (r"c\d", r"c\d", "c%5Cd"),
]


@pytest.mark.conforms(
    "RFC3860:A.3",
    "RFC3859:A.3",
    "RFC3922:3.2:resource",
    "RFC3922:3.2:escapes",
    "RFC3922:3.2:percent",
    "RFC3922:3.2:scheme",
    "RFC3922:3.3:escapes",
    "RFC3922:4.2.1",
    "RFC3922:4.2.2",
)
@pytest.mark.parametrize(("node", "local", "encoded"), LOCAL_PARTS)
def test_jids_as_uris_and_back(node: str, local: str, encoded: str) -> None:
    for scheme in ("im", "pres"):
        uri = Uri.from_jid(f"{node}@Example.COM/balcony", scheme)
        assert uri == Uri(scheme, local, "example.com")
        assert str(uri) == f"{scheme}:{encoded}@example.com"
        assert Uri.parse(str(uri)) == uri
        assert uri.jid() == f"{node}@example.com"


@pytest.mark.conforms("RFC3860:A.3", "RFC3859:A.3")
@settings(deadline=None)
@given(URIS)
def test_uris_are_read_back(uri: Uri) -> None:
    assert re.fullmatch(r"(?:im|pres):[\x21-\x7e]+", str(uri))
    assert Uri.parse(str(uri)) == uri
    assert Uri.parse(str(uri.bare)) == uri.bare


@pytest.mark.conforms("RFC3922:3.3:at", "RFC3922:3.3:escapes")
@settings(deadline=None)
@given(TEXT, DOMAINS, SCHEMES)
def test_jids_are_read_back(text: str, domain: str, scheme: Scheme) -> None:
    uri = Uri(scheme, text.strip(" ") or "x", domain)
    assert unescape(escape(uri.local)) == uri.local
    assert Uri.from_jid(uri.jid(), scheme) == uri


@pytest.mark.conforms("RFC3860:A.2", "RFC3859:A.2", "RFC3922:3.3:percent")
@settings(deadline=None)
@given(TEXT, SCHEMES)
def test_any_percent_encoding_is_read(text: str, scheme: Scheme) -> None:
    everything = "".join(f"%{byte:02x}" for byte in text.encode())
    assert Uri.parse(f"{scheme.upper()}:{everything}@EXAMPLE.com") == Uri(scheme, text, "example.com")


@pytest.mark.conforms("RFC3860:A.2", "RFC3859:A.2", "RFC3922:3.3:percent")
@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("im:juliet@example.com", Uri("im", "juliet", "example.com")),
        ("im:mary%2djane@example.com", Uri("im", "mary-jane", "example.com")),
        ("im:o'malley@example.com", Uri("im", "o'malley", "example.com")),
        ("im:tschüss@bücher.example", Uri("im", "tschüss", "bücher.example")),
        ("pres:a@b%C3%BCcher.example", Uri("pres", "a", "bücher.example")),
        ("im:kestrel@libera", Uri("im", "kestrel", "libera")),
        ("im:a%40b@example.com", Uri("im", "a@b", "example.com")),
        ("im:a@example.com?", Uri("im", "a", "example.com")),
        (
            "im:a@example.com?subject=hi%20there&body=a+b%0D%0Ac",
            Uri("im", "a", "example.com", (("subject", "hi there"), ("body", "a+b\r\nc"))),
        ),
    ],
)
def test_uris_of_others(text: str, uri: Uri) -> None:
    assert Uri.parse(text) == uri


@pytest.mark.conforms("RFC3860:3.4.1:1", "RFC3922:3.3:at")
@pytest.mark.parametrize(
    "text",
    [
        "", "im", "im:", "im:?body=hi", "im:@example.com", "im:juliet", "im:juliet@", "im:juliet@.com", "im:a@b..c",
        "mailto:juliet@example.com", "juliet@example.com", " im:juliet@example.com", "im:juliet@example.com/balcony",
        "im:a@b@example.com", "im:what?@example.com", "im:a@example.com#x", "im:a b@example.com", "im:<a@example.com>",
        "im:%@example.com", "im:%4@example.com", "im:%ff@example.com", "im:%ed%a0%80@example.com",
        "im:a%00@example.com", "im:a%0aQUIT@example.com", "im:a\n@example.com", "im:a@example.com?x",
        "im:a@example.com?=x",
        "im:a@example.com?x=%zz", "im:a@example.com?x=%ff", "im:a@[::1]", "im:a@" + "x" * 64 + ".org",
        "im:\ud800@x.org", "im:a@exa%40mple.com",
    ],
)  # fmt: skip
def test_what_names_nobody(text: str) -> None:
    with pytest.raises(UriError):
        Uri.parse(text)


@pytest.mark.parametrize("jid", ["", "example.com", "@example.com", "a@", "a@b@c", "a\n@example.com", "/a@example.com"])
def test_what_is_nobodys_jid(jid: str) -> None:
    with pytest.raises(UriError):
        Uri.from_jid(jid, "im")


@pytest.mark.parametrize("local", [" a", "a ", " "])
def test_a_jid_neither_begins_nor_ends_in_a_space(local: str) -> None:
    with pytest.raises(UriError, match="space"):
        Uri("im", local, "example.com").jid()


def test_an_escaped_space_at_an_end_is_none() -> None:
    assert unescape(r"\20a\20b\20") == r"\20a b\20"


@settings(deadline=None)
@given(st.text(max_size=40).map("im:".__add__) | st.text(max_size=40))
def test_any_text_is_a_uri_or_a_uri_error(text: str) -> None:
    try:
        uri = Uri.parse(text)
    except UriError:
        return
    assert Uri.parse(str(uri)) == uri
