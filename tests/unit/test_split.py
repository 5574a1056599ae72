"""Splitting: budgets kept, characters, words and URLs whole, nothing lost."""

import re
import time

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.split import cut, ranges, split

FAMILY = "👨‍👩‍👧‍👦"
FLAGS = "🇩🇪🇫🇷"

# Pairs of what UAX #29 keeps together, after the rules of its table 3.
CLUSTERS = [
    ("\r\n", "GB3"),
    ("각", "Hangul syllable LVT"),
    ("\u1100\u1161\u11a8", "GB6, GB7, GB8: Jamo"),
    ("e\u0301\u0323", "GB9: combining marks"),
    ("a\u200d", "GB9: ZWJ"),
    ("👍🏽", "GB9: skin tone"),
    ("❤️", "GB9: variation selector"),
    ("1️⃣", "GB9: keycap"),
    ("நி", "GB9a: spacing mark"),
    ("\u0600\u0661", "GB9b: prepended number sign"),
    ("क्षि", "GB9c: Indic conjunct"),
    (FAMILY, "GB11: ZWJ sequence"),
    ("🏳️‍🌈", "GB11: rainbow flag"),
    ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", "GB9: tag sequence"),
    ("🇩🇪", "GB12: regional indicators"),
]
SHORT = [*(each for each, _ in CLUSTERS), " ", " ", "\n", "a", "é", "日本", "word", "\u0301", "\u200d", "🇫"]
LONG = ["see", "(https://example.org/x?y=z)", "https://example.org/日本", "日本https://a.b/c", "x" * 30, "  "]
ANYTHING = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    st.lists(st.sampled_from(SHORT), max_size=40).map("".join),
    st.lists(st.sampled_from(LONG)).map(" ".join),
)
LIMITS = st.one_of(st.integers(4, 12), st.integers(13, 90))


@pytest.mark.parametrize(("cluster", "rule"), CLUSTERS)
def test_a_cluster_is_never_cut(cluster: str, rule: str) -> None:
    size = len(cluster.encode())
    for before in ("x", "日", "x "):
        room = len(before.encode())
        for limit in range(room, room + size):
            assert cut(before + cluster + "y", limit) == before, rule
        assert cut(before + cluster + "y", room + size) == before + cluster, rule
    pieces = split("x" + cluster * 3 + "y", max(size, 4))
    assert "".join(pieces) == "x" + cluster * 3 + "y"
    assert all(len(piece.replace("x", "").replace("y", "")) % len(cluster) == 0 for piece in pieces), rule


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("", 4, ""),
        ("abc", 3, "abc"),
        ("abc", 2, "ab"),
        ("abc", 0, ""),
        ("abc", -1, ""),
        ("é", 1, ""),
        ("é", 2, "é"),
        ("日本", 5, "日"),
        ("a\r\nb", 2, "a"),
        ("\r\nb", 1, "\r"),
        (FLAGS, 8, "🇩🇪"),
        (FLAGS, 15, "🇩🇪"),
        (FLAGS, 4, "🇩"),
        (FAMILY, 4, "👨"),
        ("a" + "\u0301" * 50, 9, "a\u0301\u0301\u0301\u0301"),
    ],
)
def test_cut(text: str, limit: int, expected: str) -> None:
    assert cut(text, limit) == expected


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("", 10, []),
        ("short", 10, ["short"]),
        ("exactly ten"[:10], 10, ["exactly te"]),
        ("one two three", 8, ["one two", "three"]),
        ("one two three", 7, ["one two", "three"]),
        ("one two  three", 7, ["one two", " three"]),
        ("one\ntwo three", 8, ["one\ntwo", "three"]),
        ("one two\nthree", 9, ["one two", "three"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("ab cdefghijklmnop", 8, ["ab cdefg", "hijklmno", "p"]),
        (" abcdef", 4, [" abc", "def"]),
        ("abcd ", 4, ["abcd"]),
        ("日本語日本語", 9, ["日本語", "日本語"]),
        ("see https://example.org/long now", 25, ["see", "https://example.org/long", "now"]),
        ("日本https://example.org/x", 22, ["日本", "https://example.org/x"]),
        ("(((https://example.org/x)))", 24, ["(((", "https://example.org/x)))"]),
        ("see https://example.org/much-too-long", 16, ["see https://exam", "ple.org/much-too", "-long"]),
        ("ab \u0301cd", 4, ["ab", " \u0301c", "d"]),
        ("a" + "\u0301" * 4, 5, ["a\u0301\u0301", "\u0301\u0301"]),
    ],
)
def test_split(text: str, limit: int, expected: list[str]) -> None:
    assert split(text, limit) == expected


@pytest.mark.parametrize("limit", [3, 0, -1])
def test_too_small_to_split(limit: int) -> None:
    with pytest.raises(ValueError):
        split("text", limit)


@settings(max_examples=500, deadline=None)
@given(ANYTHING, st.integers(0, 90))
def test_cut_is_the_longest_that_fits(text: str, limit: int) -> None:
    head = cut(text, limit)
    clusters = regex.findall(r"\X", text)
    whole = ""
    for cluster in clusters:
        if len((whole + cluster).encode()) > limit:
            break
        whole += cluster
    assert text.startswith(head)
    assert len(head.encode()) <= limit
    if whole or not clusters:
        assert head == whole
    elif limit >= 4:
        assert head


@settings(max_examples=800, deadline=None)
@given(ANYTHING, LIMITS)
@example(" \u0301" * 10, 4)
@example("\r\n" * 10, 4)
def test_nothing_is_lost_and_all_fits(text: str, limit: int) -> None:
    pieces = ranges(text, limit)
    assert split(text, limit) == [text[start:end] for start, end in pieces]
    at = 0
    for start, end in pieces:
        assert text[at:start] in ("", " ", "\n")
        assert start < end
        assert len(text[start:end].encode()) <= limit
        at = end
    assert text[at:] in ("", " ", "\n")


@settings(max_examples=800, deadline=None)
@given(ANYTHING, LIMITS)
def test_clusters_stay_whole(text: str, limit: int) -> None:
    boundaries = {0}
    too_long = []
    for cluster in regex.finditer(r"\X", text):
        boundaries.add(cluster.end())
        if len(cluster.group().encode()) > limit:
            too_long.append(cluster.span())
    for start, end in ranges(text, limit):
        for at in (start, end):
            assert at in boundaries or any(first < at < last for first, last in too_long)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.sampled_from(["see", "https://example.org/x?y=z", "gopher://a.b/c", "日本", "-" * 40, "", "e\u0301"])),
    st.sampled_from([" ", "  ", "\n"]),
    st.integers(26, 60),
)
def test_urls_stay_whole(words: list[str], between: str, limit: int) -> None:
    text = between.join(words)
    urls = [url.span() for url in re.finditer(r"(https|gopher)://\S+", text)]
    for start, end in ranges(text, limit):
        for at in (start, end):
            assert not any(first < at < last for first, last in urls)


def test_words_stay_whole_where_a_piece_can_hold_them() -> None:
    words = [f"word{number}" for number in range(500)]
    pieces = split(" ".join(words), 40)
    assert " ".join(pieces).split(" ") == words
    assert all(len(piece) > 30 for piece in pieces[:-1])


@pytest.mark.parametrize(
    "text",
    [
        "a" * 65_000,
        "a b " * 16_000,
        "a" + "\u0301" * 30_000,
        "日" * 20_000,
        " \u0301" * 20_000,
        "a://" * 16_000,
        "🇩" * 16_000,
    ],
    ids=["letters", "words", "one cluster", "Chinese", "marked spaces", "schemes", "flags"],
)
@pytest.mark.parametrize("limit", [100, 60_000])
def test_hostile_text_takes_no_long_time(text: str, limit: int) -> None:
    started = time.process_time()
    pieces = split(text, limit)
    assert time.process_time() - started < 20.0, "of our own; what grows with the square takes minutes"
    assert len(pieces) >= len(text.encode()) // limit
